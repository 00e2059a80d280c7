#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""--perfetto: traces are decoded by the numbers of Perfetto's own .proto files, and hold to what its trace
processor asks for: times of a sequence go forward, slices nest in their tracks, tracks are described, flows
have both ends. With arguments: traces of other programs, of which most waits are to have a flow."""
import collections
import json
import os
import struct
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.abspath(os.path.join(build, "mutrace")))
workloads = os.path.abspath(os.path.join(build, "tests/workloads"))
BEGIN, END, INSTANT = 1, 2, 3


def fields(data):
    """A message's fields by number: numbers, or bytes."""
    out, at = collections.defaultdict(list), 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        elif kind == 1:
            (value,) = struct.unpack_from("<Q", data, at)
            at += 8
        else:
            assert kind == 2, kind
            size = varint()
            value = data[at:at + size]
            assert len(value) == size
            at += size
        out[key >> 3].append(value)
    assert at == len(data)
    return out


def one(message, number, default=None):
    return message[number][0] if number in message else default


class Trace:
    """The tracks by uuid; slices: begin, end (None: unfinished), name, category, annotations."""

    def __init__(self, path):
        with open(path, "rb") as f:
            packets = [fields(p) for p in fields(f.read())[1]]
        self.processes, self.threads, self.lanes, self.clocks = {}, {}, {}, {}
        self.slices, self.moments = [], []
        self.sources, self.sinks = {}, {}
        interned, track, last, open_slices = {}, {}, {}, collections.defaultdict(list)
        for p in packets:
            sequence, flags = one(p, 10), one(p, 13)
            assert sequence
            if flags & 1:
                assert sequence not in interned, "two sequences of one number"
                interned[sequence] = collections.defaultdict(dict)
                defaults = fields(one(p, 59))
                assert one(defaults, 58) == 6, "CLOCK_BOOTTIME"
                track[sequence] = one(fields(one(defaults, 11)), 11)
            for number, names in fields(one(p, 12, b"")).items():
                for name in names:
                    name = fields(name)
                    known = interned[sequence][number]
                    assert one(name, 1) not in known
                    known[one(name, 1)] = one(name, 2).decode()
            if 6 in p:
                for c in fields(one(p, 6))[1]:
                    c = fields(c)
                    self.clocks[one(c, 1)] = one(c, 2)
            if 60 in p:
                self.describe(fields(one(p, 60)))
            if 11 in p:
                time, event = one(p, 8), fields(one(p, 11))
                assert time >= last.get(sequence, 0), "time goes back"
                last[sequence] = time
                self.take(time, event, one(event, 11, track[sequence]), interned[sequence], open_slices)

    def describe(self, d):
        uuid = one(d, 1)
        assert uuid not in self.processes and uuid not in self.threads and uuid not in self.lanes
        if 3 in d:
            self.processes[uuid] = fields(one(d, 3))
        elif 4 in d:
            assert one(d, 5) in self.processes
            self.threads[uuid] = fields(one(d, 4))
        else:
            assert one(d, 5) in self.processes or one(d, 5) in self.threads
            self.lanes[uuid] = one(d, 2)

    def take(self, time, event, track, names, open_slices):
        assert any(track in t for t in (self.processes, self.threads, self.lanes)), "a track nobody described"
        slice_ = None
        if one(event, 9) == END:
            slice_ = open_slices[track].pop()
            assert slice_["begin"] <= time
            slice_["end"] = time
        else:
            slice_ = {"begin": time, "end": None, "track": track, "name": names[2][one(event, 10)],
                      "category": names[1][one(event, 3)], "depth": len(open_slices[track])}
            for a in event[4]:
                self.annotate(slice_, fields(a), names)
            if one(event, 9) == BEGIN:
                self.slices.append(slice_)
                open_slices[track].append(slice_)
            else:
                assert one(event, 9) == INSTANT
                slice_["end"] = time
                self.moments.append(slice_)
        for flow in event[47]:
            assert flow not in self.sources, "a flow forks"
            self.sources[flow] = (time, slice_)
        for flow in event[48]:
            assert flow not in self.sinks
            self.sinks[flow] = (time, slice_)

    @staticmethod
    def annotate(slice_, a, names):
        key = names[3][one(a, 1)]
        assert key not in slice_
        if 12 in a:
            slice_[key] = [names[29][one(fields(v), 17)] for v in a[12]]
        elif 17 in a:
            slice_[key] = names[29][one(a, 17)]
        else:
            slice_[key] = one(a, 2, one(a, 3, one(a, 7)))

    def check(self):
        assert self.sources.keys() == self.sinks.keys(), "flows with one end"
        for flow, (time, source) in self.sources.items():
            assert time < self.sinks[flow][0], "a flow goes back in time"
            assert source["track"] != self.sinks[flow][1]["track"]
        for s in self.slices:
            if s["category"] in ("wait", "idle", "hold", "barrier"):
                assert s["lock"] in s["name"] and s["kind"], s
        return self

    def of(self, category, **also):
        return [s for s in self.slices + self.moments
                if s["category"] == category and all(s.get(k) == v for k, v in also.items())]

    def flow_to(self, wait):
        """The end of a wait is where a flow ends; from where?"""
        found = [f for f, (time, s) in self.sinks.items()
                 if time == wait["end"] and s["track"] == wait["track"] and s["category"] == "woken"]
        assert len(found) == 1, (wait, found)
        return self.sources[found[0]]

    def tid(self, s):
        return one(self.threads[s["track"]], 2)


