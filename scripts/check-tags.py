#!/usr/bin/env -S python3 -B
"""Does each memory-order tag have its partner?

A comment at a strong order carries a tag such as [WAKE-1], and the comment at the order that it
pairs with carries [WAKE-2]. Each name must occur with at least two different numbers.

Usage: check-tags.py [--list]
  --list  print every tag and where it is
"""
import collections
import re
import sys

import source_tree

TAG = re.compile(r"\[([A-Z][A-Z0-9_]*(?:-[A-Z][A-Z0-9_]*)*)-(\d+)\]")


def main():
    places = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in source_tree.sources("arch", "alloc", "runtime", "include"):
        text = source_tree.comments(source_tree.read(path))
        for line_number, line in enumerate(text.splitlines(), 1):
            for name, number in TAG.findall(line):
                places[name][int(number)].append(f"{path}:{line_number}")

    status = 0
    for name, numbers in sorted(places.items()):
        if "--list" in sys.argv[1:]:
            for number, where in sorted(numbers.items()):
                print(f"[{name}-{number}] {' '.join(where)}")
        if len(numbers) < 2:
            (number, where), = numbers.items()
            print(f"{where[0]}: [{name}-{number}] has no partner")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
