#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""All kinds of locks that are not pthread's (make check-families): each has a known load, and its counts,
waiter and holder must be what the program did, RUNS times (10) as it is, and once

  child  in a child of fork()
  fork   before a fork, and once more in the child
  exec   before the program is executed again, and after that
  kill   where the program is killed after half of its rounds
  trap   with --trap
  rt     with -r, where the waiter has a realtime policy

Kinds whose library or compiler is not there are left out, and where a program cannot do a thing by itself
this thing is, too. Arguments: words; only kinds and ways that have one of them are tried.
"""
import json
import os
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.environ.get("top_builddir", "."))
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MUTRACE = os.environ.get("MUTRACE", os.path.join(TOP, "mutrace"))
LOADS = os.path.join(SOURCE, "workloads")
MADE = os.path.join(TOP, "tests/workloads")
RUNS = int(os.environ.get("RUNS", "10"))
ROUNDS = 200
WAYS = ["plain", "child", "fork", "exec", "kill", "trap", "rt"]
ANY = None  # acquisitions that are not seen


def packages(*names):
    r = subprocess.run(["pkg-config", "--cflags", "--libs", *names], capture_output=True, text=True)
    return r.stdout.split() if r.returncode == 0 else None


def compile_to(name, compiler, source, *flags):
    """True if the program could be made in the present directory."""
    if None in flags:
        return False
    try:
        r = subprocess.run([*compiler.split(), "-g", "-O1", "-fno-optimize-sibling-calls", "-pthread",
                            "-o", name, os.path.join(LOADS, source), *flags], capture_output=True)
    except FileNotFoundError:
        return False
    return r.returncode == 0


def library(name, define, *flags, compiler="g++", standard="c++17"):
    return compile_to(name, compiler, "others.cc", "-fPIC", "-std=" + standard, "-D" + define, *flags)


def make_programs():
    """Their names, and of each what it is to be run with: (argument, contended, acquired)."""
    both = 2 * ROUNDS
    openmp = [(what, ROUNDS, both)
              for what in "critical unnamed lock ordered barrier loop sections single".split()]
    openmp += [("nested", ROUNDS, 3 * ROUNDS)]
    qt = [(what, ROUNDS, both) for what in ("read", "write")] + [("nested", ROUNDS, 4 * ROUNDS)]
    if compile_to("glib", "gcc", "glib.c", *packages("glib-2.0") or [None]):
        yield "./glib", [(what, ROUNDS, both) for what in ("mutex", "nested", "rates")]
        yield "./glib", [("bit", ROUNDS, ANY)]
    for compiler in ("gcc", "clang"):
        if compile_to("openmp-" + compiler, compiler, "openmp.c", "-fopenmp"):
            yield "./openmp-" + compiler, openmp
    for version, acquired in (("5", both), ("6", ANY)):
        if library("qt" + version, "QT", *packages("Qt%sCore" % version) or [None]):
            yield "./qt" + version, qt + [("mutex", ROUNDS, acquired), ("timed", ROUNDS, acquired),
                                         ("semaphore", ROUNDS, ANY)]
    if library("abseil", "ABSL", *packages("absl_synchronization") or [None]):
        yield "./abseil", [("mutex", ROUNDS, both), ("read", ROUNDS, both)]
    if library("tbb", "TBB", "-ltbb"):
        yield "./tbb", [("mutex", ROUNDS, ANY), ("write", ROUNDS, ANY)]
    if library("c++20", "CXX20", standard="c++20"):
        yield "./c++20", [("mutex", ROUNDS, ANY)]
    if library("llvm", "LIBCXX", compiler="clang++ -stdlib=libc++", standard="c++20"):
        yield "./llvm", [("mutex", ROUNDS, ANY)]
    if compile_to("guard", "g++", "guard.cc"):
        yield "./guard", [("guard", 1, ANY)]
    try:
        if subprocess.run(["rustc", "-g", "-o", "rust", os.path.join(LOADS, "rustlocks.rs")],
                          capture_output=True).returncode == 0:
            yield "./rust", [("mutex", ROUNDS, ANY), ("rwlock", ROUNDS, ANY), ("once", 1, ANY)]
    except FileNotFoundError:
        pass
    futexes = "mutex bitset pi op new counted".split()
    yield os.path.join(MADE, "futexes"), [(what, ROUNDS, ANY) for what in futexes]
    libc = [(what, ROUNDS, ANY) for what in "arena stdio loader mixed deixm".split()]
    yield os.path.join(MADE, "libclocks"), libc + [("flock", ROUNDS, both)]


def sides(lock):
    return [lock] + ([lock["read"]] if "read" in lock else [])


def total(lock, key):
    return sum(side[key] or 0 for side in sides(lock))


def wrong(process, program, argument, contended, acquired, way):
    """What is not as it is to be; None: all is. The C library's own locks come by chance elsewhere."""
    libc = "libclocks" in program
    locks = [l for l in process["locks"] if l["role"] == "lock" and (libc or l["made_by"] != "libc") and
             (argument != "ordered" or l["kind"] == "mutex") and total(l, "contended") > contended / 20]
    counts = [total(l, "contended") for l in locks]
    # the other thread of a team may have begun the next round
    apart = 1 if way == "kill" and "openmp" in program and acquired == 2 * ROUNDS else 0
    share = 2 if way == "kill" and contended == ROUNDS else 1
    if not contended // share <= sum(counts) <= contended // share + apart:
        return "contended %s" % {l["name"]: total(l, "contended") for l in locks}
    seen = sum(total(l, "acquired") for l in locks)
    if acquired is not ANY and not acquired // share <= seen <= acquired // share + 2 * apart:
        return "acquired %d" % seen
    if len(locks) != 1 or len(locks[0]["waiters"]) != len(locks[0]["holders"]):
        return "%d locks, %s waiters and holders" % (
            len(locks), [(len(l["waiters"]), len(l["holders"])) for l in locks])
    if process["lost_events"]:
        return "%d events lost" % process["lost_events"]
    if way == "rt" and not locks[0]["realtime"]:
        return "no realtime thread seen"
    return None