def run(directory, *command, options=(), status=0):
    path = os.path.join(directory, "trace")
    report = os.path.join(directory, "json")
    r = subprocess.run([mutrace, "--perfetto=" + path, "--json=" + report, *options, *command],
                       capture_output=True, text=True)
    assert r.returncode == status, (r.returncode, r.stderr)
    with open(report) as f:
        processes = json.load(f)["processes"]
    return Trace(path).check(), processes, r.stderr


def counts_agree(trace, processes):
    """As many of each kind as the report has events."""
    got = collections.Counter(s["category"] for s in trace.slices + trace.moments if not s.get("unfinished"))
    for name in ("waits", "holds", "signals", "posts", "barriers", "joins", "creates", "starts", "exits"):
        wanted = sum(p["events"][name] for p in processes)
        categories = ("wait", "idle") if name == "waits" else (name[:-1],)
        assert sum(got[c] for c in categories) == wanted, (name, wanted, got)


def all_kinds(d):
    trace, processes, _ = run(d, workloads + "/events")
    counts_agree(trace, processes)
    (process,) = trace.processes.values()
    assert one(process, 1) == processes[0]["pid"] and one(process, 6) == b"events"
    assert len(trace.threads) == 2
    assert abs(trace.clocks[1] - processes[0]["start_realtime_ns"]) < 10**9
    wait, = trace.of("wait", lock="contended")
    assert wait["kind"] == "mutex" and wait["made_by"] == "pthread"
    assert any("events.c" in f for f in wait["stack"]), wait
    time, hold = trace.flow_to(wait)
    assert hold["category"] == "hold" and hold["lock"] == "contended" and time == hold["end"]
    assert hold["begin"] < time <= wait["end"] and trace.tid(hold) == processes[0]["pid"]
    assert wait["released_by"] == "events (%d)" % trace.tid(hold)
    around, = trace.of("hold", lock="outer")
    assert around["begin"] <= wait["begin"] and wait["end"] <= around["end"] and wait["depth"] == 1
    for idle, moment in (("ready_cond", "signal"), ("sem (events.c)", "post")):
        wait, = trace.of("idle", lock=idle)
        time, source = trace.flow_to(wait)
        assert source["category"] == moment and source["lock"] == idle and wait["begin"] < time
    barriers = trace.of("barrier")
    last = max(barriers, key=lambda s: s["begin"])
    first, = [b for b in barriers if b is not last]
    assert trace.flow_to(first) == (last["begin"], last)
    join, = trace.of("join")
    time, source = trace.flow_to(join)
    assert source["category"] == "exit"
    start = max(trace.of("start"), key=lambda s: s["begin"])
    flow, = [f for f, (_, s) in trace.sinks.items() if s is start]
    assert trace.sources[flow][1]["category"] == "create"


