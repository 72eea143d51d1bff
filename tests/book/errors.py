#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: Apache-2.0
"""errors.py PROGRAM: 5_errors tells the operator, on stderr, of each error what happened, when (UTC), where (host, process, goroutine, stack), and a trace id by
which the user's line and this one belong together."""
import datetime
import json
import re
import socket
import subprocess
import sys

failures = []


def check(holds, what):
    if not holds:
        failures.append(what)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def check_facts(error, what, user_message, trace_id):
    check(error["message"] == what, f"what: {error['message']}")
    check(error["user_message"] == user_message, f"user message: {error['user_message']}")
    check(re.fullmatch("[0-9a-f]{32}", error["trace_id"]) and error["trace_id"] == trace_id, f"trace id: {error['trace_id']}")
    written = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})\d{3}Z", error["time"])
    when = written and datetime.datetime.fromisoformat(written[1] + "+00:00")
    check(when and begin - minute <= when <= end + minute, f"when: {error['time']}, not from {begin} to {end}")
    check(error["host"] == socket.gethostname(), f"host: {error['host']}")
    check(error["pid"] == process.pid, f"pid: {error['pid']}")
    check(error["goroutine"] == 1, f"goroutine: {error['goroutine']}")
    check("main_goroutine" in error["stack"], f"stack: {error['stack']}")


minute = datetime.timedelta(minutes=1)  # clocks are set; time zones are hours
begin = now()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
    try:
        stdout, stderr = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
end = now()
check(process.returncode == 0, f"exit status: {process.returncode}")
stories = dict(re.findall(r"^\[log (\d)\] (.*)$", stderr, re.MULTILINE))
raw, wrapped = json.loads(stories["1"]), json.loads(stories["2"])
STAT = "stat /bad/job/binary: No such file or directory"
check_facts(raw, STAT, None, raw["trace_id"])
check(raw["inner"] is None, "the raw error wraps something")
check_facts(wrapped, "job 1: requisite binaries not available", 'Cannot run job "1": requisite binaries not available.', wrapped["trace_id"])
check_facts(wrapped["inner"], STAT, None, wrapped["trace_id"])
check(wrapped["inner"]["inner"] is None, "the inner error wraps something")
check(raw["trace_id"] != wrapped["trace_id"], "two errors share a trace id")
check("[1] There was an unexpected issue" in stdout, "the raw one isn't unexpected")

for failure in failures:
    print("FAILED", failure)
sys.exit(bool(failures))
