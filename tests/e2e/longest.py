#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longest waits: in text (--longest) and JSON, each with time of day, threads and stacks; they are the
longest there were, and survive the overwriting of events, a recording without events, and SIGKILL."""
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.abspath(os.path.join(build, "mutrace")))
workloads = os.path.abspath(os.path.join(build, "tests/workloads"))
KEPT, ALIGN, CHUNK_MAGIC = 64, 4096, 0x6B6E6863


def run(directory, *command, options=(), status=0, tool=(), **env):
    """The processes of the JSON report, and the text."""
    report = os.path.join(directory, "json")
    r = subprocess.run([mutrace, *tool, "--json=" + report, *options, *command], capture_output=True,
                       text=True, env={**os.environ, **env})
    assert r.returncode == status, (r.returncode, r.stderr)
    with open(report) as f:
        return json.load(f)["processes"], r.stderr + r.stdout


def waits_of(processes, lock):
    return [w for p in processes for w in p["longest_waits"] if w["name"] == lock]


def check_all(processes):
    for p in processes:
        waits = [w["wait_ns"] for w in p["longest_waits"]]
        assert waits == sorted(waits, reverse=True) and len(waits) <= KEPT
        names = {lock["id"]: lock["name"] for lock in p["locks"] + p["conditions"]}
        for w in p["longest_waits"]:
            assert names[w["lock"]] == w["name"]
            assert w["start_ns"] + w["wait_ns"] <= p["runtime_ns"] + 10**6


def known(d):
    before = time.time_ns()
    processes, text = run(d, workloads + "/timeline", options=("--longest", "-o", d + "/kept"), TZ="XYZ-3")
    after = time.time_ns()
    check_all(processes)
    main, child = sorted(processes, key=lambda p: -p["threads"])
    for p in processes:
        for lock in ("first", "second"):
            w = min(waits_of([p], lock), key=lambda w: w["start_ns"])
            assert w["held_by"] == p["pid"] and w["holder"] == w["thread"] == "timeline"
            assert w["stack"][0]["function"] == "take" and w["held_at"][0]["function"] == "out_of_order", w
            assert before < w["start_realtime_ns"] < w["start_realtime_ns"] + w["wait_ns"] < after
    never, = waits_of(processes, "never")
    assert never["unfinished"] is True and never["held_by"] == main["pid"]
    assert not waits_of(processes, "crowd_cond"), "that is no contention"
    # the text has the same, by the local clock
    shown = re.findall(r"^    (\d\d:\d\d:\d\d\.\d{6})  [\d.]+ [mun]?s  \w+ \((\d+)\) waited for (\w+)",
                       text, re.M)
    for p in processes:
        for w in p["longest_waits"]:
            day = time.gmtime(w["start_realtime_ns"] // 10**9 + 3 * 3600)
            clock = time.strftime("%H:%M:%S", day) + ".%06d" % (w["start_realtime_ns"] % 10**9 // 1000)
            assert (clock, str(w["tid"]), w["name"]) in shown, (clock, w, shown)
    assert time.strftime("(%Y-%m-%d, XYZ)", day) in text and "and still waits" in text
    assert "waited at take timeline.c" in text and "held at out_of_order timeline.c" in text

    processes, text = run(d, d + "/kept", tool=("report",), options=("--longest=1", "--lock=second"))
    assert {w["name"] for p in processes for w in p["longest_waits"]} == {"second"}
    assert text.count(" waited for ") == len(processes)
    processes, text = run(d, d + "/kept", tool=("report",), options=("--wait-min=3600s",))
    assert not any(p["longest_waits"] for p in processes) and "Longest" not in text
    r = subprocess.run([mutrace, "--longest=0", "true"], capture_output=True)
    assert r.returncode != 0


def survivors(d):
    """Those that were long ago are there, whatever became of the events."""
    for options in (), ("--events=0",), ("--contended-only",):
        processes, _ = run(d, workloads + "/timeline", "kill", options=options, status=-9)
        assert {w["name"] for w in processes[0]["longest_waits"]} == {"first", "second"}, options
        check_all(processes)
    processes, _ = run(d, workloads + "/timeline", "many", options=("--events=128K", "-o", d + "/many"))
    check_all(processes)
    assert processes[0]["events"]["overwritten"] > 1000
    # asked for by name, as on a busy machine waits at the barrier may all be longer
    named, _ = run(d, d + "/many", tool=("report",), options=("--lock=first", "--lock=second"))
    assert len(waits_of(named, "first")) == len(waits_of(named, "second")) == 2
    first = min(waits_of(named, "first"), key=lambda w: w["start_ns"])
    window = processes[0]["events"]["window_ns"]
    assert first["start_ns"] < processes[0]["runtime_ns"] - window, "its event is no longer there"
    assert first["held_at"] and first["held_by"] == processes[0]["pid"]
    assert len(processes[0]["longest_waits"]) == KEPT
    midnight(d, named)


def midnight(d, processes):
    """There is a second between two waits. In a time zone whose midnight lies there they have two days."""
    first, later = sorted(w["start_realtime_ns"] // 10**9 for w in waits_of(processes, "first"))
    assert later > first
    ahead = -(first + 1) % 86400 or 86400
    zone = "MID-%02d:%02d:%02d" % (ahead // 3600, ahead // 60 % 60, ahead % 60)
    _, text = run(d, d + "/many", tool=("report",), options=("--longest", "--lock=first"), TZ=zone)
    days = set(re.findall(r"^    (\d{4}-\d\d-\d\d) \d\d:\d\d:\d\d", text, re.M))
    assert len(days) == 2 and "when they began (MID)" in text, text


def are_longest(d):
    """Against all waits at the barrier, which are events."""
    processes, _ = run(d, workloads + "/timeline", "many", options=("-o", d + "/all"))
    path, = glob.glob(d + "/all/image.*")
    with open(path, "rb") as f:
        data = f.read()
    kept, events, at = [], [], ALIGN
    while at + 64 <= len(data):
        magic, kind, offset, size, item, used = struct.unpack_from("=IIQQII", data, at)
        if magic != CHUNK_MAGIC or offset != at:
            at += ALIGN
            continue
        for i in range(used):
            begin, length = struct.unpack_from("=QQ", data, at + 64 + item * i)
            if kind == 15:
                lock, = struct.unpack_from("=I", data, at + 64 + item * i + 32)
                kept.append((length, begin, lock))
            elif kind == 9 and data[at + 64 + item * i + 28] == 6:
                lock, = struct.unpack_from("=I", data, at + 64 + item * i + 16)
                events.append((length - begin, begin, lock))
        at += size
    assert len(events) > 1000
    barrier = events[0][2]
    kept = sorted((k for k in kept if k[2] == barrier), reverse=True)
    events.sort(reverse=True)
    assert len(kept) == KEPT + 1
    assert {k[:2] for k in kept[:KEPT]} == {e[:2] for e in events[:KEPT]}


def main():
    with tempfile.TemporaryDirectory() as d:
        known(d)
        survivors(d)
        are_longest(d)
    return 0


if __name__ == "__main__":
    sys.exit(main())