def hard_cases(d):
    trace, processes, _ = run(d, workloads + "/timeline")
    counts_agree(trace, processes)
    assert len(trace.processes) == len(processes) == 2
    for pid in (p["pid"] for p in processes):
        main_, = [u for u, t in trace.threads.items() if one(t, 1) == one(t, 2) == pid]
        first, = [s for s in trace.of("hold", lock="first") if s["track"] == main_][:1]
        second, = [s for s in trace.of("hold", lock="second")
                   if trace.lanes.get(s["track"]) and first["begin"] < s["begin"] < first["end"] < s["end"]]
        for wait, hold in (("first", first), ("second", second)):
            wait = next(w for w in trace.of("wait", lock=wait) if hold["begin"] < w["begin"] < hold["end"])
            assert trace.flow_to(wait) == (hold["end"], hold)
    crowd = trace.of("idle", lock="crowd_cond")
    signal, = trace.of("signal", lock="crowd_cond")
    assert len(crowd) == 3 and signal["broadcast"] == 1
    assert all(trace.flow_to(w) == (signal["begin"], signal) for w in crowd)
    # each thread has a track, also where one had the record of another
    parent = max(processes, key=lambda p: p["threads"])
    tids = [one(t, 2) for t in trace.threads.values() if one(t, 1) == parent["pid"]]
    assert len(tids) == len(set(tids)) == parent["threads"], (tids, parent["threads"])
    never, = trace.of("wait", lock="never")
    held, = trace.of("hold", lock="never")
    assert never["end"] is None and never["unfinished"] and held["end"] is None and held["unfinished"]
    assert never["held_by"] == "timeline (%d)" % parent["pid"]
    assert all(s["end"] is not None for s in trace.slices if not s.get("unfinished"))

    trace, _, _ = run(d, workloads + "/timeline", options=("--lock=first",))
    assert trace.of("wait") and {s["lock"] for s in trace.slices if s["category"] != "join"} == {"first"}


def windows(d):
    """Events that were written over are said, in the trace too."""
    trace, processes, said = run(d, workloads + "/events", "many", options=("--events=128K",))
    counts_agree(trace, processes)
    events = processes[0]["events"]
    mark, = trace.of("window")
    assert mark["overwritten"] == events["overwritten"] > 1000
    (process,) = trace.processes.values()
    label = one(process, 8).decode()
    count = f"{events['overwritten']:,}".replace(",", " ")
    for text in (label, " ".join(said.split())):
        assert "the last " in text and count + " older events were overwritten" in text, text
    end = trace.clocks[6] + processes[0]["runtime_ns"]
    assert abs(end - mark["begin"] - events["window_ns"]) < 10**6
    assert f"{d}/trace: of events" in said

    trace, processes, said = run(d, workloads + "/events", options=("--events=0",))
    assert not trace.slices and "events" not in processes[0] and "has no waits and holds" in said


def refused(d):
    for name in "ab":
        subprocess.run([mutrace, "-o", f"{d}/{name}", workloads + "/events"], capture_output=True,
                       check=True)
    r = subprocess.run([mutrace, "report", f"--perfetto={d}/t", f"{d}/a", f"{d}/b"], capture_output=True)
    assert r.returncode != 0 and b"one session" in r.stderr
    r = subprocess.run([mutrace, "report", "--perfetto=-", f"{d}/a"], capture_output=True)
    assert r.returncode == 0
    with open(d + "/t", "wb") as f:
        f.write(r.stdout)
    assert Trace(d + "/t").check().of("wait", lock="contended")


def others(paths):
    """Traces of programs of which it is not known what they did."""
    for path in paths:
        trace = Trace(path).check()
        waits = trace.of("wait") + trace.of("idle")
        ended = [w for w in waits if w["end"] is not None]
        woken = {(s["track"], time) for time, s in trace.sinks.values() if s["category"] == "woken"}
        known = sum((w["track"], w["end"]) in woken for w in ended)
        print(f"{path}: {len(trace.slices)} slices, {len(trace.threads)} threads, {len(trace.sinks)} flows, "
              f"{known} of {len(ended)} waits have one")
        assert known >= len(trace.of("wait")) * .9, "arrows are missing"


def short_holds(d):
    """Also releases that are no events have arrows to those who waited for them."""
    trace, processes, _ = run(d, os.path.join(build, "tests/gain/more"), "brief")
    counts_agree(trace, processes)
    waits = trace.of("wait", lock="a.mutex")
    assert waits and all(trace.flow_to(w)[1]["category"] in ("hold", "release") for w in waits), waits


def main():
    if len(sys.argv) > 1:
        others(sys.argv[1:])
        return 0
    with tempfile.TemporaryDirectory() as d:
        all_kinds(d)
        hard_cases(d)
        windows(d)
        short_holds(d)
        refused(d)
    return 0


if __name__ == "__main__":
    sys.exit(main())
