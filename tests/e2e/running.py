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


def points(us):
    """Of a hundred that a share may be off. Of short holds not all are looked at."""
    return 10 if us > 100 else 20


# what, microseconds, with and without the area: without it few of the short holds are looked at
LOADS = [(what, 2000, rseq) for what in ("nap", "burn", "both", "crowded") for rseq in (1, 0)]
LOADS += [("places", 10000, 1)]
LOADS += [(what, 30, 1) for what in ("nap", "burn", "crowded")]


# where it sleeps: the function, and the line that calls it
PLACES = {"places": ("poll", "POLLS")}


def line_of(mark):
    with open(source) as f:
        return next(n for n, text in enumerate(f, 1) if mark in text)


def run(directory, what, us, rseq, pool=None):
    """One run. With a pool its figures are added to that, which is judged instead of them."""
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
    holder = next(h for h in lock["holders"] if h["stack"][0]["function"] == "hold")
    wrong, said = [], []
    for part in ("preempted", "slept"):
        seen = 100 * holder[f"{part}_ns"] / holder["running_known_ns"]
        right = 100 * truth[part] / truth["whole"]
        said.append(f"{part} {seen:.1f} % ({right:.1f})")
        if pool is not None:
            for name, ns in ((part, holder[f"{part}_ns"]), (f"true {part}", truth[part])):
                pool[name] = pool.get(name, 0) + ns
        elif abs(seen - right) > points(us):
            wrong.append(part)
    if pool is not None:
        for name, ns in (("known", holder["running_known_ns"]), ("whole", truth["whole"])):
            pool[name] = pool.get(name, 0) + ns
    if holder["running_known_ns"] > holder["blocked_ns"]:
        wrong.append("known_ns")
    if what in PLACES:
        function, mark = PLACES[what]
        said.append(" < ".join(str(f["function"]) for f in holder.get("slept_in", [])))
        # where it hardly sleeps there is little to see
        text = re.sub(r"\s+", " ", result.stderr)
        if (truth["slept"] > 0.6 * truth["whole"] and
                not re.search(rf"asleep in {function} \S+:{line_of(mark)}\b", text)):
            wrong.append("the place")
    enough = lock["contended"] > 20 and holder["running_known_ns"] > lock["cost_ns"] / 2
    named = {d["kind"] for d in process["diagnoses"]}
    for part in ("preempted", "slept"):
        right = 100 * truth[part] / truth["whole"]
        if pool is not None:  # the diagnosis follows from this run's figures
            right = 100 * holder[f"{part}_ns"] / holder["running_known_ns"]
        if enough and abs(right - 25) > points(us) and (f"holder-{part}" in named) != (right > 25):
            wrong.append(f"named {named}")
    print(what, us, "rseq" if rseq else "no rseq", ", ".join(said),
          "WRONG: " + ", ".join(wrong) if wrong else "")
    return not wrong


def pooled(directory, what, us, rseq):
    """Of short holds few are looked at; one that lost the processor for long may be missed. Five together
    are judged as one run would be."""
    if us > 100:
        return run(directory, what, us, rseq)
    pool = {}
    fine = [run(directory, what, us, rseq, pool) for _ in range(5)]
    for part in ("preempted", "slept"):
        seen, right = (100 * pool[part] / pool["known"], 100 * pool[f"true {part}"] / pool["whole"])
        print(f"{what} {us} together: {part} {seen:.1f} % ({right:.1f})")
        fine.append(abs(seen - right) <= points(us))
    return all(fine)


def main():
    with tempfile.TemporaryDirectory() as directory:
        results = [pooled(directory, *load) for load in LOADS]
    return 0 if all(results) else 1


sys.exit(main())
