#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""output.py [--status N] [--arg ARG] PROGRAM LINE...: the program, with one argument or none, ends with status 0 (or N), and
its output has these lines, in this order (other lines may come between them); one that begins with "stderr: " is
a line of its stderr, one that ends with "*" the beginning of a line."""
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
result = subprocess.run([args[0], *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
left = iter(result.stdout.splitlines() + ["stderr: " + line for line in result.stderr.splitlines()])


def comes(wanted):
    if wanted.endswith("*"):
        return any(line.startswith(wanted[:-1]) for line in left)
    return wanted in left


missing = [line for line in args[1:] if not comes(line)]
if result.returncode != status or missing:
    print(f"status {result.returncode}, missing {missing}, output:\n{result.stdout}{result.stderr}")
    sys.exit(1)
