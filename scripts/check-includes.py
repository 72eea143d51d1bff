#!/usr/bin/env -S python3 -B
"""Do includes point only downward, and does only arch/ know the machine?

- Rooms have ranks (RANKS). A file includes its own room and rooms of a lower rank. A runtime/ room
  is seen by others only through the header that has its name: "runtime/chan/chan.h".
- runtime/hooks.h may be included everywhere but in public headers, which include only each other
  and the system's. Examples include only <weft/...>; benchmarks that and runtime/hooks.h; tools that
  and headers that know nothing of the runtime (TOOLS_MAY).
- Includes in quotes are written from the repository's root (or, in tests, benchmarks and examples,
  from their own folder).
- Atomics, threads, clocks and system calls are reached through arch/ (SEAM).
- Conditional compilation is for arch/, config.h and the files in CONDITIONALS_ALLOWED; elsewhere
  only a constant may be another in the test build (CAPACITY).

Usage: check-includes.py
"""
import os
import re
import sys

import source_tree

RANKS = {
    "include": 0,
    "arch": 1,
    "alloc": 2,
    "runtime/sched": 3,
    "runtime/time": 4,
    "runtime/chan": 5, "runtime/sync": 5, "runtime/pool": 5, "runtime/fork": 5,
    "runtime/context": 6, "runtime/fail": 6, "runtime/net": 6, "runtime/signal": 6,
    "runtime/flow": 7, "runtime/observe": 7,
}
HOOKS = "runtime/hooks.h"
GENERATED = {"weft-config.h"}

# File: why.
CONDITIONALS_ALLOWED = {
    "alloc/alloc.c": "malloc or jemalloc behind the same functions",
    "include/weft/here.h": "a thread-local pointer, read afresh by inline functions in programs",
}

TOOLS_MAY = {"runtime/sched/layout.h"}

SEAM_HEADERS = {"stdatomic.h", "pthread.h", "threads.h", "sys/syscall.h", "syscall.h",
                "linux/futex.h", "linux/membarrier.h", "sys/random.h",
                "x86intrin.h", "immintrin.h", "arm_neon.h", "cpuid.h"}
SEAM_CALLS = re.compile(
    r"\b(?:(?:clock_gettime|clock_nanosleep|nanosleep|syscall|sched_yield|getrandom|random|rand|"
    r"pthread_\w+|__builtin_ia32_\w+|__atomic_\w+|__sync_\w+)\s*\(|__asm__\b|asm\b)")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]*)"|<([^>]*)>)', re.M)
CONDITIONAL = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b.*", re.M)
GUARD = re.compile(r"^[ \t]*#[ \t]*ifndef[ \t]+(\w+)[ \t]*\n[ \t]*#[ \t]*define[ \t]+\1[ \t]*$", re.M)
CAPACITY = re.compile(r"^#ifdef WEFT_TEST_BUILD\n(?:#define .*\n)+#else\n(?:#define .*\n)+#endif", re.M)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "runtime":
        return "/".join(parts[:2]) if len(parts) > 2 else path
    return parts[0]


class Checker:
    def __init__(self):
        self.status = 0

    def report(self, path, text, offset, message):
        print(f"{path}:{text.count(chr(10), 0, offset) + 1}: {message}")
        self.status = 1

    def check_include(self, path, text, match):
        def fail(message):
            self.report(path, text, match.start(), message)

        quoted, system = match.groups()
        room = room_of(path)
        if system is not None:
            if room in RANKS and room not in ("arch", "include") and system in SEAM_HEADERS:
                fail(f"<{system}> belongs behind arch/")
            if room == "include" and not system.startswith("weft/") and "/" in system:
                fail(f"a public header includes <{system}>")
            return
        if room == "include":
            return fail(f'a public header includes "{quoted}"')
        beside = os.path.join(os.path.dirname(path), quoted)
        if room in ("bench", "tests", "examples", "tools") and (
                os.path.isfile(os.path.join(source_tree.ROOT, beside))
                or os.path.isfile(os.path.join(source_tree.ROOT, room, quoted))):
            return None
        if room == "examples":
            return fail(f'an example includes "{quoted}", not <weft/...>')
        if quoted in GENERATED:
            return None
        if not os.path.isfile(os.path.join(source_tree.ROOT, quoted)):
            return fail(f'"{quoted}" is no path from the root')
        target = room_of(quoted)
        if quoted == HOOKS or target == room or room == "tests":
            return None
        if room == "tools" and quoted in TOOLS_MAY:
            return None
        if room == "tools":
            return fail(f'a tool includes "{quoted}"; it may use <weft/...> and {sorted(TOOLS_MAY)}')
        if room == "bench":
            return fail(f'a benchmark includes "{quoted}"; it may use <weft/...> and {HOOKS}')
        if room not in RANKS:
            return fail(f"{room}/ has no rank in {os.path.basename(__file__)}")
        if target not in RANKS:
            return fail(f'"{quoted}" is in no room')
        if RANKS[target] >= RANKS[room]:
            return fail(f"{room} may not include {target}: not below it")
        if target.startswith("runtime/") and quoted != f"{target}/{os.path.basename(target)}.h":
            return fail(f'"{quoted}" is internal to {target}; '
                        f'include "{target}/{os.path.basename(target)}.h"')
        return None

    def check_file(self, path):
        text = source_tree.code(source_tree.read(path))
        room = room_of(path)
        for match in INCLUDE.finditer(text):
            self.check_include(path, text, match)
        if room not in RANKS or room == "arch":
            return
        if room != "include":
            for match in SEAM_CALLS.finditer(text):
                self.report(path, text, match.start(),
                            f"{match.group().rstrip(' (')} belongs behind arch/")
        if os.path.basename(path) == "config.h" or path in CONDITIONALS_ALLOWED:
            return
        guard = GUARD.search(text)
        capacities = {match.start() for match in CAPACITY.finditer(text)}
        for match in CONDITIONAL.finditer(text):
            is_guard = guard and match.start() == guard.start()
            is_cplusplus = room == "include" and "__cplusplus" in match.group()
            if not is_guard and not is_cplusplus and match.start() not in capacities:
                self.report(path, text, match.start(), "conditional compilation outside arch/")


def main():
    checker = Checker()
    for path in source_tree.sources("include", "arch", "alloc", "runtime"):
        checker.check_file(path)
    for path in source_tree.sources("examples", "bench", "tests", "tools", suffixes=(".c", ".h", ".cc", ".cpp")):
        checker.check_file(path)
    return checker.status


if __name__ == "__main__":
    sys.exit(main())
