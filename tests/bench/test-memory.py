#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recording costs in memory: a lock, a call site, ten million short-lived locks, a million live ones."""
import os
import re
import sys
import tempfile

import benchlib

MB = 1 << 20
failures = []


def check(what, value, low, high):
    fine = low <= value <= high
    print("%s %s: %.1f, to be %.1f to %.1f" % ("  " if fine else "! ", what, value, low, high))
    if not fine:
        failures.append(what)


def session(arguments, frames=16):
    """Run a load into a session that is kept; return the result, the session's bytes and the report."""
    with tempfile.TemporaryDirectory(prefix="mutrace-memory.") as directory:
        kept = os.path.join(directory, "session")
        # events have a budget of their own
        result = benchlib.lockbench(arguments, "exact", ["--frames=%d" % frames, "--events=0"], keep=kept)
        benchlib.check_counts(result, "exact")
        return result, benchlib.disk_usage(kept)


def documented():
    """What the manual says: bytes of session for a lock, and of tables."""
    with open(os.path.join(benchlib.SOURCE, "man", "mutrace.1")) as f:
        text = " ".join(f.read().split())
    m = re.search(r"(\d+) bytes for a lock and (\d+) for each call site.* up to (\d+) bytes for a lock", text)
    if not m:
        sys.exit("man/mutrace.1 does not say what a lock and a call site take")
    return int(m.group(1)), int(m.group(3))


def live_locks():
    """Locks that stay: slope of session and of resident memory over their number."""
    counts = (100000, 300000)
    sizes, resident, plain = [], [], []
    for n in counts:
        load = ["-l", n, "-n", n, "many"]
        result, size = session(load)
        sizes.append(size)
        resident.append(result["maxrss_kb"] * 1024)
        plain.append(benchlib.lockbench(load)["maxrss_kb"] * 1024)
    more = counts[1] - counts[0]
    in_session = (sizes[1] - sizes[0]) / more
    in_memory = (resident[1] - resident[0] - (plain[1] - plain[0])) / more
    return in_session, in_memory


def main():
    benchlib.need_tools()
    in_session, in_memory = live_locks()
    lock, tables = documented()
    check("bytes of session for another live lock of one place", in_session, lock * 0.98, lock * 1.1)
    check("bytes of memory the same, with the tables to find it by", in_memory, lock * 0.9,
          lock + tables * 1.1)

    result, size = session(["-n", 10000000, "churn"])
    check("MB of session for 10^7 short-lived mutexes", size / MB, 0.01, 64)
    check("their acquisitions", result["report"]["acquired"], 10**7, 10**7)
    check("their instances", result["report"]["instances"], 10**7, 10**7 + 10)

    # Waits for locks that were made in one place are told apart up to a number.
    sizes = {}
    for n in (3000, 9000):
        result, sizes[n] = session(["-l", n, "-n", n, "contend"])
        check("waits for %d mutexes of one place" % n, result["report"]["contended"], n, n)
        check("of which the report lists", result["report"]["waits"], n, n)
    check("bytes of session for another lock that is waited for once", (sizes[9000] - sizes[3000]) / 6000,
          lock * 0.95, lock * 1.5)

    load = ["-l", 1000000, "-n", 1000000, "many"]
    result, size = session(load)
    plain = benchlib.lockbench(load)
    check("MB of session for 10^6 live mutexes", size / MB, 1, 128)
    # 128 for the locks, with the session; the rest for the recorder itself
    check("MB of memory for them", (result["maxrss_kb"] - plain["maxrss_kb"]) / 1024, 1, 128 + 4)
    check("their acquisitions", result["report"]["acquired"], 2 * 10**6, 2 * 10**6)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
