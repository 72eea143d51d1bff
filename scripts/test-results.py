#!/usr/bin/env python3
"""Read meson's JSON test log; show what failed; print the counts as the last line.

Usage: test-results.py CONFIG TESTLOG.json
The last line is "PASSED FAILED SKIPPED", for scripts/test.sh to add up.
"""
import json
import sys

TAIL_LINES = 40


def show_failure(config, test):
    print(f"FAILED {config}: {test['name']} ({test['result']}, exit status {test['returncode']})")
    print("  " + " ".join(test["command"]))
    for stream in ("stdout", "stderr"):
        for line in (test.get(stream) or "").splitlines()[-TAIL_LINES:]:
            print(f"  | {line}")


def main():
    config, path = sys.argv[1:]
    passed = failed = skipped = 0
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            # "project:suites / name"
            test["name"] = test["name"].rpartition(" / ")[2]
            if test["result"] in ("OK", "EXPECTEDFAIL"):
                passed += 1
            elif test["result"] == "SKIP":
                skipped += 1
                print(f"skipped {config}: {test['name']}")
            else:
                failed += 1
                show_failure(config, test)
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()
