#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose fault a wait is, against a program that keeps its own books (tests/workloads/overlap.c): each
holder's share of what was blocked, and the share of the wait during which nobody held the lock. Short holders
beside long ones, mutexes, rwlocks and spin locks, 2 to 12 threads."""
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/workloads/overlap")
POINTS = 5  # of a hundred that a share may be off
ENOUGH_NS = 20e6  # less wait than this is mostly the program's own lost time slices

LOADS = (
    (2, "mutex", 100, ()),
    (4, "mutex", 20, ()),
    (8, "mutex", 1000, ()),
    (12, "mutex", 200, ("--sample-hold=32",)),
    (2, "spin", 20, ()),
    (3, "rwlock", 100, ()),
    (8, "rwlock", 200, ()),
    (12, "rwlock", 20, ()),
)


def shares(parts):
    whole = sum(parts.values())
    return {name: 100 * ns / whole for name, ns in parts.items()}


def run(directory, threads, kind, hold_us, options):
    path = os.path.join(directory, "json")
    out = subprocess.run(
        [mutrace, f"--json={path}", *options, program, str(threads), kind, str(hold_us)],
        check=True, capture_output=True, text=True).stdout
    truth = {name: float(ns) for name, ns in map(str.split, out.splitlines())}
    with open(path) as f:
        lock = next(l for l in json.load(f)["processes"][0]["locks"] if l["name"] == kind)
    wait = truth.pop("wait")
    handoff = 100 * truth.pop("handoff") / wait
    seen = dict.fromkeys(truth, 0)
    for h in lock["holders"]:
        seen[h["stack"][0]["function"]] += h["blocked_ns"]
    sides = [lock] + ([lock["read"]] if "read" in lock else [])
    total = sum(s["wait_ns"]["total"] for s in sides)
    if wait < ENOUGH_NS:
        return "too little wait to judge"
    wrong = [f"{name}: {seen_share:.1f} %, truth {shares(truth)[name]:.1f} %"
             for name, seen_share in shares(seen).items() if abs(seen_share - shares(truth)[name]) > POINTS]
    seen_handoff = 100 * sum(s["handoff_ns"] for s in sides) / total
    # Threads that spin take the processor from the one that has the lock. Where that happens between the lock
    # call and the program's look at its clock, the program's own books have it as hand-off.
    if kind != "spin" and abs(seen_handoff - handoff) > POINTS:
        wrong.append(f"handoff: {seen_handoff:.1f} %, truth {handoff:.1f} %")
    unknown = 100 * sum(s["unknown_ns"] for s in sides) / total
    if unknown > 1:
        wrong.append(f"{unknown:.1f} % unknown")
    return "; ".join(wrong)


def main():
    failed = judged = 0
    with tempfile.TemporaryDirectory() as directory:
        for load in LOADS:
            result = run(directory, *load)
            print(*load, result or "right")
            judged += result != "too little wait to judge"
            failed += bool(result) and result != "too little wait to judge"
    return 1 if failed or judged < len(LOADS) / 2 else 0


sys.exit(main())
