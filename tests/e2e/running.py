#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Was the holder running? The parts of what was blocked during which the holder had no processor, and slept,
against a program that keeps its own books (tests/workloads/running.c). With the C library's
restartable-sequence area and without."""
import json
import os
import re
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/workloads/running")
source = os.path.join(os.environ.get("top_srcdir", "."), "tests/workloads/running.c")


# Of a hundred that a share may be off. Of a thread that comes late in a hold, what it waits for is taken to
# have the parts of the whole: a load that computes first and then sleeps ("both") is off by up to 9.
POINTS = 12

# microseconds, with and without the area; without it preemptions of short holds are found by chance only
LOADS = [(what, 2000, rseq) for what in ("nap", "burn", "both", "crowded") for rseq in (1, 0)]
LOADS += [("places", 10000, 1)]
LOADS += [(what, 30, 1) for what in ("nap", "burn", "both", "crowded")]


# where it sleeps: the function, and the line that calls it
PLACES = {"places": ("poll", "POLLS")}


def line_of(mark):
    with open(source) as f:
        return next(n for n, text in enumerate(f, 1) if mark in text)


def run(directory, what, us, rseq):
    path = os.path.join(directory, "json")
    environment = dict(os.environ, GLIBC_TUNABLES=f"glibc.pthread.rseq={rseq}")
    result = subprocess.run([mutrace, f"--json={path}", program, what, str(us)], env=environment,
                            capture_output=True, text=True)
    if result.returncode == 77:
        print("skipped: the kernel does not count how long threads wait for a processor")
        sys.exit(77)
    truth = {name: float(ns) for name, ns in map(str.split, result.stdout.splitlines())}
    with open(path) as f:
        process = json.load(f)["processes"][0]
    lock = next(l for l in process["locks"] if l["name"] == "lock")
    # those who found it free, and those who waited
    known, blocked, *off = (sum(h.get(name, 0) for h in lock["holders"]) for name in
                            ("running_known_ns", "blocked_ns", "preempted_ns", "slept_ns"))
    wrong, said = [], []
    for part, ns in zip(("preempted", "slept"), off):
        seen, right = 100 * ns / known, 100 * truth[part] / truth["whole"]
        said.append(f"{part} {seen:.1f} % ({right:.1f})")
        if abs(seen - right) > POINTS:
            wrong.append(part)
    if known > blocked:
        wrong.append("known_ns")
    if what in PLACES:
        function, mark = PLACES[what]
        # who is looked at, and who looks, must have had a processor
        seen = truth["slept"] > 0.75 * truth["whole"]
        text = re.sub(r"\s+", " ", result.stderr)
        if seen and not re.search(rf"asleep in {function} \S+:{line_of(mark)}\b", text):
            wrong.append("the place")
        if seen and not re.search(r"wait for events: .* poll\(\)", text):
            wrong.append("that it waits for events")
        # events come when they come: such a hold cannot be made shorter
        if seen and (not re.search(r"of the wait \d+ % passed while holders waited for events", text) or
                     any(g["half_hold"] != g["no_contention"] for g in process["what_if"]["locks"])):
            wrong.append("that such holds cannot be made shorter")
    enough = lock["contended"] > 20 and known > lock["cost_ns"] / 2
    named = {d["kind"] for d in process["diagnoses"]}
    for part in ("preempted", "slept"):
        right = 100 * truth[part] / truth["whole"]
        if enough and abs(right - 25) > POINTS and (f"holder-{part}" in named) != (right > 25):
            wrong.append(f"named {named}")
    print(what, us, "rseq" if rseq else "no rseq", ", ".join(said),
          "WRONG: %s; %d waits, %s" % (", ".join(wrong), lock["contended"], lock["wait_ns"]) if wrong else "")
    return not wrong


def main():
    with tempfile.TemporaryDirectory() as directory:
        results = [run(directory, *load) for load in LOADS]
    return 0 if all(results) else 1


sys.exit(main())
