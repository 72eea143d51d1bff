#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""output.py [--status N] [--arg ARG] [--last] PROGRAM WANTED...: the program, with one argument or none, ends with status 0 (or N),
and its output has these lines, in this order (other lines may come between them; with --last, which is for stdout, not after the last);
one that begins with "stderr: " is a line of its stderr, and "*" stands for anything. "stderr: goroutine " begins what a
report tells of one goroutine, up to an empty line: "*name" at the end wants a frame in there. They are told of in the order of
their ids, which depends on who started them where, so these may come anywhere, each for another goroutine."""
import os
import re
import subprocess
import sys

GOROUTINE = "stderr: goroutine "

args = sys.argv[1:]
status, more, last = 0, [], False
while args[0].startswith("--"):
    option = args.pop(0)
    if option == "--last":
        last = True
    elif option == "--status":
        status = int(args.pop(0))
    else:
        more = [args.pop(0)]
emulator = os.environ.get("MESON_EXE_WRAPPER", "").split()  # of a cross build
result = subprocess.run([*emulator, args[0], *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
lines = result.stdout.splitlines()
goroutines = ["stderr: " + part for part in re.split(r"\n\n|^(?=goroutine )", result.stderr, flags=re.MULTILINE) if part]
left = iter(lines + ["stderr: " + line for line in result.stderr.splitlines()])


def pattern(wanted):
    return re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)


def comes(wanted):
    if not wanted.startswith(GOROUTINE):
        return any(pattern(wanted).fullmatch(line) for line in left)
    found = next((goroutine for goroutine in goroutines if pattern(wanted).match(goroutine)), None)
    if found:
        goroutines.remove(found)
    return found is not None


missing = [line for line in args[1:] if not comes(line)]
after = lines[lines.index(args[-1]) + 1:] if last and not missing else []
if result.returncode != status or missing or after:
    print(f"status {result.returncode}, missing {missing}, after the last {after}, output:\n{result.stdout}{result.stderr}")
    sys.exit(1)
