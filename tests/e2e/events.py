#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a program whose waits are known (tests/workloads/events.c), read from its image: each is
there, also after SIGKILL, they stand in the order of time, and they keep to their budget."""
import collections
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/workloads/events")

ALIGN, CHUNK_EVENTS, MAGIC = 4096, 9, 0x6B6E6863
CHUNK, EVENT = struct.Struct("=IIQQIIIIQ16x"), struct.Struct("=QQIIIBBH")
WAIT, HOLD, SUM, SIGNAL, POST, BARRIER, JOIN, CREATE, START, EXIT, PHASE = range(1, 12)
TAKE = 15
Event = collections.namedtuple("Event", "begin end lock other stack type side flags")


def parts_of(event):
    """A wait and the hold after it, which stand as one; others as they are."""
    if event.type != TAKE:
        return [event]
    waited, held = event.end & 0xffffffff, event.end >> 32
    begun = event.begin + waited
    parts = [event._replace(end=begun, type=WAIT)]
    if held:
        parts.append(event._replace(begin=begun, end=begun + held, other=0, type=HOLD, flags=1))
    return parts


def record(directory, *command, options=(), status=0, program=program):
    """The events of each thread, in their order, how many came before, and the bytes of all chunks."""
    r = subprocess.run([mutrace, "-o", directory, *options, program, *command], capture_output=True)
    assert r.returncode == status, (r.returncode, r.stderr)
    (path,) = glob.glob(directory + "/image.*")
    with open(path, "rb") as f:
        data = f.read()
    chunks, size, at = collections.defaultdict(list), 0, ALIGN
    while at + CHUNK.size <= len(data):
        magic, kind, offset, length, item, used, thread, _, first = CHUNK.unpack_from(data, at)
        if magic != MAGIC or offset != at:
            at += ALIGN
            continue
        if kind == CHUNK_EVENTS:
            events = [Event(*EVENT.unpack_from(data, at + CHUNK.size + item * i)) for i in range(used)]
            chunks[thread].append((first, events))
            size += length
        at += length
    threads, before = [], []
    for parts in chunks.values():
        parts.sort()
        for (first, events), (later, _) in zip(parts, parts[1:]):
            assert later >= first + len(events), "numbers of events overlap"
        threads.append([e for _, events in parts for stored in events for e in parts_of(stored)])
        before.append(parts[0][0])
    return threads, before, size


def in_order(events):
    last = 0
    for e in events:
        if e.type != SUM:
            assert e.end >= last, "an event ends before the one before it"
            assert e.type == EXIT or e.begin <= e.end, "an event ends before it begins"
            last = e.end


def one(events, kind, **also):
    (e,) = [e for e in events if e.type == kind and all(getattr(e, k) == v for k, v in also.items())]
    return e


def all_kinds(threads):
    assert len(threads) == 2, len(threads)
    main, other = sorted(threads, key=lambda t: t[0].end)
    for events in threads:
        in_order(events)
        assert events[0].type == START
    exit_, create, join = one(other, EXIT), one(main, CREATE), one(main, JOIN)
    assert exit_ is other[-1] and 0 < exit_.begin < 10**9
    assert create.other == join.other != 0 and create.flags == join.flags == 1
    assert exit_.end <= join.end
    assert create.end <= other[0].end

    first = next(e for e in other if e.type == WAIT)
    assert first.stack != 0 and first.other != 0, (first, other)
    mine, theirs = one(other, HOLD, begin=first.end), one(main, HOLD, lock=first.lock)
    assert mine.lock == first.lock and mine.flags == 1 and theirs.flags == 0
    assert first.begin < theirs.end <= first.end, "its wait ended with the other's hold"
    around = [e for e in other if e.type == HOLD and e.begin < first.begin and e.end > first.end]
    assert len(around) == 1 and around[0].lock != first.lock, "the hold around a wait is an event"
    sums = [e for e in other if e.type == SUM and e.lock == first.lock]
    holds = sum(e.end & 0xFFFFFFFF for e in sums)
    assert holds in (99, 100, 101), ("uncontended holds before", holds)
    assert 0 < sum(e.begin for e in sums) < first.begin - other[0].end

    signal, post = one(main, SIGNAL), one(main, POST)
    for e in (signal, post):
        wait = one(other, WAIT, lock=e.lock)
        assert wait.begin < e.end <= wait.end, "what ended a wait came while it lasted"
    barriers = one(main, BARRIER), one(other, BARRIER)
    assert [b.flags for b in barriers] == [2, 2]
    assert max(b.begin for b in barriers) <= min(b.end for b in barriers)


def short_lives(directory):
    """Threads that live one after another, with two holds each: all are told, though records are reused."""
    threads, _, _ = record(directory, "tasks", program=os.path.join(build, "tests/gain/more"))
    every = [e for events in threads for e in events]
    locks = {e.lock for e in every if e.type == WAIT}
    mine = [e for e in every if e.lock in locks]
    sums = [e.end & 0xFFFFFFFF for e in mine if e.type == SUM]
    holds = sum(e.type == HOLD for e in mine)
    assert 290 <= holds + sum(sums) <= 300, (holds, sums)
    assert holds >= 250, "the only hold since the last event is told as it was"


PYTHON = """
import threading, time
lock = threading.Lock()
def work():
    for i in range(100):
        with lock:
            time.sleep(.0005)
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads:
    t.start()
