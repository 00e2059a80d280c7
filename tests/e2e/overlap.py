#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose fault a wait is, against programs that keep their own books: each holder's share of what was blocked,
and the share of the wait during which nobody held the lock. Short holders beside long ones, mutexes, rwlocks,
spin locks and semaphores, 2 to 12 threads (tests/workloads/overlap.c); waits for the mutex of a condition
variable (relock.c)."""
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
workloads = os.path.join(build, "tests/workloads")
POINTS = 5  # of a hundred that a share may be off
ENOUGH_NS = 20e6  # less wait than this is mostly the program's own lost time slices
NOT_JUDGED = ("too little wait to judge", "too busy a machine to judge")

# Program and arguments, the lock's name, options of mutrace.
LOADS = (
    ("overlap 2 mutex 100", "mutex", ()),
    ("overlap 4 mutex 20", "mutex", ()),
    ("overlap 8 mutex 1000", "mutex", ()),
    ("overlap 12 mutex 200", "mutex", ("--sample-hold=32",)),
    ("overlap 2 spin 20", "spin", ()),
    ("overlap 3 rwlock 100", "rwlock", ()),
    ("overlap 8 rwlock 200", "rwlock", ()),
    ("overlap 12 rwlock 20", "rwlock", ()),
    ("overlap 4 sem1 200", "sem", ()),
    ("overlap 8 sem3 200", "sem", ()),
    ("overlap 12 sem3 20", "sem", ("--sample-hold=32",)),
    ("relock hurry", "m", ()),
    ("relock herd", "m", ()),
    ("relock herd", "m", ("--sample-hold=32",)),
    ("relock late", "m", ()),
)


def shares(parts):
    whole = sum(parts.values())
    return {name: 100 * ns / whole for name, ns in parts.items()}


def record(directory, load, options):
    """What the program says of itself, the locks by name, and the conditions of the report."""
    path = os.path.join(directory, "json")
    program, *arguments = load.split()
    out = subprocess.run(
        [mutrace, f"--json={path}", *options, os.path.join(workloads, program), *arguments],
        check=True, capture_output=True, text=True).stdout
    with open(path) as f:
        process = json.load(f)["processes"][0]
    return ({name: float(ns) for name, ns in map(str.split, out.splitlines())},
            {l["name"]: l for l in process["locks"]}, process["conditions"])


def run(directory, load, name, options):
    truth, locks, _ = record(directory, load, options)
    lock = locks[name]
    wait = truth.pop("wait")
    handoff = 100 * truth.pop("handoff") / wait
    # The books do not know whether threads that lost the processor within a lock call had the lock already.
    doubt = 100 * truth.pop("doubt", 0) / wait
    if doubt > 2 * POINTS:
        return NOT_JUDGED[1]
    off = POINTS + doubt
    seen = dict.fromkeys(truth, 0)
    for h in lock["holders"]:
        seen[h["stack"][0]["function"]] += h["blocked_ns"]
    sides = [lock] + ([lock["read"]] if "read" in lock else [])
    total = sum(s["wait_ns"]["total"] for s in sides)
    if wait < ENOUGH_NS:
        return NOT_JUDGED[0]
    wrong = [f"{name}: {seen_share:.1f} %, truth {shares(truth)[name]:.1f} %"
             for name, seen_share in shares(seen).items() if abs(seen_share - shares(truth)[name]) > off]
    seen_handoff = 100 * sum(s["handoff_ns"] for s in sides) / total
    # Threads that spin take the processor from the one that has the lock. Where that happens between the lock
    # call and the program's look at its clock, the program's own books have it as hand-off.
    if name != "spin" and abs(seen_handoff - handoff) > off:
        wrong.append(f"handoff: {seen_handoff:.1f} %, truth {handoff:.1f} %")
    unknown = sum(s["unknown_ns"] for s in sides)
    if unknown > total / 20:  # of "late" it is not known who held the mutex before the last holder
        wrong.append(f"{100 * unknown / total:.1f} % unknown")
    if abs(total - wait) > wait * off / 100:
        wrong.append(f"waited {total / 1e6:.1f} ms, truth {wait / 1e6:.1f} ms")
    if sum(s["blocked_ns"] + s["handoff_ns"] for s in sides) + unknown != lock["cost_ns"]:
        wrong.append("the parts are not the whole")
    return "; ".join(wrong)


def idle(directory, mode):
    """Waits for a condition that end without a wait for the mutex."""
    truth, locks, conditions = record(directory, f"relock {mode}", ())
    wrong = []
    if locks["m"]["cost_ns"] > truth["wait"] + ENOUGH_NS:
        wrong.append(f"waited {locks['m']['cost_ns'] / 1e6:.1f} ms for the mutex")
    if sum(c["waits"] for c in conditions) < 40:
        wrong.append("the condition's waits are missing")
    return "; ".join(wrong)


def killed(directory):
    """Threads that have the signal, but not the mutex, when the process dies."""
    path, wrong = os.path.join(directory, "json"), []
    text = subprocess.run([mutrace, f"--json={path}", os.path.join(workloads, "relock"), "killed"],
                          capture_output=True, text=True).stderr
    with open(path) as f:
        process = json.load(f)["processes"][0]
    lock = next(l for l in process["locks"] if l["name"] == "m")
    condition = process["conditions"][0]
    blocked = sum(h["blocked_ns"] for h in lock["holders"]
                  if h["stack"][1]["function"] == "killed")
    if lock["unfinished_waits"] != 5 or condition["waits"] != 5:
        wrong.append(f"{lock['unfinished_waits']} unfinished waits, {condition['waits']} for the condition")
    if lock["unfinished_ns"] < 5 * 0.4e9 or lock["unfinished_ns"] < 2 * condition["wait_ns"]["total"]:
        wrong.append(f"waited {lock['unfinished_ns'] / 1e6:.1f} ms")
    if blocked < 0.9 * lock["cost_ns"]:
        wrong.append(f"the holder has {blocked / 1e6:.1f} ms")
    if "5 threads waited for locks at the end" not in " ".join(text.split()):
        wrong.append("the report of the moment does not say so")
    return "; ".join(wrong)


def buffer(directory):
    """Semaphores whose waiters do not release them have no holder."""
    locks = record(directory, "relock buffer", ())[1]
    made = {l["role"]: l for name, l in locks.items() if "makes" in name}
    if set(made) != {"lock", "work"} or made["lock"]["acquired"] != 160 or made["work"]["instances"] != 4:
        return f"of one place: {[(l['name'], l['role'], l['acquired']) for l in made.values()]}"
    return "; ".join(f"{name}: {lock['role']}, {len(lock['holders'])} holders"
                     for name, lock in locks.items() if name in ("places", "things") and
                     (lock["role"] != "work" or lock["holders"] or lock["unknown_ns"] != lock["cost_ns"]))


def main():
    failed = judged = 0
    with tempfile.TemporaryDirectory() as directory:
        for load in LOADS:
            for _ in range(3):
                result = run(directory, *load)
                print(*load, result or "right")
                if result != NOT_JUDGED[1]:
                    break
            judged += result not in NOT_JUDGED
            failed += bool(result) and result not in NOT_JUDGED
        for mode in ("brief", "gone", "buffer", "killed"):
            result = {"buffer": buffer, "killed": killed}[mode](directory) if mode in (
                "buffer", "killed") else idle(directory, mode)
            print(mode, result or "right")
            failed += bool(result)
    return 1 if failed or judged < len(LOADS) / 2 else 0


sys.exit(main())
