# SPDX-License-Identifier: Apache-2.0
"""Goroutines in gdb: `info goroutines`, and `goroutine N COMMAND`, for instance `goroutine 7 bt`.

Works on a running process and on a core file, with or without debug information in weft, but not when
libweft's symbol table was stripped. gdb loads this file by itself where it is installed beside
the library; otherwise: (gdb) source weft-gdb.py. See docs/debugging.md.

A goroutine that doesn't run is its stack and three registers. `goroutine N` has gdb unwind from the selected
thread's innermost frame straight to those, so nothing in the process is changed.
"""
import re

import gdb
import gdb.unwinder

REGISTERS = {  # how weft's pc, sp and fp are called
    "i386:x86-64": ("rip", "rsp", "rbp"),
    "aarch64": ("pc", "sp", "x29"),
}


def address_of(symbol):
    try:
        return int(gdb.parse_and_eval(f"(unsigned long) &{symbol}"))
    except gdb.error as error:
        raise gdb.GdbError(f"weft's table {symbol} is not to be found: {error}") from error


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def read_int(address, size):
    return int.from_bytes(read(address, size), "little")


def read_text(address, size):
    return read(address, size).split(b"\0")[0].decode(errors="replace")


class Layout:
    """What debugger.c says of weft's structures."""

    def __init__(self):
        self.values = {}
        at = address_of("sched_debug_layout")
        while name := read_text(at, 32):
            self.values[name] = (read_int(at + 32, 4), read_int(at + 36, 4))
            at += 40
        self.sched = read_int(address_of("sched_debug_root"), 8)
        count = read_int(address_of("sched_debug_reason_count"), 4)
        reasons = address_of("sched_debug_reasons")
        self.reasons = [read_text(reasons + 32 * i, 32) for i in range(count)]

    def entry(self, name):
        try:
            return self.values[name]
        except KeyError:
            raise gdb.GdbError(f"this weft has no {name}: another version's script?") from None

    def constant(self, name):
        return self.entry(name)[0]

    def get(self, base, field):
        offset, size = self.entry(field)
        return read_int(base + offset, size)


class Goroutine:
    def __init__(self, layout, at, thread):
        self.thread = thread  # that it runs on, or None
        self.id = layout.get(at, "g.id")
        self.pc = layout.get(at, "g.ctx.pc")
        self.sp = layout.get(at, "g.ctx.sp")
        self.fp = layout.get(at, "g.ctx.fp")
        self.fn = layout.get(at, "g.fn")
        self.name = ""
        if layout.get(at, "g.flags") & layout.constant("G_NAMED"):
            offset, size = layout.entry("g.name")
            self.name = read_text(at + offset, size)
        state = layout.get(at, "g.state")
        self.started = layout.get(at, "g.stack") != 0
        if thread:
            blocking = state == layout.constant("G_BLOCKING")
            self.state = f"{'blocking' if blocking else 'running'} (thread {thread.num})"
        elif state == layout.constant("G_PARKED"):
            self.state = self.reason(layout, at)
        elif layout.get(at, "g.on_cpu"):
            self.state = "switching"
        else:
            self.state = "runnable"

    @staticmethod
    def reason(layout, at):
        other = layout.get(at, "g.waiting")
        number = layout.get(other, "waiter.reason") if other else layout.get(at, "g.waiter.reason")
        number &= layout.constant("WAIT_REASON")
        text = layout.reasons[number] if number < len(layout.reasons) else ""
        return text or f"wait reason {number}"

    def where(self):
        if self.thread:
            return location(thread_pc(self.thread))
        if not self.started:
            return f"not started: {location(self.fn)}"
        return location(self.pc)


def location(pc):
    symbol = gdb.execute(f"info symbol {pc:#x}", to_string=True)
    found = re.match(r"(.+?)(?: \+ (\d+))? in section", symbol)
    text = f"{pc:#x}"
    if found:
        text += f" {found.group(1)}"
        if found.group(2):
            text += f"+{found.group(2)}"
    line = gdb.find_pc_line(pc)
    return f"{text} at {line.symtab.filename}:{line.line}" if line.symtab else text


