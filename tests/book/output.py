#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""output.py [--status N] PROGRAM LINE...: the program ends with status 0 (or N), and its output has these lines, in
this order (other lines may come between them); one that begins with "stderr: " is a line of its stderr."""
import subprocess
import sys

args = sys.argv[1:]
status = 0
if args[0] == "--status":
    status = int(args[1])
    args = args[2:]
result = subprocess.run([args[0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
left = iter(result.stdout.splitlines() + ["stderr: " + line for line in result.stderr.splitlines()])
missing = [line for line in args[1:] if line not in left]
if result.returncode != status or missing:
    print(f"status {result.returncode}, missing {missing}, output:\n{result.stdout}{result.stderr}")
    sys.exit(1)