for t in threads:
    t.join()
"""


def python(path):
    """The interpreter has a lock of its own, built of a condition, and its locks are semaphores."""
    subprocess.run([mutrace, "--json=" + path, sys.executable, "-c", PYTHON], check=True, capture_output=True)
    with open(path) as f:
        process = json.load(f)["processes"][0]
    if sys.version_info >= (3, 11):  # which sleep by clock_nanosleep()
        assert process["events"]["naps"] > 0, "sleep is seen"
    what_if = process.get("what_if", {})
    if sys.version_info < (3, 13):  # from which on its locks are its own, and there may be none to fix
        assert what_if, process
    assert "come to an end" not in what_if.get("refused", ""), what_if


def main():
    with tempfile.TemporaryDirectory() as d:
        threads, before, _ = record(d + "/1")
        assert before == [0, 0]
        all_kinds(threads)
        threads, _, _ = record(d + "/2", "kill", status=-9)
        all_kinds(threads)

        short_lives(d + "/lives")
        threads, before, size = record(d + "/3", "many")
        assert before == [0, 0] and size > 65536, size
        for events in threads:
            in_order(events)
        whole = sum(map(len, threads))
        threads, before, size = record(d + "/4", "many", options=("--events=128K",))
        assert size <= 131072, size
        assert all(before), "the oldest were written over"
        for events in threads:
            in_order(events)
        got, lost = sum(map(len, threads)), sum(before)
        # Three chunks of 32 KB and two of 4 KB fit. Each of two threads may just refill a large one.
        assert got >= 1022 + 2 * 126, got
        assert 0.3 * whole < got + lost < 3 * whole, (got, lost, whole)
        # the windows of the threads are one
        latest = max(t[0].end for t in threads)
        assert all(t[-1].end > latest for t in threads)

        for options in (("--events=0",), ("--contended-only",), ("--sample-hold=10",)):
            threads, _, size = record(d + "/" + options[0], "many", options=options)
            assert threads == [] and size == 0, options
        python(d + "/json")
        # A bound that allows nearly all of the run time says nothing.
        text = subprocess.run([mutrace, "--events=0", os.path.join(build, "tests/workloads/overlap"),
                               "12", "mutex", "1000"], capture_output=True, text=True).stderr
        assert "what fixing a lock would gain is not known: no events" in " ".join(text.split()), text
        assert "  gain  " not in text.split("Lock 2:")[0], text
    return 0


if __name__ == "__main__":
    sys.exit(main())
