#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mutrace says that fixing a lock would gain, against the same program with the lock really changed
(tests/gain/gain.c), measured in the same minutes. `make check` runs a few of the programs, `make check-gain`
all. A gain is judged only if the machine was quiet enough to know it: two rounds of measurements must agree.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
program = os.path.join(build, "tests/gain/gain")
ALL = "all" in sys.argv[1:]

POINTS, POINTS_CPU = 6, 9  # of a hundred of the run time that an estimate may be off
AGREE = 2.5  # points by which two measurements of one gain may differ
FEW = (("offpath", "AB"), ("uneven", "A"), ("server", "A"))
MANY = (("offpath", "AB"), ("convoy", "A"), ("nested", "AB"), ("apart", "A"), ("uneven", "A"),
        ("readers", "A"), ("idle", "AB"), ("cpu", "A"), ("server", "A"))
CHANGES = (("no_contention", "split"), ("no_hold", "0"), ("half_hold", "0.5"))


def prefix():
    """Before other programs of the machine, where that is allowed."""
    fifo = ["chrt", "-f", "5"]
    return fifo if subprocess.run(fifo + ["true"], capture_output=True).returncode == 0 else []


def ahead():
    """The same for what uses the processor all the time."""
    try:
        os.setsid()
        with open("/proc/self/autogroup", "w") as f:
            f.write("-20")
    except OSError:
        pass


def call(first, case, *command):
    first, before = ([], ahead) if case == "cpu" else (first, None)
    done = subprocess.run([*first, *command], check=True, capture_output=True, text=True, preexec_fn=before)
    return done.stdout


def run(first, case, *changes):
    return float(call(first, case, program, case, *changes).split()[-1])


def gain(case, before, after):
    return 100 * (after / before - 1) if case == "server" else 100 * (1 - after / before)


def truths(first, case, locks):
    """{(lock, change): (gain, how well it is known)}, in points."""
    rounds = []
    for _ in range(3 if ALL else 2):
        before = run(first, case)
        rounds.append({(lock, name): gain(case, before, run(first, case, f"{lock}={how}"))
                       for lock in locks for name, how in CHANGES})
    return {key: (statistics.median(r[key] for r in rounds),
                  max(r[key] for r in rounds) - min(r[key] for r in rounds)) for key in rounds[0]}


def estimates(first, case, directory):
    path = os.path.join(directory, case + ".json")
    call(first, case, mutrace, "--json=" + path, program, case)
    with open(path) as f:
        process = json.load(f)["processes"][0]
    what_if = process["what_if"]
    names = {lock["id"]: lock["name"] for lock in process["locks"]}
    found = {}
    for lock in what_if["locks"]:
        name = names[lock["lock"]][0].upper()
        found["A" if name == "R" else name] = lock
    return what_if, found


def judge(first, case, locks, directory):
    """How many estimates were right, wrong, and not judged."""
    counts = [0, 0, 0]
    what_if, found = estimates(first, case, directory)
    wanted = "throughput" if case == "server" else "run_time"
    if what_if["metric"] != wanted:
        print(f"{case}: the metric is {what_if['metric']}")
        counts[1] += 1
    if what_if["method"] != "replay" or "refused" in what_if:
        print(f"{case}: refused: {what_if.get('refused')}, off by {what_if.get('replay_error')}")
        counts[2] += 1
        return counts
    allowed = POINTS_CPU if case == "cpu" else POINTS
    for (lock, change), (true, spread) in truths(first, case, locks).items():
        if lock not in found:
            low = high = 0.0  # it cost too little to be looked at
        else:
            low, high = (100 * x for x in found[lock][change])
        off = max(low - true, true - high, 0)
        if case == "server":  # points of the greater throughput
            off /= max(1, (100 + true) / 100)
        quiet = spread <= AGREE * (1 if case != "server" else max(1, (100 + true) / 100))
        verdict = "right" if off <= allowed else "wrong" if quiet else "not known"
        counts[("right", "wrong", "not known").index(verdict)] += 1
        print(f"{case} {lock} {change}: true {true:.1f} (+- {spread / 2:.1f}), "
              f"estimate {low:.1f}..{high:.1f}: {verdict}")
    return counts


def main():
    first, total = prefix(), [0, 0, 0]
    with tempfile.TemporaryDirectory() as directory:
        for case, locks in MANY if ALL else FEW:
            total = [x + y for x, y in zip(total, judge(first, case, locks, directory))]
    right, wrong, unknown = total
    print(f"{right} right, {wrong} wrong, {unknown} not judged")
    if right + wrong == 0:
        print("skipped: the machine is too busy to know what is gained")
        return 77
    return 1 if wrong > 0.07 * (right + wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
