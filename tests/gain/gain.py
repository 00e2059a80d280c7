#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mutrace says that fixing a lock would gain, against the same program with the lock really changed
(tests/gain/gain.c and others), measured in the same minutes. `make check` runs a few of the programs,
`make check-gain` all. A gain is judged only if the machine was quiet enough to know it: two rounds of
measurements must agree. Arguments: "all", names of cases, and "threads=N", the threads that may be busy at
once, for a machine with many processors (1: one program after another).
"""
import concurrent.futures
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
ALL = len(sys.argv) > 1
CHOSEN = [x for x in sys.argv[1:] if x != "all" and not x.startswith("threads=")]
THREADS = max([int(x[8:]) for x in sys.argv[1:] if x.startswith("threads=")], default=1)

POINTS, POINTS_CPU = 6, 9  # of a hundred of the run time that an estimate may be off
AGREE = 2.5  # points by which two measurements of one gain may differ
FEW = (("gain", "offpath", "AB"), ("more", "sequence", "A"), ("more", "permits", "A"),
       ("gain", "server", "A", "--work=server"), ("shapes", "ticking", "A"), ("served", "queued-few", "A"))
MANY = (("gain", "offpath", "AB"), ("gain", "convoy", "A"), ("gain", "nested", "AB"), ("gain", "apart", "A"),
        ("gain", "uneven", "A"), ("gain", "readers", "A"), ("gain", "idle", "AB"), ("gain", "cpu", "A"),
        ("gain", "server", "A"), ("gain", "server", "A", "--work=a.*"),
        ("gain", "server", "A", "--work=request"),
        ("more", "bounded", "A"), ("more", "staged", "AB"), ("more", "mix", "A"),
        ("more", "inner", "AB"), ("more", "phases", "AB"), ("more", "sequence", "AB"), ("more", "pool", "A"),
        ("more", "fallback", "AB"), ("more", "timed", "A"), ("more", "ticker", "A"),
        ("more", "permits", "A"),
        ("more", "sleeper", "A"), ("more", "brief", "A"), ("more", "buckets", "A"), ("more", "homemade", "A"),
        ("more", "slow", "A"), ("more", "crowd", "A"), ("more", "serial", "A"), ("more", "tasks", "AB"),
        ("more", "rounds", "A"), ("more", "critical", "A"), ("more", "shared", "A"), ("more", "answers", "A"),
        ("more", "disk", "A"), ("more", "again", "A"), ("more", "spinning", "A"),
        ("other", "waves", "A"), ("other", "chain", "A"), ("other", "binary", "A"), ("other", "steal", "A"),
        ("other", "stages", "A"), ("other", "buffered", "A"), ("other", "odd", "AB"),
        ("other", "upgrade", "A"), ("other", "reload", "A"), ("other", "both", "AB"),
        ("other", "bursts", "A"), ("other", "logger", "AB"), ("other", "dining", "A"), ("other", "tail", "A"),
        ("other", "inherit", "A"), ("other", "along", "A"), ("other", "lengths", "A"),
        ("other", "hashing", "A"), ("other", "lopsided", "A"),
        ("other", "polls", "A"), ("other", "writers", "A"), ("other", "stripes", "A"),
        ("other", "commit", "A"), ("other", "relay", "A"),
        ("various", "promises", "A"), ("various", "turns", "A"), ("various", "groups", "A"),
        ("various", "limited", "A"), ("various", "herd", "A"), ("various", "alone", "A"),
        ("various", "shots", "A"), ("various", "latched", "A"), ("various", "ring", "AB"),
        ("various", "levels", "AB"), ("various", "piped", "A"), ("various", "master", "A"),
        ("various", "serve", "A"), ("various", "hashed", "A"), ("various", "epochs", "A"),
        ("various", "many", "A"), ("various", "halves", "A"),
        ("cxx", "cache", "A"), ("cxx", "futures", "A"), ("cxx", "async", "A"),
        ("omp", "omp-critical", "A"), ("omp", "omp-loops", "A"),
        ("omp", "omp-barriers", "A"), ("omp", "omp-teams", "A"),
        ("glib", "glib-queues", "A"), ("glib", "glib-pool", "A"),
        ("shapes", "statistics", "AB"), ("shapes", "flood", "A"), ("shapes", "forked", "A"),
        ("shapes", "resized", "A"), ("shapes", "device", "A"), ("shapes", "gated", "AB"),
        ("shapes", "fetched", "A"), ("shapes", "attempts", "A"), ("shapes", "connected", "A"),
        ("shapes", "divided", "A"), ("shapes", "ticking", "A"), ("shapes", "transaction", "AB"),
        ("shapes", "logs", "A"), ("shapes", "detached", "A"), ("shapes", "arena", "A"),
        ("shapes", "computed", "A"), ("shapes", "counted", "A"), ("shapes", "beside", "A"),
        ("shapes", "joined", "A"),
        ("newer", "filter", "A"), ("newer", "catalog", "A"), ("newer", "ledger", "AB"),
        ("newer", "desk", "A"), ("newer", "steps", "A"), ("newer", "crew", "A"), ("newer", "striped", "A"),
        ("newer", "quota", "A"), ("newer", "backoff", "A"), ("newer", "collected", "A"),
        ("gil.py", "py-sleeps", "A"), ("gil.py", "py-computes", "A"), ("gil.py", "py-queue", "A"),
        ("served", "long", "A"), ("served", "short", "A"), ("served", "thinking", "A"),
        ("served", "scarce", "A"), ("served", "two", "AB"), ("served", "seldom", "A"),
        ("served", "each", "A"), ("served", "each-many", "A"), ("served", "queued", "A"),
        ("served", "queued-thinking", "A"), ("served", "queued-few", "A"), ("served", "inside", "A"),
        ("served", "asked", "A"), ("served", "asked-thinking", "A"), ("served", "computing", "A"),
        ("served", "computing-short", "A"))
# compiled by this script, if that is possible
EXTRA = {"cxx": "${CXX:-c++} -O2 -g -pthread %s.cc -o %s", "omp": "${CC:-cc} -O2 -g -fopenmp %s.c -o %s",
         "glib": "${CC:-cc} -O2 -g -pthread %s.c -o %s $(pkg-config --cflags --libs glib-2.0)"}
OTHERS = ("barrier", "plain.mutex", "round_mutex", "r.filled", "r.emptied", "q.filled", "q.emptied",
          "results_mutex", "result", "written", "batons")
SERVERS = ("server", "serve", *(case for name, case, *_ in MANY if name == "served"))
# clients have no more to ask: of throughput there is a bound, which must be said to be one
LIMITED = ("thinking", "queued-thinking")
# work comes from outside, how fast is not known
REFUSED = ("queued-few",)
# threads wait for each other in ways that are not seen: an estimate must be right, if there is one
UNSEEN = ("piped", "master", "halves")
# threads do not wait for the lock, but try again: its gain is said to be not known, or it is refused
UNKNOWN = ("attempts", "backoff")
# the mutex of a queue with conditions cannot be taken away; a disk does not know of half the time; of a lock
# that nobody waits for only the code in it is slow
UNFIT = (("bounded", "no_contention"), ("disk", "half_hold"), ("commit", "no_hold"),
         ("commit", "half_hold"))
# a lock, and the least and the greatest part of the critical path that is in its holds
PATHS = {"offpath": ("a", 0, .01), "convoy": ("a", .8, 1), "sequence": ("a", .7, 1), "pool": ("a", .6, .95)}
# what is scarce is processors: the threads that are busy at once
LOADS = {"cpu": 4, "brief": 2, "crowd": 2, "serial": 4, "spinning": 2, "hashing": 2, "many": 2,
         "lopsided": 2, "both": 2, "arena": 2, "computed": 2, "counted": 2, "beside": 2, "joined": 2,
         "py-computes": 2, "computing": 2, "computing-short": 2}
PROCESSORS = {"crowd": 2}  # of this machine the program may use
CHANGES = (("no_contention", "split"), ("no_hold", "0"), ("half_hold", "0.5"))


def ahead(case):
    """Before other programs of the machine, where that is allowed."""
    if case in PROCESSORS:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-PROCESSORS[case]:])
    try:
        if case not in LOADS:  # it sleeps, and is never long on a processor
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
            return
        os.setsid()
        with open("/proc/self/autogroup", "w") as f:
            f.write("-20")
        os.nice(-20)
    except OSError:
        pass


def call(case, *command):
    done = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=lambda: ahead(case))
    return done.stdout


def run(program, case, *changes):
    return float(call(case, program, case, *changes).split()[-1])


def gain(case, before, after):
    return 100 * (after / before - 1) if case in SERVERS else 100 * (1 - after / before)


def truths(program, case, locks):
    """{(lock, change): (gain, how well it is known)}, in points."""
    rounds = []
    for _ in range(3 if ALL else 2):
        before = run(program, case)
        rounds.append({(lock, name): gain(case, before, run(program, case, f"{lock}={how}"))
                       for lock in locks for name, how in CHANGES if (case, name) not in UNFIT})
    return {key: (statistics.median(r[key] for r in rounds),
                  max(r[key] for r in rounds) - min(r[key] for r in rounds)) for key in rounds[0]}


def path_part(process, name):
    """Part of the critical path that is in holds of a lock. How long threads wake depends on the machine."""
    path = process["critical_path"]
    ids = [lock["id"] for lock in process["locks"] if lock["name"].startswith(name)]
    parts = path["held_ns"] + path["running_ns"] + path["waking_ns"] + path["unknown_ns"]
    if abs(parts - path["length_ns"]) > 1:
        raise SystemExit(f"the parts of the critical path add up to {parts} of {path['length_ns']}")
    return sum(hold["ns"] for hold in path["holds"] if hold["lock"] in ids) / \
        (path["length_ns"] - path["waking_ns"])


def check_path(case, process, say):
    """True if the critical path is as it must be, or not judged."""
    if case not in PATHS:
        return True
    name, least, most = PATHS[case]
    part = path_part(process, name)
    say(f"{case}: {100 * part:.0f} % of the critical path is in holds of {name}")
    return least <= part <= most


def estimates(program, case, directory, options):
    path = os.path.join(directory, "-".join((case, *options)).replace("/", "") + ".json")
    call(case, mutrace, "--json=" + path, *options, program, case)
    with open(path) as f:
        process = json.load(f)["processes"][0]
    what_if = process.get("what_if", {"metric": None, "method": "replay", "locks": []})
    names = {lock["id"]: lock["name"] for lock in process["locks"]}
    found = {}
    for lock in what_if["locks"]:
        name = names[lock["lock"]]
        if name.startswith(("a.", "b.")):
            found[name[0].upper()] = lock
        elif "_a" in name:
            found["A"] = lock
        elif name not in OTHERS and not name.startswith("other_"):
            found.setdefault("A", lock)  # the first one matters most
    return process, what_if, found


def check_bounds(program, case, directory, known, say):
    """How many bounds by counters are none. Without events they are told, as what they are."""
    process, what_if, found = estimates(program, case, directory, ["--events=0"])
    if what_if["method"] != "bound" or "no events" not in what_if["refused"] or process.get("events"):
        say(f"{case}: without events gains are said to be by {what_if['method']}")
        return 1
    wrong = 0
    for (lock, change), (true, spread) in known.items():
        low, high = (100 * x for x in found[lock][change]) if lock in found else (0, 100)
        if low == 0 and (true <= high + max(spread, AGREE) or spread > AGREE):
            continue
        say(f"{case} {lock} {change}: true {true:.1f} (+- {spread / 2:.1f}), but the bound is {high:.1f}")
        wrong += 1
    return wrong


def judge(program, case, locks, directory, options, say):
    """How many estimates were right, wrong, and not judged."""
    counts = [0, 0, 0]
    process, what_if, found = estimates(program, case, directory, options)
    if not check_path(case, process, say):
        say("that is not the critical path")
        counts[1] += 1
    wanted = "throughput" if case in SERVERS else "run_time"
    if what_if["metric"] not in (wanted, None if case.startswith("py-") else wanted) and case not in UNSEEN:
        say(f"{case}: the metric is {what_if['metric']}")
        counts[1] += 1
    if what_if["method"] != "replay" or "refused" in what_if:
        say(f"{case}: refused: {what_if.get('refused')}, off by {what_if.get('replay_error')}")
        if case in REFUSED:  # that it is refused says nothing of how busy the machine is
            counts[1] += "from outside" not in what_if.get("refused", "")
        else:
            counts[0 if case in (*UNSEEN, *UNKNOWN) else 2] += 1
        return counts
    if case in REFUSED:
        say(f"{case}: not refused")
        counts[1] += 1
        return counts
    allowed = POINTS_CPU if case in LOADS else POINTS
    known = truths(program, case, locks)
    if wanted == "run_time":
        counts[1] += check_bounds(program, case, directory, known, say)
    for (lock, change), (true, spread) in known.items():
        if lock not in found and case in UNKNOWN:
            continue
        if lock not in found:
            low = high = 0.0  # it cost too little to be looked at
        else:
            low, high = (100 * x for x in found[lock][change])
        off = max(low - true, true - high, 0)
        if case in LIMITED:
            off = max(true - high, 0) if what_if.get("if_work_comes") else 100
        if case in SERVERS:  # points of the greater throughput
            off /= max(1, (100 + true) / 100)
        quiet = spread <= AGREE * (1 if case not in SERVERS else max(1, (100 + true) / 100))
        verdict = "right" if off <= allowed else "wrong" if quiet else "not known"
        counts[("right", "wrong", "not known").index(verdict)] += 1
        say(f"{case} {lock} {change}: true {true:.1f} (+- {spread / 2:.1f}), "
            f"estimate {low:.1f}..{high:.1f}: {verdict}")
    return counts


class Threads:
    """Programs that are busy at once have so many threads together."""

    def __init__(self, most):
        self.free = most
        self.changed = threading.Condition()

    def take(self, n):
        with self.changed:
            while self.free < n:
                self.changed.wait()
            self.free -= n

    def give(self, n):
        with self.changed:
            self.free += n
            self.changed.notify_all()


def program_of(name, directory):
    """None: it cannot be made here."""
    path = os.path.join(build, "tests/gain", name)
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    if name.endswith(".py"):
        return source
    if name not in EXTRA:
        return path
    text = source + re.search(r"%s(\.\w+)", EXTRA[name])[1]
    if os.path.exists(path) and os.path.getmtime(path) >= os.path.getmtime(text):
        return path
    path = os.path.join(directory, name)
    subprocess.run(EXTRA[name] % (source, path), shell=True, check=False)
    return path if os.path.exists(path) else None


def judge_all(cases, directory):
    programs = {name: program_of(name, directory) for name in {x[0] for x in cases}}
    threads = Threads(THREADS)
    said = threading.Lock()

    def one(entry):
        name, case, locks, *options = entry
        lines = []
        n = min(LOADS.get(case, 1), THREADS)
        threads.take(n)
        try:
            counts = judge(programs[name], case, locks, directory, options, lines.append)
            if counts[1] and not ALL:  # a fault is there twice; a machine that others use may be free now
                lines.append(f"{case} once more:")
                counts = judge(programs[name], case, locks, directory, options, lines.append)
        finally:
            threads.give(n)
        with said:
            print("\n".join(lines), flush=True)
        return counts

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        return [sum(x) for x in zip(*pool.map(one, (x for x in cases if programs[x[0]])))]


def main():
    cases = [x for x in (MANY if ALL else FEW) if not CHOSEN or x[1] in CHOSEN]
    with tempfile.TemporaryDirectory() as directory:
        right, wrong, unknown = judge_all(cases, directory)
    print(f"{right} right, {wrong} wrong, {unknown} not judged")
    if right + wrong == 0:
        print("skipped: the machine is too busy to know what is gained")
        return 77
    return 1 if wrong > 0.07 * (right + wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
