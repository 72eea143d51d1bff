#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run weft-bench and its peers in turn, print the table, write the JSON, the figure and the README.

Called by scripts/bench.sh, which builds what is run here and documents the flags.

A peer is a folder with two programs: "peer", which knows -list, -row NAME and -min_time SECONDS and prints a
JSON object a row with weft-bench's counters; and "hello", the process that the row hello times. Every
run of a row is a process of its own, which warms up before it measures.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README_BEGIN = "<!-- bench:begin -->"
README_END = "<!-- bench:end -->"
README_FIGURE = "docs/bench.svg"
MIN_TIME_S = 0.1
TIMEOUT_S = 60
DASH = "-"


# What is shown of a row


@dataclass(frozen=True)
class Figure:
    """One counter of a row: a line of the table for each number of processors."""

    counter: str = "ns_per_op"
    part: str = ""  # which of the row's figures; empty when it is the only one
    unit: str = "ns"
    plotted: bool = True


@dataclass(frozen=True)
class Row:
    name: str
    headline: bool = False
    peer_name: str = ""  # the peers' row where it is not the same
    figures: tuple = (Figure(),)
    runs_max: int = 0  # slow rows: at most this many by default

    @property
    def name_at_peers(self):
        return self.peer_name or self.name


LATENCY = (Figure("p50_ns", "p50"), Figure("p99_ns", "p99", plotted=False))

# Rows that weft-bench has and that are not here are shown by their ns_per_op, with --all and --only.
KNOWN_ROWS = (
    Row("yield", headline=True),
    Row("spawn_join", headline=True),
    Row("spawn_many", headline=True),
    Row("threadring_park", headline=True, peer_name="threadring_503"),
    Row(
        "parked_1m",
        headline=True,
        runs_max=3,
        figures=(
            Figure("bytes_each", "memory", "B"),
            Figure("create_ns_each", "create"),
            Figure("wake_ns_each", "wake"),
        ),
    ),
    Row("sleep_1us", figures=LATENCY),
    Row("sleep_50us", figures=LATENCY),
    Row("sleep_1ms", headline=True, figures=LATENCY),
    Row("sleep_1ms_busy", figures=LATENCY),
    Row("ticker_jitter", figures=LATENCY),
    Row(
        "mutex_fairness",
        figures=(Figure(), Figure("slowest_percent", "slowest", "%", plotted=False)),
    ),
    Row("mutex_polite", figures=(*LATENCY, Figure("max_ns", "longest", plotted=False))),
    Row(
        "timers_1m",
        runs_max=3,
        figures=(
            Figure("arm_ns_each", "arm"),
            Figure("stop_ns_each", "stop"),
            Figure("fire_ns_each", "fire"),
        ),
    ),
    Row("run_empty", headline=True),
    Row("hello", headline=True),
    Row("fib_chan_20", figures=(Figure("total_ns"),)),
    Row("skynet_1m", figures=(Figure("total_ns"),)),
    Row("sieve_500", figures=(Figure("total_ns"),)),
)


# Running


class Failure(Exception):
    """A benchmark that failed, with its message."""


@dataclass
class Side:
    """weft or a peer: how to run one row once, as a dict of counters."""

    label: str
    folder: Path

    def command(self, row, procs):
        raise NotImplementedError

    def has(self, row):
        raise NotImplementedError

    def run(self, row, procs):
        command, extra = self.command(row, procs)
        environment = dict(os.environ, GOMAXPROCS=str(procs), WEFT_MAXPROCS=str(procs), **extra)
        environment.pop("WEFT_BENCH_SMALL", None)
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"not done after {TIMEOUT_S} s") from None
        except OSError as error:
            raise Failure(f"{command[0]}: {error.strerror}") from None
        result = self.parse(done.stdout)
        if done.returncode < 0:
            raise Failure(f"signal {-done.returncode}{last_line(done.stderr)}")
        if result.get("error"):
            raise Failure(result["error"])
        if done.returncode != 0 or "ns_per_op" not in result:
            raise Failure(f"exit status {done.returncode}{last_line(done.stderr)}")
        missing = [figure.counter for figure in row.figures if figure.counter not in result]
        if missing:
            raise Failure(f"no {missing[0]} in its result")
        return result

    def parse(self, text):
        """The result of a peer: one JSON object on a line."""
        for line in text.splitlines():
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                continue
        return {}


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return f": {lines[-1].strip()}" if lines else ""


class Weft(Side):
    def __init__(self, folder):
        super().__init__("weft", folder)
        self.program = folder / "weft-bench"
        names = subprocess.run(
            [self.program, "--benchmark_list_tests"], capture_output=True, text=True, check=True
        ).stdout.split()
        self.names = names
        self.json = {"benchmarks": []}

    def has(self, row):
        return row.name in self.names

    def command(self, row, procs):
        return timed_by_weft_bench(self.program, row.name), {}

    def parse(self, text):
        parsed = parse_google_benchmark(text)
        entry = parsed["benchmarks"][0] if parsed else {}
        self.json.setdefault("context", parsed.get("context", {}))
        if entry:
            self.json["benchmarks"].append(entry)
        return dict(entry, error=entry.get("error_message"))


