#!/usr/bin/env python3
"""Read meson's JSON test log; print what was skipped, and the counts as the last line.

Usage: test-results.py CONFIG TESTLOG.json DIRECTORY
The last line is "PASSED FAILED SKIPPED", for scripts/test.sh to add up. What a test printed that failed goes to a file
of its name in DIRECTORY, but for the cases that passed.
"""
import json
import os
import sys

TAIL_LINES = 40


def tell_failure(test, path):
    with open(path, "w", encoding="utf-8") as out:
        print(f"  {test['result']}, exit status {test['returncode']}, {test['duration']:.1f} s", file=out)
        print("  " + " ".join(test["command"]), file=out)
        for stream in ("stdout", "stderr"):
            lines = [line for line in (test.get(stream) or "").splitlines() if not line.startswith("ok  ")]
            for line in lines[-TAIL_LINES:]:
                print(f"  | {line}", file=out)


def main():
    config, path, directory = sys.argv[1:]
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
                tell_failure(test, os.path.join(directory, test["name"]))
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()