def run(command, environment):
    try:
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=120).returncode
    except subprocess.TimeoutExpired:
        return "timeout"


def attempt(program, case, way):
    """None: all was right; else what was wrong. False: the program cannot do it."""
    argument, contended, acquired = case
    if way == "fork" and "openmp-gcc" in program:
        return False  # after a parallel region libgomp waits in a child for ever, for threads that it has not
    environment = dict(os.environ)
    if way in ("child", "fork", "exec", "rt"):
        environment["LD_PRELOAD"] = os.path.abspath("twice.so")
        environment["WORKLOAD"] = os.path.basename(program)
        environment["REALTIME" if way == "rt" else "TWICE"] = way
    if way == "kill":
        environment["KILLED_AFTER"] = str(ROUNDS // 2)
    command = [program, argument]
    if way not in ("plain", "trap"):
        expected = run(command, environment)
        if expected != (-9 if way == "kill" else 0):
            return False
    options = {"trap": ["--trap"], "rt": ["-r"]}.get(way, [])
    status = run([MUTRACE, *options, "--json=json", *command], environment)
    if status != (-9 if way == "kill" else 0):
        return "exit status %s" % status
    with open("json") as f:
        processes = json.load(f)["processes"]
    used = [p for p in processes if any(total(l, "contended") for l in p["locks"])]
    if len(used) != (2 if way in ("fork", "exec") else 1):
        return "%d processes with contention" % len(used)
    for p in used:
        problem = wrong(p, program, argument, contended, acquired, way)
        if problem:
            return problem
    return None


def main(words):
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        preloaded = os.path.join(SOURCE, "tools/twice.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", "twice.so", preloaded], check=True)
        for program, cases in make_programs():
            for case in cases:
                for way in WAYS:
                    name = "%s %s %s" % (os.path.basename(program), case[0], way)
                    if words and not any(w in name for w in words):
                        continue
                    results = [attempt(program, case, way) for _ in range(RUNS if way == "plain" else 1)]
                    bad = [r for r in results if r]
                    failed += len(bad)
                    print("%-28s %s" % (name, "not by itself" if False in results else
                                        "; ".join(bad[:3]) if bad else "%d right" % len(results)), flush=True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
