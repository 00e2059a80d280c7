#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What events cost: mutrace as it is, against --events=0.

    events.py [--rounds N] [--seconds S] NAME...

NAME: "pairs", processor time of a lock and unlock by lockbench: one waits each time, and threads with short
holds; or part of a server's name in apps.py, as "memcached" or "read_write", of which three run at the same
time: "events", "none", and "again" (none, too: the machine's own noise). In each round each gets a slice of
load, in a new order. Medians with intervals that hold 95 %.
"""
import argparse
import random
import shutil
import statistics
import sys

import apps
import attached
import benchlib

PAIRS = (("one waits each time", ["-1", "-n", 30000, "contend"]),
         ("2 threads, short holds", ["-t", 2, "-h", 300, "-g", 300, "-n", 300000, "hold"]),
         ("4 threads, short holds", ["-t", 4, "-h", 300, "-g", 300, "-n", 150000, "hold"]))
SERVERS = {"events": "exact", "none": "no-events", "again": "no-events"}


def pairs(options):
    for name, arguments in PAIRS:
        more, waits = [], []
        for i in range(options.rounds):
            order = ["exact", "no-events"]
            if i % 2:
                order.reverse()
            r = {v: benchlib.lockbench(arguments, v) for v in order}
            waits.append(r["exact"]["contended"] / r["exact"]["pairs"])
            more.append(r["exact"]["cpu_ns_pair"] - r["no-events"]["cpu_ns_pair"])
        print("%s: events add %.0f ns a pair (%.0f to %.0f), %.0f %% of which waited"
              % (name, *attached.interval(more), 100 * statistics.median(waits)), flush=True)


def server(kind, options):
    running = {name: kind(variant) for name, variant in SERVERS.items()}
    rounds = []
    try:
        for s in running.values():
            s.start()
        for s in running.values():
            s.slice(attached.WARM_S)
        for _ in range(options.rounds):
            order = random.sample(list(running), len(running))
            rounds.append({name: running[name].slice(options.seconds) for name in order})
        each = running["events"].stop()
    finally:
        for s in running.values():
            s.close()
    print("%s: %.0f requests a second without events; %.2f acquisitions a request, %.4f of them waited"
          % (kind.name, statistics.median(r["none"]["per_second"] for r in rounds), *each))
    for above in "events", "again":
        figures = []
        for key in "per_second", "cpu_us":
            figures += attached.interval([r[above][key] / r["none"][key] for r in rounds])
        print("  %-6s / none throughput %.3f (%.3f to %.3f), processor time per request %.3f (%.3f to %.3f)"
              % (above, *figures), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("names", nargs="+")
    options = p.parse_args()
    benchlib.need_tools()
    for line in benchlib.describe_machine():
        print("- " + line)
    for name in options.names:
        if name == "pairs":
            pairs(options)
            continue
        kind = next(k for k in apps.SERVERS if name in k.name)
        missing = [n for n in kind.needs if not shutil.which(n)]
        if missing:
            sys.exit("%s: not installed" % ", ".join(missing))
        try:
            server(kind, options)
        except benchlib.BenchError as e:
            sys.exit("events: %s" % e)


if __name__ == "__main__":
    main()
