#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""output.py PROGRAM LINE...: the program ends with status 0, and its output has these lines, in this order
(other lines may come between them)."""
import subprocess
import sys

result = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, text=True, timeout=120, check=False)
left = iter(result.stdout.splitlines())
missing = [line for line in sys.argv[2:] if line not in left]
if result.returncode or missing:
    print(f"status {result.returncode}, missing {missing}, output:\n{result.stdout}")
    sys.exit(1)