class SelectedThread:
    """Select a thread for a while, and come back to the frame that was selected before."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        self.was = gdb.selected_thread()
        try:
            self.level = gdb.selected_frame().level()
        except gdb.error:
            self.level = 0
        self.thread.switch()

    def __exit__(self, *_):
        if not self.was or not self.was.is_valid():
            return
        self.was.switch()
        frame = gdb.newest_frame()
        for _ in range(self.level):
            frame = frame.older() or frame
        frame.select()


def thread_pc(thread):
    with SelectedThread(thread):
        return gdb.newest_frame().pc()


def thread_of(handle):
    """The thread that a pthread_t names. Without libthread_db: by its thread pointer, which that is."""
    inferior = gdb.selected_inferior()
    try:
        thread = inferior.thread_from_handle(handle.to_bytes(8, "little"))
        if thread:
            return thread
    except (gdb.error, NotImplementedError):
        pass
    for thread in inferior.threads():
        with SelectedThread(thread):
            for register in ("fs_base", "tpidr"):
                try:
                    if int(gdb.newest_frame().read_register(register)) == handle:
                        return thread
                except (gdb.error, ValueError):
                    pass
    return None


def running(layout):
    """Which thread runs which goroutine, by the descriptor's address. In a blocking section the thread's
    frames are the function's, and below them the goroutine's."""
    threads = {}
    ms = layout.sched + layout.entry("sched.ms")[0]
    for i in range(layout.get(layout.sched, "sched.ms_made")):
        m = read_int(ms + 8 * i, 8)
        g = layout.get(m, "m.g") if m else 0
        if m and layout.get(m, "m.state") == layout.constant("M_CALLING"):
            g = layout.get(m, "m.calling")
        if g:
            threads[g] = thread_of(layout.get(m, "m.thread"))
    return threads


def goroutines():
    """All that are alive, in the order of their ids."""
    layout = Layout()
    threads = running(layout)
    found = []
    step = layout.get(layout.sched, "sched.g_class.object_bytes")
    slab = layout.get(layout.sched, "sched.g_class.slabs")
    free = layout.constant("G_FREE")
    while slab:
        end = layout.get(slab, "slab.carved")
        for at in range(slab + layout.constant("CACHE_LINE"), slab + end, step or end):
            if layout.get(at, "g.state") != free:
                found.append(Goroutine(layout, at, threads.get(at)))
        slab = layout.get(slab, "slab.next")
    return sorted(found, key=lambda g: g.id)


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Unwinder(gdb.unwinder.Unwinder):
    """While it has a target: unwinds from the thread's innermost frame to that goroutine's."""

    def __init__(self):
        super().__init__("weft-goroutine")
        self.target = None
        self.innermost = None

    def __call__(self, pending):
        if not self.target:
            return None
        here = (int(pending.read_register("pc")), int(pending.read_register("sp")))
        if here != self.innermost:
            return None
        g = self.target
        names = REGISTERS[pending.architecture().name()]
        values = [gdb.Value(value).cast(pending.read_register(name).type)
                  for name, value in zip(names, (g.pc, g.sp, g.fp))]
        info = pending.create_unwind_info(FrameId(values[1], gdb.Value(0).cast(values[0].type)))
        for name, value in zip(names, values):
            info.add_saved_register(name, value)
        return info

    def run(self, g, command):
        """Run a gdb command with the innermost frame of g selected."""
        newest = gdb.newest_frame()
        if newest.architecture().name() not in REGISTERS:
            raise gdb.GdbError(f"no registers known for {newest.architecture().name()}")
        self.innermost = (int(newest.read_register("pc")), int(newest.read_register("sp")))
        with SelectedThread(gdb.selected_thread()):
            self.target = g
            gdb.invalidate_cached_frames()
            try:
                older = gdb.newest_frame().older()
                if not older:
                    raise gdb.GdbError("gdb could not unwind to the goroutine")
                older.select()
                if command.split()[0] in ("bt", "backtrace", "where"):
                    print_backtrace(command)
                else:
                    gdb.execute(command)
            finally:
                self.target = None
                gdb.invalidate_cached_frames()


def print_backtrace(command):
    """Without the thread's own frame, and counted from 0 as ever."""
    for line in gdb.execute(command, to_string=True).splitlines():
        found = re.match(r"#(\d+)( +)(.*)", line)
        if found and found.group(1) == "0":
            continue
        print(f"#{int(found.group(1)) - 1}{found.group(2)}{found.group(3)}" if found else line)


class InfoGoroutines(gdb.Command):
    """List weft's goroutines: id, name, what each does or waits for, and where it is."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        rows = [(str(g.id), g.name, g.state, g.where()) for g in goroutines()]
        if not rows:
            print("No goroutines.")
            return
        rows.insert(0, ("Id", "Name", "State", "Where"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        for row in rows:
            print("  ".join([text.ljust(width) for text, width in zip(row, widths)] + [row[3]]))


class GoroutineCommand(gdb.Command):
    """Run a gdb command in the frames of a goroutine: goroutine ID COMMAND, or goroutine all COMMAND.

For instance: goroutine 7 bt"""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)
        self.unwinder = Unwinder()
        gdb.unwinder.register_unwinder(None, self.unwinder, replace=True)

    def invoke(self, argument, from_tty):
        which, _, command = argument.strip().partition(" ")
        command = command.strip()
        if not command or not (which == "all" or which.isdigit()):
            raise gdb.GdbError("usage: goroutine ID|all COMMAND")
        chosen = [g for g in goroutines() if which in ("all", str(g.id))]
        if not chosen:
            raise gdb.GdbError(f"no goroutine {which}")
        for g in chosen:
            if which == "all":
                print(f"\ngoroutine {g.id}{f' ({g.name})' if g.name else ''} [{g.state}]:")
            self.run(g, command)

    def run(self, g, command):
        if g.thread:
            with SelectedThread(g.thread):
                gdb.execute(command)
        elif not g.started:
            print(f"not started: {location(g.fn)}")
        else:
            self.unwinder.run(g, command)


InfoGoroutines()
GoroutineCommand()
