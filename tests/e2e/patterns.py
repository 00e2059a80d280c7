#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns with a name: each has a program that shows it and a like one that does not
(tests/workloads/patterns.c), and what the report says of it."""
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/workloads/patterns")
source = os.path.join(os.environ.get("top_srcdir", "."), "tests/workloads/patterns.c")

# pattern, the programs that have it, with the locks; those that have not
PATTERNS = (
    ("lock-order", {"order": ["first", "second"], "circle": ["first", "second", "third"]},
     ["ordered", "gated", "readers", "single"]),
    ("convoy", {"convoy": ["first"]}, ["turns"]),
    ("holder-slept", {}, ["turns"]),  # see running.py
    ("thundering-herd", {"herd": ["work"]}, ["call", "inside"]),
    ("writer-starvation", {"starve": ["table"]}, ["writers"]),
    ("hot-instance", {"hot": None}, ["even", "mixed"]),
    ("false-sharing", {"neighbours": ["neighbours"]}, ["apart"]),
)

TRIES = 10  # where other programs run, times may hide one


def line_of(mark):
    with open(source) as f:
        return next(n for n, text in enumerate(f, 1) if mark in text)


def run(directory, what):
    path = os.path.join(directory, what)
    result = subprocess.run([mutrace, f"--json={path}", program, what], capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stderr)
        sys.exit(f"{what}: exit status {result.returncode}")
    with open(path) as f:
        process = json.load(f)["processes"][0]
    names = {row["id"]: row["name"].partition("[")[0].partition("+")[0]
             for row in process["locks"] + process["conditions"]}
    found = {d["kind"]: (sorted({names[l] for l in d["locks"]}), d["text"]) for d in process["diagnoses"]}
    return found, result.stderr


def main():
    wrong, known = [], {}
    with tempfile.TemporaryDirectory() as directory:
        for kind, have, have_not in PATTERNS:
            for what in [*have, *have_not]:
                known[what] = known.get(what) or run(directory, what)
            for what, locks in have.items():
                for _ in range(TRIES - 1):
                    if kind not in known[what][0]:
                        known[what] = run(directory, what)
                found, text = known[what]
                if kind not in found or (locks is not None and found[kind][0] != locks):
                    wrong.append(f"{what}: no {kind} of {locks}, but {found}")
                elif found[kind][1].split()[0] not in text:
                    wrong.append(f"{what}: the text does not say it")
            for what in have_not:
                if kind in known[what][0]:
                    wrong.append(f"{what}: {kind}: {known[what][0][kind]}")
        # locks of other processes are no shards of one thing
        kept = [os.path.join(directory, f"kept{n}") for n in range(4)]
        for n, path in enumerate(kept):
            subprocess.run([mutrace, "-o", path, program, "alone" if n else "pair"],
                           capture_output=True, check=True)
        text = subprocess.run([mutrace, "report", *kept], capture_output=True, text=True,
                              check=True).stdout
        if "4 images" not in text or "hot instance" in text:
            wrong.append(f"of four processes: {text}")
    said = known["order"][0].get("lock-order", ([], ""))[1]
    for function, mark in (("there", "THERE TAKES"), ("back", "BACK TAKES")):
        if f"{function} patterns.c:{line_of(mark)}" not in said:
            wrong.append(f"the order's places: {said}")
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main())
