#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What being attached to costs real servers, against being started under mutrace.

    attached.py [--rounds N] [--seconds S] [--wait S] [--results FILE] NAME
    attached.py --results FILE        says what was measured so far

NAME: part of a server's name in apps.py, as "memcached" or "read_write". Five servers of a kind run at the
same time: "plain", "again" (plain, too: the machine's own noise), "preload" (started under mutrace),
"attached", and "detached" (recorded for a while, then let go). Each has run under load before, in that state,
so that what is compared is as warm. In each round each gets a slice of load, in a new order. Results are
added to FILE, so that a long measurement can be made in parts, each with new servers.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

import apps
import benchlib

STATES = ("plain", "again", "preload", "attached", "detached")
PAIRS = (("again", "plain"), ("preload", "plain"), ("attached", "plain"), ("attached", "preload"),
         ("detached", "plain"))
WARM_S = 2


def attach(server):
    """The command, once it records."""
    command = subprocess.Popen([benchlib.MUTRACE, "attach", "--json", server.report, str(server.process.pid)],
                               stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    maps = "/proc/%d/maps" % server.process.pid
    while "/image." not in open(maps).read():
        if time.monotonic() > end or command.poll() is not None:
            raise benchlib.BenchError("attach: " + (command.stderr.read() if command.poll() is not None
                                                    else "it does not record"))
        time.sleep(0.01)
    return command


def detach(server, command):
    """Returns the acquisitions that the report has."""
    command.send_signal(signal.SIGINT)
    said = command.communicate(timeout=120)[1]
    if command.returncode:
        raise benchlib.BenchError("attach: " + said)
    with open(server.report) as f:
        t = benchlib.totals(json.load(f))
    if t["lost"] or not t["acquired"]:
        raise benchlib.BenchError("%d events lost, %d acquisitions" % (t["lost"], t["acquired"]))
    return t["acquired"]


def measure(kind, options):
    """A list of rounds, each {state: {"per_second":, "cpu_us":}}; and acquisitions per request."""
    servers = {s: kind("exact" if s == "preload" else "plain") for s in STATES}
    rounds, command = [], None
    try:
        for server in servers.values():
            server.start()
            server.slice(0.5)
        command = servers["preload"].process.pid
        with open("/proc/%d/task/%d/children" % (command, command)) as f:  # without the command's own time
            servers["preload"].counted = next(int(c) for c in f.read().split()
                                              if os.path.exists("/proc/%s/exe" % c) and "mutrace" not in
                                              os.readlink("/proc/%s/exe" % c))
        command = None
        other = attach(servers["detached"])
        servers["detached"].slice(WARM_S)
        detach(servers["detached"], other)
        command = attach(servers["attached"])
        servers["attached"].requests = 0
        for state in STATES:
            servers[state].slice(WARM_S)
        time.sleep(options.wait)
        for _ in range(options.rounds):
            order = list(STATES)
            random.shuffle(order)
            rounds.append({s: servers[s].slice(options.seconds) for s in order})
        requests = servers["attached"].requests
        each = {"attached": detach(servers["attached"], command) / requests}
        command = None
        each["preload"] = servers["preload"].stop()[0]
        return rounds, each
    except benchlib.BenchError:
        for server in servers.values():
            sys.stderr.write(server.log())
        raise
    finally:
        if command:
            command.kill()
        for server in servers.values():
            server.close()


def interval(values):
    """The median, and where it lies with a probability of 95 %, by drawing anew."""
    chance = random.Random(1)
    drawn = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(4000))
    return statistics.median(values), drawn[100], drawn[-101]


def tell(name, parts):
    rounds = [r for part in parts for r in part["rounds"]]
    print("%s: %d rounds in %d parts; plain %.0f/s; acquisitions per request: attached %.2f, preload %.2f"
          % (name, len(rounds), len(parts), statistics.median(r["plain"]["per_second"] for r in rounds),
             *(statistics.mean(p["each"][s] for p in parts) for s in ("attached", "preload"))))
    for above, below in PAIRS:
        figures = []
        for key in "per_second", "cpu_us":
            figures += interval([r[above][key] / r[below][key] for r in rounds])
        print("  %-8s / %-8s throughput %.3f (%.3f to %.3f), processor time per request %.3f (%.3f to %.3f)"
              % (above, below, *figures))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--wait", type=float, default=0)
    p.add_argument("--results")
    p.add_argument("name", nargs="?")
    options = p.parse_args()
    benchlib.need_tools()
    results = {}
    if options.results and os.path.exists(options.results):
        with open(options.results) as f:
            results = json.load(f)
    if options.name:
        kind = next(k for k in apps.SERVERS if options.name in k.name)
        missing = [n for n in kind.needs if not shutil.which(n)]
        if missing:
            sys.exit("%s: not installed" % ", ".join(missing))
        try:
            rounds, each = measure(kind, options)
        except benchlib.BenchError as e:
            sys.exit("attached: %s" % e)
        results.setdefault(kind.name, []).append({"rounds": rounds, "each": each})
        if options.results:
            with open(options.results, "w") as f:
                json.dump(results, f)
    for line in benchlib.describe_machine():
        print("- " + line)
    for name, parts in results.items():
        tell(name, parts)


if __name__ == "__main__":
    main()
