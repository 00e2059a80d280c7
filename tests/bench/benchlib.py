# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks and the tests about price share: running a load in its variants, medians, the machine.

A variant is a way to run a program: plain, under the floor library, under mutrace with some options. The
variants of one load are run close together, in a new order each round, and only ratios within a round are
used, so that what else the machine does cancels out.
"""
import glob
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SAMPLE = 64  # --sample-hold=64 wherever a sampled run is measured

BUILD = os.environ.get("top_builddir", os.getcwd())
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("top_srcdir", os.path.dirname(os.path.dirname(HERE)))
LOCKBENCH = os.environ.get("LOCKBENCH", os.path.join(BUILD, "lockbench"))
PRELOADED = {name: os.path.join(BUILD, ".libs", name + ".so") for name in ("floor", "limit")}  # see floor.c
MUTRACE = os.environ.get("MUTRACE", os.path.join(BUILD, "mutrace"))

MUTRACE_OPTIONS = {
    "exact": [],
    "no-events": ["--events=0"],
    "sampled": ["--sample-hold=%d" % SAMPLE],
    "contended-only": ["--contended-only"],
    "realtime": ["--track-rt"],
}


class BenchError(Exception):
    """A run that failed or that did not measure what it was to measure."""


def go_first():
    """In a child before it executes: ahead of all other programs, if we may."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        try:
            os.nice(-20)
        except OSError:
            pass


def run(command, env=None, timeout=600, preexec=None):
    p = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                       preexec_fn=preexec)
    if p.returncode:
        raise BenchError("%s: exit status %d\n%s" % (" ".join(command), p.returncode,
                                                     (p.stderr or b"").decode(errors="replace")[-2000:]))
    return p


def totals(report):
    """Acquisitions, contentions and instances of all locks of all processes of a JSON report."""
    t = {"acquired": 0, "contended": 0, "waits": 0, "instances": 0, "trylock_failed": 0, "hold_ns": 0,
            "wait_ns": 0,
         "lost": 0, "overhead_ns": 0, "runtime_ns": 0, "locks": 0, "signals": 0, "arrived": 0}
    for process in report["processes"]:
        t["lost"] += process["lost_events"]
        t["overhead_ns"] += process["overhead_ns"]
        t["runtime_ns"] = max(t["runtime_ns"], process["runtime_ns"])
        for lock in process.get("locks", []):
            if lock["kind"] == "barrier":  # the start line of lockbench is one
                t["arrived"] += lock["acquired"]
                continue
            if lock["acquired"] is None:  # glibc's own: the allocator may be waited for, or not
                continue
            t["locks"] += 1
            t["instances"] += lock["instances"]
            for side in [lock] + ([lock["read"]] if "read" in lock else []):
                for key in ("acquired", "contended", "trylock_failed", "waits"):
                    t[key] += side.get(key, 0)
                for key in ("hold_ns", "wait_ns"):
                    t[key] += side.get(key, {"total": 0})["total"]
        for condition in process.get("conditions", []):
            t["signals"] += condition["signals"]
    return t


def front(variant, report, options=()):
    """The command line of mutrace in front of a program's."""
    return [MUTRACE, "--json", report] + MUTRACE_OPTIONS[variant] + list(options) + ["--"]


def lockbench(arguments, variant="plain", mutrace_options=(), keep=None, preexec=None):
    """Run one load; return lockbench's own result, with the report's totals as "report" if there is one."""
    command = [LOCKBENCH] + [str(a) for a in arguments]
    if variant == "plain":
        return json.loads(run(command).stdout)
    if variant in PRELOADED:
        return json.loads(run(command, dict(os.environ, LD_PRELOAD=PRELOADED[variant])).stdout)
    with tempfile.TemporaryDirectory(prefix="mutrace-bench.") as directory:
        path = os.path.join(directory, "report.json")
        options = list(mutrace_options) + (["-o", keep] if keep else [])
        result = json.loads(run(front(variant, path, options) + command, preexec=preexec).stdout)
        with open(path) as f:
            report = json.load(f)
    result["report"] = totals(report)
    if keep or "locks" in result:
        result["processes"] = report["processes"]
    return result


def check_counts(result, variant):
    """A profiler that lost count is not cheap but broken: its price must not enter a table."""
    report = result["report"]
    if report["lost"]:
        raise BenchError("%s: %d events lost" % (result["load"], report["lost"]))
    if variant == "contended-only":
        if report["contended"] < result["contended"]:
            raise BenchError("%s: %d of %d contentions seen" % (result["load"], report["contended"],
                                                                result["contended"]))
        return
    seen = report["acquired"] + report["trylock_failed"] + report["signals"] + report["arrived"]
    if seen < result["pairs"]:
        raise BenchError("%s: %d of %d acquisitions seen" % (result["load"], seen, result["pairs"]))


def interleave(variants, rounds, measure, progress=None):
    """Call measure(variant) for each variant in each round; return {variant: [results]}."""
    results = {v: [] for v in variants}
    for i in range(rounds):
        order = list(variants)
        random.shuffle(order)
        for v in order:
            results[v].append(measure(v))
        if progress:
            progress(i)
    return results


def ratio(results, above, below, key):
    """Median of the ratios within the rounds."""
    return statistics.median(a[key] / b[key] for a, b in zip(results[above], results[below]))


def spread(results, above, below, key):
    """Quartiles of the same."""
    r = sorted(a[key] / b[key] for a, b in zip(results[above], results[below]))
    return r[len(r) // 4], r[-1 - len(r) // 4]


def median(results, variant, key):
    return statistics.median(r[key] for r in results[variant])


def read_first(path, start=""):
    try:
        with open(path) as f:
            for line in f:
                if line.startswith(start):
                    return line[len(start):].strip(" \t:\n")
    except OSError:
        pass
    return "unknown"


def output(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def describe_machine():
    """Lines that say where and when figures came from."""
    try:
        version = output([MUTRACE, "--version"]).split("\n")[0]
    except OSError:
        version = "mutrace not built"
    git = shutil.which("git")
    revision = output([git, "-C", SOURCE, "describe", "--always", "--dirty"]).strip() if git else ""
    compiler = output([os.environ.get("CC", "cc").split()[0], "--version"]).split("\n")[0]
    virtual = ", virtual" if " hypervisor" in read_first("/proc/cpuinfo", "flags") else ""
    return [
        "date: " + time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "version: %s, revision %s" % (version, revision or "unknown"),
        "processor: %s, %d in use%s" % (read_first("/proc/cpuinfo", "model name"),
                                        len(os.sched_getaffinity(0)), virtual),
        "kernel: %s, %s" % (platform.release(), platform.machine()),
        "libc: %s, compiler: %s" % (" ".join(platform.libc_ver()), compiler),
        "load average at the end: " + " ".join("%.2f" % x for x in os.getloadavg()),
    ]


def disk_usage(directory):
    """Bytes that the files of a session really take."""
    return sum(os.stat(p).st_blocks * 512 for p in glob.glob(os.path.join(directory, "**"), recursive=True)
               if os.path.isfile(p))


def need_tools():
    """77 and 99 as the test harness wants them."""
    for tool in (LOCKBENCH, MUTRACE):
        if not os.access(tool, os.X_OK):
            sys.exit("%s is not there: build first" % tool)
