#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that processes share: the holder in another process is named, with its share, against the program's
own books (tests/workloads/common.c). One that is not recorded stays unknown."""
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/workloads/common")
POINTS = 5  # of a hundred that a share may be off

failed = 0


def check(what, right, *told):
    global failed
    print(what, "right" if right else "WRONG", *told)
    failed += not right


def record(directory, *arguments):
    """Its own figures; processes; the lock that each waited for most; folded stacks; the text."""
    path, folded = os.path.join(directory, "json"), os.path.join(directory, "folded")
    result = subprocess.run([mutrace, f"--json={path}", f"--folded={folded}", "--folded-of=blocked",
                             program, *arguments], capture_output=True, text=True)
    with open(path) as f:
        processes = json.load(f)["processes"]
    kinds = "mutex", "rwlock", "semaphore"
    locks = [max(p["locks"], key=lambda l: l["cost_ns"] if l["kind"] in kinds else -1) for p in processes]
    truth = {name: float(ns) for name, ns in map(str.split, result.stdout.splitlines())}
    with open(folded) as f:
        return truth, processes, locks, f.read(), result.stderr


def books(directory, *arguments):
    truth, processes, locks, folded, _ = record(directory, *arguments)
    name = " ".join(arguments)
    wait, handoff = truth.pop("wait"), truth.pop("handoff")
    seen = dict.fromkeys(truth, 0)
    pids = {p["pid"] for p in processes}
    for p, l in zip(processes, locks):
        for h in l["holders"]:
            if not h["stack"]:
                continue
            seen[h["stack"][0]["function"]] += h["blocked_ns"]
            if h.get("pid", p["pid"]) == p["pid"] or h["pid"] not in pids:
                check(name, False, "a holder has no process of its own:", h.get("pid"))
        for pair in l["pairs"]:
            if pair["wait_ns"] > l["cost_ns"] / 10 and pair["holder"] is None:
                check(name, False, "a pair has no holder")
        check(name, l["blocked_ns"] + l["handoff_ns"] + l["unknown_ns"] + sum(
            l["read"][k] for k in ("blocked_ns", "handoff_ns", "unknown_ns") if "read" in l) == l["cost_ns"],
              "(the parts are the whole)")
    total = sum(l["cost_ns"] for l in locks)
    for function in truth:
        is_share, share = seen[function] / sum(seen.values()), truth[function] / sum(truth.values())
        check(name, abs(is_share - share) * 100 <= POINTS,
              f"{function} {100 * is_share:.1f} %, truth {100 * share:.1f} %")
        check(name, share < 0.05 or function in folded, f"{function} in --folded-of=blocked")
    off = 100 * (sum(l["handoff_ns"] for l in locks) / total - handoff / wait)
    check(name, abs(off) <= POINTS, f"handoff off by {off:.1f} points")


def main():
    with tempfile.TemporaryDirectory() as directory:
        books(directory, "mutex", "fork")
        books(directory, "mutex", "exec")
        books(directory, "robust", "fork", "3")
        books(directory, "rwlock", "exec", "3")
        books(directory, "readers", "fork", "3")
        books(directory, "semaphore", "fork")
        books(directory, "semaphore", "exec", "3")
        for kind in "mutex", "semaphore":
            _, processes, locks, _, _ = record(directory, kind, "alone")
            check("alone", len(processes) == 1 and locks[0]["unknown_ns"] > 0.9 * locks[0]["cost_ns"],
                  locks[0]["unknown_ns"], locks[0]["cost_ns"])
        _, processes, locks, _, text = record(directory, "mutex", "stuck")
        waiter = next(l for l in locks if l["unfinished_waits"] == 1)
        holder = waiter["holders"][0]
        check("stuck", holder["stack"][0]["function"] == "stuck" and
              holder["pid"] == processes[1]["pid"] and holder["blocked_ns"] > 0.9 * waiter["cost_ns"])
        text = " ".join(text.split())
        check("text", f"held it in common (PID {holder['pid']})" in text)
        _, processes, _, _, text = record(directory, "mutex", "circle")
        circles = [c for p in processes for c in p.get("deadlocks", [])]
        check("circle", len(circles) == 1 and len(circles[0]) == 2 and
              sorted(w["stack"][0]["function"] for w in circles[0]) == ["want_mutex", "want_write"] and
              {w["holder_pid"] for w in circles[0]} == {p["pid"] for p in processes if p["locks"]} and
              [w["held_at"][0]["function"] for w in circles[0]] ==
              [w["stack"][0]["function"] for w in circles[0][1:] + circles[0][:1]])
        check("text", "DEADLOCK in common" in text.split("\n")[0] and
              text.count(" of process ") == 4, text)
    return 1 if failed else 0


sys.exit(main())