class Peer(Side):
    def __init__(self, label, folder, weft):
        super().__init__(label, folder)
        self.weft = weft
        self.names = subprocess.run(
            [folder / "peer", "-list"], capture_output=True, text=True, check=True
        ).stdout.split()

    def has(self, row):
        if row.name == "hello":
            return (self.folder / "hello").exists()
        return row.name_at_peers in self.names

    def command(self, row, procs):
        if row.name == "hello":
            extra = {"WEFT_BENCH_HELLO": str(self.folder / "hello")}
            return timed_by_weft_bench(self.weft.program, "hello"), extra
        return [self.folder / "peer", "-row", row.name_at_peers, "-min_time", str(MIN_TIME_S)], {}

    def parse(self, text):
        parsed = parse_google_benchmark(text)
        if parsed:
            entry = parsed["benchmarks"][0]
            return dict(entry, error=entry.get("error_message"))
        return super().parse(text)


def timed_by_weft_bench(program, name):
    return [
        program,
        f"--benchmark_filter=^{re.escape(name)}$",
        "--benchmark_format=json",
        f"--benchmark_min_time={MIN_TIME_S}",
    ]


def parse_google_benchmark(text):
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return parsed if parsed.get("benchmarks") else {}


@dataclass
class Outcome:
    """What one side's runs of one row on so many processors gave."""

    results: list = field(default_factory=list)
    failure: str = ""

    def values(self, counter):
        return [result[counter] for result in self.results if counter in result]

    def median(self, counter):
        values = self.values(counter)
        return statistics.median(values) if values and not self.failure else None

    def procs_used(self):
        used = self.values("procs_used")
        return DASH if self.failure or not used else span(f"{u:.0f}" for u in (min(used), max(used)))


def span(texts):
    first, last = texts
    return first if first == last else f"{first}-{last}"


def measure(row, procs, sides, runs, progress):
    """Interleaved: the first run of all sides, then the second. A side that failed is left out after."""
    outcomes = {side.label: Outcome() for side in sides if side.has(row)}
    for run in range(runs):
        for side in sides:
            outcome = outcomes.get(side.label)
            if outcome is None or outcome.failure:
                continue
            progress(f"{row.name}, P = {procs}, run {run + 1} of {runs}: {side.label}")
            try:
                outcome.results.append(side.run(row, procs))
            except Failure as failure:
                outcome.failure = str(failure)
    progress("")
    return outcomes


# Showing


@dataclass
class Line:
    """A line of the table."""

    row: Row
    figure: Figure
    procs: int
    outcomes: dict  # of the sides that have the row

    @property
    def title(self):
        return f"{self.row.name} {self.figure.part}".rstrip()

    def cell(self, label):
        outcome = self.outcomes.get(label)
        if outcome is None:
            return DASH
        if outcome.failure:
            return "FAILED"
        values = outcome.values(self.figure.counter)
        return cell_text(values, self.figure.unit) if values else DASH

    def ratio(self):
        """How many times better weft is than the best peer; None when there is nothing to compare."""
        ours = self.outcomes["weft"].median(self.figure.counter)
        theirs = [
            outcome.median(self.figure.counter)
            for label, outcome in self.outcomes.items()
            if label != "weft"
        ]
        theirs = [value for value in theirs if value is not None]
        return min(theirs) / ours if ours and theirs else None

    def ratio_text(self):
        ratio = self.ratio()
        if ratio is None:
            return DASH
        return f"{ratio:.2f}x" if ratio < 10 else f"{ratio:.1f}x"

    def used_text(self):
        return " / ".join(outcome.procs_used() for outcome in self.outcomes.values())


SCALES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e4, "us"), (0, "ns")),
    "B": ((1 << 20, "MiB"), (1 << 10, "KiB"), (0, "B")),
    "%": ((0, "%"),),
}
DIVISORS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1, "%": 1}


def number_text(value):
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def cell_text(values, unit):
    """Median (min-max), in a unit that suits the median."""
    middle = statistics.median(values)
    name = next(name for floor, name in SCALES[unit] if middle >= floor)
    median, low, high = (
        number_text(value / DIVISORS[name]) for value in (middle, min(values), max(values))
    )
    return f"{median} {name} ({low}-{high})"


