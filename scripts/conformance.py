#!/usr/bin/env python3
"""Make docs/conformance.md: what weft does as Go does, which tests hold it to that, and where it differs.

Usage: scripts/conformance.py [--check]
  --check  write nothing; fail if docs/conformance.md isn't what would be written

The lines are those of tests/conformance.txt. A test holds a line if a comment in it, or else in its file, names the line's id.
Exit status: 0 all well, 1 a line that no test holds, an id that no line has, or (--check) a file out of date, 2 wrong usage.
"""

import re
import sys
from pathlib import Path

LINES = Path("tests/conformance.txt")
OUTPUT = Path("docs/conformance.md")
ID = re.compile(r"\b[A-Z]{2,3}-\d{2}\b")
HEAD = """<!-- Made by scripts/conformance.py from tests/conformance.txt and the tests: don't edit. -->
# As Go does
Each line is something that Go 1.26 does and weft does as well, with the tests that hold it to that; the last column says where weft differs.
"""


def holders():
    """Of each id the tests that name it, in order."""
    found = {}
    for path in sorted(Path("tests").rglob("*.[ch]")):
        test = ""
        for line in path.read_text().splitlines():
            begins = re.match(r"TEST\((\w+)\)", line)
            if begins:
                test = begins[1]
            elif line.startswith("}"):
                test = ""
            for name in ID.findall(line):
                where = f"[{path.relative_to('tests')}](../{path})" + (f": {test}" if test else "")
                found.setdefault(name, []).append(where)
    # A file's helpers say no more than its tests do.
    return {name: [t for t in dict.fromkeys(tests) if not any(u.startswith(t + ":") for u in tests)]
            for name, tests in found.items()}


def chapters():
    """(title, [(id, what, difference)]) each."""
    chapters_, title = [], ""
    for line in LINES.read_text().splitlines():
        if line.startswith("#"):
            title = line[1:].strip()
            continue
        if title is not None:
            chapters_.append((title, []))
            title = None
        chapters_[-1][1].append(tuple(field.strip() for field in line.split("|")))
    return chapters_


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    held, wrong, text = holders(), [], HEAD
    known = set()
    for title, lines in chapters():
        text += f"\n## {title}\n| | | tests | differs |\n|---|---|---|---|\n"
        for name, what, difference in lines:
            known.add(name)
            tests = held.get(name, [])
            if not tests and not re.match(r"no\b|weft_stack", difference):
                wrong.append(f"{name}: no test names it")
            difference = re.sub(r"^no\b:?", "**not in this release**:", difference).removesuffix(":")
            text += f"| {name} | {what} | {'<br>'.join(tests)} | {difference} |\n"
    wrong += [f"{name}: not in {LINES}" for name in sorted(set(held) - known)]
    if sys.argv[1:]:
        if not OUTPUT.exists() or OUTPUT.read_text() != text:
            wrong.append(f"{OUTPUT} is out of date: run scripts/conformance.py")
    else:
        OUTPUT.write_text(text)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
