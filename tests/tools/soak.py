#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make soak: memcached under load for a long time, with a report of the live session every few seconds.

At the end throughput is as at the beginning, memory of the server and its session is flat, and no count in
any report was lower than in the one before. Flat: the session holds what is distinct (locks, call sites,
stacks, who waited for whom), and what can be has mostly been met after the warm-up; its file grows ahead of
that in steps, which are not judged. SOAK_MINUTES (30), SOAK_WARM (120 seconds), SOAK_EVERY (5 seconds) and
SOAK_OUT (a file for the figures, as JSON) are taken from the environment.
"""
import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.environ.get("top_builddir", os.getcwd())
MUTRACE = os.environ.get("MUTRACE", os.path.join(TOP, "mutrace"))
MEMLOAD = os.path.join(TOP, "memload")
MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
WARM = float(os.environ.get("SOAK_WARM", "120"))
EVERY = float(os.environ.get("SOAK_EVERY", "5"))
SLICE = 5  # seconds of load at a time
TICKS = os.sysconf("SC_CLK_TCK")

# These may only grow. The times of waits and holds are among them.
COUNTS = ("acquired", "contended", "trylock_failed", "timed_out", "owner_changes", "threads", "waits")
TIMES = ("wait_ns", "hold_ns")


def figures(lock):
    for side, f in (("", lock), ("read ", lock.get("read", {}))):
        for name in COUNTS:
            yield side + name, f.get(name, 0)
        for name in TIMES:
            yield side + name, f.get(name, {}).get("total", 0)
            yield side + name + " max", f.get(name, {}).get("max", 0)


def digest(report):
    """(process, lock, figure) -> value; locks of one identity together."""
    found = {}
    for p in report["processes"]:
        for name in ("runtime_ns", "thread_time_ns", "threads", "lost_events"):
            found[p["pid"], "", name] = p.get(name, 0)
        if p["damaged_records"]:
            sys.exit("a report of the live session has %d damaged records" % p["damaged_records"])
        for lock in p["locks"]:
            if lock["acquired"] is None:
                continue  # glibc's own lock
            for name, value in figures(lock):
                key = p["pid"], lock["identity"], name
                before = found.get(key, 0)
                found[key] = max(before, value) if name.endswith("max") else before + value
            if lock["contended"] > lock["acquired"] + lock["timed_out"] + lock["threads"]:
                sys.exit("%s: contended %d, acquired %d"
                        % (lock["name"], lock["contended"], lock["acquired"]))
    return found


def status(pid, name):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def session_kb(path):
    """What the session takes of its file system."""
    return sum(os.stat(os.path.join(path, name)).st_blocks for name in os.listdir(path)) // 2


CHUNK = struct.Struct("=IIQQIII")  # of struct chunk in src/session/format.h
CHUNK_MAGIC = 0x6b6e6863
KINDS = {1: "threads", 2: "held", 3: "locks", 4: "cells", 5: "edges", 6: "frames", 7: "modules"}


def records(path):
    """Records in the session by kind, and the kB of the chunks they are in."""
    found = dict.fromkeys(KINDS.values(), 0)
    found["used_kb"] = 0
    for name in os.listdir(path):
        if not name.startswith("image."):
            continue
        with open(os.path.join(path, name), "rb") as f:
            at = 4096
            while True:
                f.seek(at)
                magic, kind, offset, size, _, used, _ = CHUNK.unpack(f.read(CHUNK.size))
                if magic != CHUNK_MAGIC or offset != at:
                    break
                found[KINDS.get(kind, "others")] = found.get(KINDS.get(kind, "others"), 0) + used
                found["used_kb"] += size // 1024
                at += size
    return found


def thirds(values):
    n = max(1, len(values) // 3)
    return statistics.median(values[:n]), statistics.median(values[-n:])


def main():
    if not shutil.which("memcached") or not os.path.exists(MEMLOAD):
        print("skipped: memcached is not installed")
        return 77
    work = tempfile.mkdtemp(prefix="mutrace-soak.")
    session = os.path.join(work, "session")
    port = str(20000 + os.getpid() % 20000)
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    tracer = subprocess.Popen([MUTRACE, "-o", session, "--json=" + os.path.join(work, "final"), "memcached",
            "-l",
                               "127.0.0.1", "-p", port, "-U", "0", "-t", "4", "-m", "64"] + user,
                              stderr=subprocess.DEVNULL)
    try:
        return soak(tracer, work, session, port)
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGTERM)
            tracer.wait()
        shutil.rmtree(work, ignore_errors=True)


def load(port, seconds):
    p = subprocess.run([MEMLOAD, "-p", port, "-s", str(seconds)], stdout=subprocess.PIPE, check=True)
    return json.loads(p.stdout)


def take(session, path):
    subprocess.run([MUTRACE, "report", "--all", "--json=" + path, session], check=True,
            stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    with open(path) as f:
        return digest(json.load(f))


def compare(before, now, number):
    for key, value in before.items():
        # Ticks become nanoseconds by a rate that is known the better the longer the process runs.
        least = value * (1 - 1e-5) - 1 if "_ns" in key[2] else value
        if now.get(key, -1) < least:
            sys.exit("report %d: %s of %s in process %d fell from %d to %s" %
                     (number, key[2], key[1] or "the process", key[0], value, now.get(key, "nothing")))


def soak(tracer, work, session, port):
    time.sleep(2)
    children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(tracer.pid)], stdout=subprocess.PIPE,
            text=True)
    server = int([line.split()[0] for line in children.stdout.splitlines() if "memcached" in line][0])
    load(port, WARM)  # memcached's own threads have walked through all locks too
    before, reports, slices, next_report = {}, 0, [], 0
    end = time.monotonic() + MINUTES * 60
    last = None
    while time.monotonic() < end:
        cpu = cpu_seconds(server)
        runner = subprocess.Popen([MEMLOAD, "-p", port, "-s", str(SLICE)], stdout=subprocess.PIPE)
        while runner.poll() is None:
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + EVERY
                now = take(session, os.path.join(work, "report"))
                compare(before, now, reports)
                before = now
                reports += 1
            time.sleep(0.2)
        result = json.loads(runner.stdout.read())
        if runner.returncode != 0:
            sys.exit("the load failed")
        slices.append({"per_second": result["per_second"],
                       "cpu_us": (cpu_seconds(server) - cpu) / result["requests"] * 1e6,
                       "server_kb": status(server, "VmRSS") - session_kb(session),
                       "tracer_kb": status(tracer.pid, "VmRSS"), **records(session)})
        last = slices[-1]
    tracer.send_signal(signal.SIGTERM)
    if tracer.wait() != 0:
        sys.exit("memcached's exit status is %d" % tracer.returncode)
    with open(os.path.join(work, "final")) as f:
        compare(before, digest(json.load(f)), reports)
    summary = {name: thirds([s[name] for s in slices]) for name in last}
    summary["reports"], summary["slices"] = reports, len(slices)
    summary["acquired"] = sum(v for k, v in before.items() if k[2].endswith("acquired"))
    print("%d reports, none with a count that fell; %d acquisitions. First third and last third:" %
          (reports, summary["acquired"]))
    for name in last:
        print("  %-12s %12.1f %12.1f" % ((name,) + summary[name]))
    if os.environ.get("SOAK_OUT"):
        with open(os.environ["SOAK_OUT"], "w") as f:
            json.dump(summary, f)
    wrong = []
    # Either of the two: other programs take processor time from the one, the machine's clock speed from the
    # other.
    if summary["per_second"][1] < 0.95 * summary["per_second"][0] and \
       summary["cpu_us"][1] > 1.05 * summary["cpu_us"][0]:
        wrong.append("throughput fell")
    for name in ("server_kb", "tracer_kb", "used_kb"):
        if summary[name][1] > 1.02 * summary[name][0] + 512:
            wrong.append(name + " grew")
    if reports < MINUTES * 60 / EVERY / 2:
        wrong.append("only %d reports" % reports)
    for what in wrong:
        print("FAILED: " + what)
    return 1 if wrong else 0


sys.exit(main())
