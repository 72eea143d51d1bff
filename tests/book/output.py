#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""output.py [--status N] [--arg ARG] PROGRAM LINE...: the program, with one argument or none, ends with status 0 (or N), and
its output has these lines, in this order (other lines may come between them); one that begins with "stderr: " is a line of its stderr, and "*" stands for
anything. Goroutines are told of in the order of their ids, which depends on who started them where: their lines may come
anywhere."""
import os
import re
import subprocess
import sys

args = sys.argv[1:]
status, more = 0, []
while args[0] in ("--status", "--arg"):
    if args[0] == "--status":
        status = int(args[1])
    else:
        more = [args[1]]
    args = args[2:]
emulator = os.environ.get("MESON_EXE_WRAPPER", "").split()  # of a cross build
result = subprocess.run([*emulator, args[0], *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
lines = result.stdout.splitlines() + ["stderr: " + line for line in result.stderr.splitlines()]
left = iter(lines)


def comes(wanted):
    pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("*")))
    return any(pattern.fullmatch(line) for line in (lines if wanted.startswith("stderr: goroutine ") else left))


missing = [line for line in args[1:] if not comes(line)]
if result.returncode != status or missing:
    print(f"status {result.returncode}, missing {missing}, output:\n{result.stdout}{result.stderr}")
    sys.exit(1)