class Table:
    """Prints lines as they come, so widths are fixed beforehand."""

    def __init__(self, peers):
        self.peers = peers
        used = " / ".join(["weft"] + [peer.split()[0] for peer in peers])
        self.heads = ["workload", "P", "weft", *peers, "ratio", f"Ps used ({used})"]
        self.widths = [24, 2, 26, *[26 for _ in peers], 7, 8]

    def cells(self, line):
        sides = [line.cell(label) for label in ["weft", *self.peers]]
        return [line.title, str(line.procs), *sides, line.ratio_text(), line.used_text()]

    def text(self, cells):
        padded = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, self.widths))
        ]
        padded[-1] = cells[-1]
        return "  ".join(padded).rstrip()

    def markdown(self, lines):
        aligns = [":--", *["--:" for _ in self.heads[1:]]]
        rows = [self.heads, aligns]
        for line in lines:
            cells = self.cells(line)
            cells[0] = f"`{line.row.name}` {line.figure.part}".rstrip()
            ratio = line.ratio()
            if ratio is not None and ratio >= 1:
                cells[-2] = f"**{cells[-2]}**"
            rows.append(cells)
        return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def load_average():
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def cpu_model():
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        match = None
    return match.group(1) if match else platform.machine()


def plot(lines, peers, path):
    """Horizontal bars, a group a figure, a bar for each number of processors; the ratio on a log scale."""
    try:
        import matplotlib
    except ImportError:
        sys.exit("bench: --plot and --readme need matplotlib (Debian: python3-matplotlib)")
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"font.family": "DejaVu Sans", "font.size": 10, "svg.hashsalt": "weft", "svg.fonttype": "path"}
    )
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ratios = {}
    for line in lines:
        if line.figure.plotted and line.ratio() is not None:
            ratios.setdefault(line.title, {})[line.procs] = line.ratio()
    if not ratios:
        print("bench: nothing to compare, no figure drawn", file=sys.stderr)
        return
    titles = list(ratios)
    procs = sorted({p for of_title in ratios.values() for p in of_title})
    shades = ["#1b6ca8", "#7fb7e0", "#0b3c5d", "#b8d8ee"]
    ink, faint = "#24292f", "#d0d7de"

    thickness = min(0.5, 0.74 / len(procs))
    figure, axes = plt.subplots(figsize=(8.6, 1.35 + 0.47 * len(titles) * max(1, len(procs) / 2)))
    low = min(1.0, *(r for of_title in ratios.values() for r in of_title.values()))
    high = max(r for of_title in ratios.values() for r in of_title.values())
    for index, count in enumerate(procs):
        at = [
            i + (index - (len(procs) - 1) / 2) * thickness
            for i, title in enumerate(titles)
            if count in ratios[title]
        ]
        values = [ratios[title][count] for title in titles if count in ratios[title]]
        label = f"{count} processor" + ("s" if count > 1 else "")
        axes.barh(
            at,
            [value - 1 for value in values],
            left=1,
            height=thickness * 0.9,
            color=shades[index % len(shades)],
            label=label,
            zorder=2,
        )
        for y, value in zip(at, values):
            text = f"{value:.2f}×" if value < 1 else f"{value:.1f}×"
            axes.annotate(
                text,
                (value, y),
                xytext=(4 if value >= 1 else -4, 0),
                textcoords="offset points",
                va="center",
                ha="left" if value >= 1 else "right",
                fontsize=8.5,
                color=ink,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
                zorder=1,
            )
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, low * 0.6), max(2.0, high * 1.5))
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.tick_params(axis="x", which="both", length=0, colors="#57606a", labelsize=9)
    axes.tick_params(axis="y", length=0, colors=ink, pad=6)
    axes.set_axisbelow(True)
    axes.grid(axis="x", which="major", color=faint, linewidth=0.8)
    axes.axvline(1, color=ink, linewidth=1.4, zorder=3)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.45, -0.55)
    for side in axes.spines.values():
        side.set_visible(False)
    rivals = peers[0] if len(peers) == 1 else "the best of " + ", ".join(peers)
    for text, above, style in (
        (f"weft against {rivals}", 26, {"fontsize": 13, "fontweight": "bold", "color": ink}),
        (
            f"how many times better, log scale; 1 is equal  ·  {cpu_model()}, {os.cpu_count()} CPUs",
            11,
            {"fontsize": 9, "color": "#57606a"},
        ),
    ):
        axes.annotate(
            text, (0, 1), xycoords="axes fraction", xytext=(0, above), textcoords="offset points", **style
        )
    if len(procs) > 1:
        axes.legend(
            loc="lower right",
            frameon=True,
            facecolor="white",
            edgecolor="none",
            framealpha=0.9,
            fontsize=9,
        )
    metadata = {"Date": None} if path.suffix == ".svg" else None
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=160, bbox_inches="tight", facecolor="white", metadata=metadata)
    plt.close(figure)


