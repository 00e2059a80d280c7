#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of other tools that see locks or allocations, beside ours: those that are installed and may run.

    peers.py [--rounds N] [--markdown FILE]

The least of some interleaved runs, as such tools cost so much that noise matters little. A pair is lock and
unlock of a free mutex, one contended acquisition (all threads on one processor), or malloc and free.
FILE gets the table behind the one that bench.py wrote there. "make bench" runs it.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import benchlib

LOAD = {"own": ["-n", "40000", "own"], "contended": ["-1", "-d", "16", "-n", "4000", "contend"]}
ALLOC = os.path.join(benchlib.BUILD, "allocbench")
MATRACE = os.path.join(benchlib.BUILD, "matrace")
LTTNG = "liblttng-ust-pthread-wrapper.so.1"
PROBES = ("uprobe:libc:pthread_mutex_lock { @since[tid] = nsecs; } "
          "uretprobe:libc:pthread_mutex_lock { @waits = hist(nsecs - @since[tid]); } "
          "uprobe:libc:pthread_mutex_unlock { @unlocks = count(); }")

# name, command before the program's; what it tells of a lock
LOCKS = [
    ("plain", [], ""),
    ("mutrace", [benchlib.MUTRACE, "--json", "REPORT", "--"],
     "all acquisitions, waits with both stacks, holds"),
    ("mutrace --contended-only", [benchlib.MUTRACE, "--contended-only", "--json", "REPORT", "--"],
     "waits with both stacks"),
    ("valgrind --tool=drd", ["valgrind", "-q", "--tool=drd", "--exclusive-threshold=1000"],
     "long holds, races"),
    ("perf trace -s -e futex", ["perf", "trace", "-s", "-e", "futex", "-o", "REPORT", "--"],
     "system calls, no lock's name"),
    ("bpftrace, three probes", ["bpftrace", "-q", "-e", PROBES, "-o", "REPORT", "-c"], "one histogram"),
    ("lttng-ust", None, "an event for each call"),
]
ALLOCATIONS = [
    ("plain", [], ""),
    ("matrace", [MATRACE, "--"], "calls of realtime threads; this one is none"),
    ("heaptrack", ["heaptrack", "-o", "REPORT"], "each allocation with its stack"),
]


def result_of(output, load):
    for line in output.splitlines():
        if load == "malloc":
            try:
                return float(line)
            except ValueError:
                continue
        if line.startswith('{"load"'):
            r = json.loads(line)
            return r["cpu_ns"] / (r["contended"] or r["pairs"])
    return None


def lttng(directory, *arguments):
    done = subprocess.run(["lttng", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode == 0


def run_lttng(directory, program, load):
    """In a session of its own; its daemon is started where none runs, and ended again."""
    environment = dict(os.environ, LTTNG_HOME=directory)
    daemon = subprocess.Popen(["lttng-sessiond", "--quiet"], env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    name = "mutrace-peers"
    try:
        ready = False
        for _ in range(20):
            if lttng(directory, "create", name, "--output=" + os.path.join(directory, "trace")):
                ready = True
                break
            subprocess.run(["sleep", "0.2"])
        if not ready or not lttng(directory, "enable-event", "-u", "lttng_ust_pthread:*") or \
                not lttng(directory, "start"):
            return None
        done = subprocess.run(program, env=dict(environment, LD_PRELOAD=LTTNG), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=120)
        return result_of(done.stdout.decode(), load)
    finally:
        lttng(directory, "destroy", name)
        daemon.terminate()
        daemon.wait()


def measure(front, program, load):
    """ns a pair; None: the tool is not there or may not run."""
    if front is None:
        if not shutil.which("lttng-sessiond"):
            return None
    elif front and not shutil.which(front[0]):
        return None
    with tempfile.TemporaryDirectory(prefix="mutrace-peers.") as directory:
        try:
            if front is None:
                return run_lttng(directory, program, load)
            command = [os.path.join(directory, "report") if a == "REPORT" else a for a in front]
            command += [" ".join(program)] if front and front[0] == "bpftrace" else program
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
            return result_of(done.stdout.decode(errors="replace"), load)
        except (OSError, subprocess.TimeoutExpired):
            return None


def table(load, tools, program, rounds):
    """[(tool, ns or None, what it tells)], the least of all rounds."""
    least = {}
    for i in range(rounds):
        for name, front, _ in tools:
            if i > 0 and least.get(name) is None:
                continue
            ns = measure(front, program, load)
            if ns is not None:
                least[name] = min(ns, least.get(name, ns))
    return [(name, least.get(name), tells) for name, _, tells in tools]


def lines(rounds):
    out = ["## Beside other tools", "",
           "The least of %d runs, ns of processor time: for lock and unlock of a free mutex," % rounds,
           "for one contended acquisition, for malloc and free. \"-\": the tool is not installed, or may not "
           "run here.", "",
           "| tool | own ns | own/plain | contended ns | contended/plain | tells |",
           "|---|--:|--:|--:|--:|---|"]
    own = table("own", LOCKS, [benchlib.LOCKBENCH] + LOAD["own"], rounds)
    contended = table("contended", LOCKS, [benchlib.LOCKBENCH] + LOAD["contended"], rounds)

    def cells(ns, plain):
        return "- | -" if ns is None else "%.0f | %.2f" % (ns, ns / plain)

    for (name, a, tells), (_, b, _) in zip(own, contended):
        out.append("| %s | %s | %s | %s |" % (name, cells(a, own[0][1]), cells(b, contended[0][1]), tells))
    out += ["", "| tool | malloc/free ns | malloc/plain | tells |", "|---|--:|--:|---|"]
    malloc = table("malloc", ALLOCATIONS, [ALLOC], rounds)
    for name, ns, tells in malloc:
        out.append("| %s | %s | %s |" % (name, cells(ns, malloc[0][1]), tells))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--markdown", help="append the tables to this file")
    options = p.parse_args()
    benchlib.need_tools()
    text = "\n".join(lines(options.rounds)) + "\n"
    print(text, end="")
    if options.markdown:
        with open(options.markdown, "a") as f:
            f.write("\n" + text)


if __name__ == "__main__":
    sys.exit(main())