def rewrite_readme(lines, table, peers, machine):
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(README_BEGIN)
    _, end, after = rest.partition(README_END)
    if not begin or not end:
        sys.exit(f"bench: README.md has no {README_BEGIN} ... {README_END}")
    rivals = ", ".join(peers) or "no peer"
    parts = [
        f"![How many times better weft is, by workload]({README_FIGURE})",
        table.markdown(lines),
        "Median (min-max) of interleaved runs; ratio: how many times better weft is than the best peer; "
        "Ps used: processors on which work was seen to run. "
        f"{cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}, against {rivals}, "
        f"{datetime.date.today().isoformat()}. Written by `scripts/bench.sh --readme`.",
    ]
    if machine:
        parts.append(
            f"<details><summary>What the machine's operations cost</summary>\n\n```\n{machine}```\n\n</details>"
        )
    block = "\n\n".join(parts)
    path.write_text(f"{before}{begin}\n{block}\n{end}{after}", encoding="utf-8")


# The command


def numbers(text):
    try:
        values = sorted({int(part) for part in text.split(",")})
    except ValueError:
        values = []
    if not values or values[0] < 1:
        raise argparse.ArgumentTypeError(f"not a list of positive numbers: {text!r}")
    return values


def output_path(text):
    """bench.sh changes to the repository: a relative path is meant from where the user was."""
    return Path(os.environ.get("WEFT_BENCH_CWD", "."), text)


def plot_path(text):
    if Path(text).suffix not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"neither .svg nor .png: {text!r}")
    return output_path(text)


def parse_flags():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", allow_abbrev=False, add_help=False)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--procs", type=numbers, default=[1, 2])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--json", type=output_path)
    parser.add_argument("--plot", type=plot_path)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--no-machine", action="store_true")
    parser.add_argument("--bench", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--check-flags", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.runs is not None and flags.runs < 1:
        parser.error("--runs: at least 1")
    if flags.readme and flags.only:
        parser.error("--readme shows all headline rows: not with --only")
    if not flags.check_flags and not flags.bench:
        parser.error("--bench: the folder of weft-bench is missing")
    return flags


def choose_rows(flags, weft):
    known = {row.name: row for row in KNOWN_ROWS}
    if flags.only:
        for name in flags.only:
            if name not in weft.names:
                print(f"bench: no such row: {name}; there are {', '.join(weft.names)}", file=sys.stderr)
                sys.exit(2)
        names = flags.only
    else:
        names = [n for n in weft.names if flags.all or (n in known and known[n].headline)]
    return [known.get(name, Row(name)) for name in names]


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure_all(rows, flags, sides, table):
    """Print the table as it comes; its lines, and what failed as text."""
    lines, failures = [], []
    for row in rows:
        for procs in flags.procs:
            runs = flags.runs or (row.runs_max or 5)
            seen = len(sides[0].json["benchmarks"])
            outcomes = measure(row, procs, sides, runs, show_progress)
            for index, entry in enumerate(sides[0].json["benchmarks"][seen:]):
                entry.update(repetitions=runs, repetition_index=index, procs=procs)
            for label, outcome in outcomes.items():
                if outcome.failure:
                    failures.append(f"FAILED {row.name}, P = {procs}, {label}: {outcome.failure}")
            for figure in row.figures:
                lines.append(Line(row, figure, procs, outcomes))
                print(table.text(table.cells(lines[-1])), flush=True)
    return lines, failures


def machine_facts(weft):
    done = subprocess.run([weft.program, "--machine"], capture_output=True, text=True)
    if done.returncode != 0:
        print("bench: weft-bench --machine failed", file=sys.stderr)
    return done.stdout


def main():
    flags = parse_flags()
    if flags.check_flags:
        return 0
    weft = Weft(flags.bench.resolve())
    peers = []
    for text in flags.peer:
        label, _, folder = text.rpartition("=")
        peers.append(Peer(label, Path(folder).resolve(), weft))
    rows = choose_rows(flags, weft)
    peers = [peer for peer in peers if any(peer.has(row) for row in rows)]
    labels = [peer.label for peer in peers]
    table = Table(labels)

    load_before = load_average()
    print(table.text(table.heads), flush=True)
    lines, failures = measure_all(rows, flags, [weft, *peers], table)
    for failure in failures:
        print(failure)
    print()
    if not peers:
        print("no peer found: scripts/setup.sh --peers installs Go")
    machine = "" if flags.no_machine else machine_facts(weft)
    print(machine, end="")
    print(f"{'load average at the start':<28} {load_before}")

    if flags.json:
        flags.json.write_text(json.dumps(weft.json, indent=2) + "\n")
    if flags.plot:
        plot(lines, labels, flags.plot)
    if flags.readme and failures:
        print("bench: README.md is left alone: something failed", file=sys.stderr)
    elif flags.readme:
        plot(lines, labels, ROOT / README_FIGURE)
        rewrite_readme(lines, table, labels, machine)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
