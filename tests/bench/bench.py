#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price of profiling a lock operation: lockbench's loads plain, under the floor and under mutrace.

    bench.py [--rounds N] [--scale F] [--only NAME,...] [--json FILE] [--markdown FILE]

Every figure is a median of ratios within rounds (see benchlib.py). "make bench" runs it; the tables of both
makers' processors that are under version control, RESULTS-intel.md and RESULTS-amd.md, were written by it
with --markdown.
"""
import argparse
import json
import random
import statistics
import sys

import benchlib

SAMPLE = 32  # as the goals have it; the tests use another
benchlib.MUTRACE_OPTIONS["sampled"] = ["--sample-hold=%d" % SAMPLE]

ALL = ("plain", "floor", "exact", "sampled", "contended-only")
LIMIT = ALL + ("limit",)
NO_FLOOR = ("plain", "exact", "sampled", "contended-only")  # calls that the floor does not intercept

# name, arguments of lockbench (-n is scaled), variants, the clock that counts.
# The wall clock counts if threads wait for each other; else processor time, which neighbours disturb less.
ROWS = [
    ("own", ["-t", 1, "-n", 4000000, "own"], LIMIT, "cpu"),
    ("own, 2 threads", ["-t", 2, "-n", 4000000, "own"], ALL, "cpu"),
    ("own, 8 threads", ["-t", 8, "-n", 500000, "own"], ALL, "cpu"),
    ("own, 64 threads", ["-t", 64, "-n", 60000, "own"], ALL, "cpu"),
    ("own, 1 other lock alive", ["-a", 1, "-n", 4000000, "own"], ALL, "cpu"),
    ("own, 10^6 others alive", ["-a", 1000000, "-n", 4000000, "own"], ALL, "cpu"),
    ("shared, 1 thread", ["-t", 1, "-n", 4000000, "shared"], ALL, "cpu"),
    ("shared, 2 threads", ["-t", 2, "-n", 2000000, "shared"], ALL, "wall"),
    ("100 locks at random", ["-l", 100, "-n", 4000000, "many"], LIMIT, "cpu"),
    ("10^5 locks at random", ["-l", 100000, "-n", 4000000, "many"], LIMIT, "cpu"),
    ("rwlock read, own", ["-n", 4000000, "rdown"], ALL, "cpu"),
    ("rwlock read, 2 threads", ["-t", 2, "-n", 1000000, "rd"], ALL, "wall"),
    ("rwlock write, own", ["-n", 4000000, "wr"], ALL, "cpu"),
    ("trylock", ["-n", 4000000, "trylock"], ALL, "cpu"),
    ("trylock, failing", ["-n", 8000000, "trybusy"], NO_FLOOR, "cpu"),
    ("recursive, 3 deep", ["-n", 2000000, "recursive"], ALL, "cpu"),
    ("nested, 4 deep", ["-n", 1000000, "nested"], ALL, "cpu"),
    ("hand over hand", ["-n", 4000000, "chain"], LIMIT, "cpu"),
    ("64 call sites", ["-n", 60000, "sites"], ALL, "cpu"),
    ("spinlock", ["-n", 4000000, "spin"], ALL, "cpu"),
    ("semaphore", ["-n", 4000000, "sem"], ALL, "cpu"),
    ("signal, nobody waits", ["-n", 8000000, "signal"], NO_FLOOR, "cpu"),
    ("churn (malloc to free)", ["-n", 1000000, "churn"], NO_FLOOR + ("limit",), "cpu"),
    ("churn, 2 threads", ["-t", 2, "-n", 1000000, "churn"], NO_FLOOR, "cpu"),
    ("new mutex, 10^5 alive, main thread", ["-m", "-l", 100000, "-n", 1000000, "ring"], NO_FLOOR, "cpu"),
    ("new mutex, 10^5 alive, other thread", ["-l", 100000, "-n", 1000000, "ring"], NO_FLOOR, "cpu"),
    ("10^5 made, used, destroyed", ["-l", 100000, "fresh"], NO_FLOOR, "cpu"),
    ("10^5 without init call", ["-l", 100000, "static"], NO_FLOOR, "cpu"),
    ("contended, stack 16 deep", ["-1", "-d", 16, "-n", 100000, "contend"], ALL, "cpu"),
    ("contended, stack 64 deep", ["-1", "-d", 64, "-n", 100000, "contend"], ALL, "cpu"),
    ("contended, 2 threads", ["-t", 2, "-h", 300, "-g", 300, "-n", 500000, "hold"], ALL, "wall"),
    ("contended, 4 threads", ["-t", 4, "-h", 300, "-g", 300, "-n", 250000, "hold"], ALL, "wall"),
    ("contended, 16 threads", ["-t", 16, "-h", 300, "-g", 300, "-n", 60000, "hold"], ALL, "wall"),
    ("long holds, 4 threads", ["-t", 4, "-h", 20000, "-g", 20000, "-n", 8000, "hold"], ALL, "wall"),
    ("rwlock, 1 writer 3 readers", ["-t", 4, "-h", 300, "-g", 300, "-n", 250000, "rwhold"], ALL, "wall"),
    ("condition ping-pong", ["-1", "-n", 100000, "condpong"], ALL, "cpu"),
    ("semaphore ping-pong", ["-1", "-n", 200000, "sempong"], ALL, "cpu"),
    ("barrier, 2 threads", ["-1", "-t", 2, "-n", 100000, "barrier"], NO_FLOOR, "cpu"),
]
KEPT = ("wall_ns_pair", "cpu_ns_pair", "contended", "maxrss_kb", "pairs")
DEEP = {"contended, stack 64 deep": ["--frames=64"]}


class Row:
    def __init__(self, name, clock, results):
        self.name, self.clock, self.results = name, clock, results
        self.key = clock + "_ns_pair"

    def ns(self, variant):
        return benchlib.median(self.results, variant, self.key) if variant in self.results else None

    def ratio(self, above, below):
        if above in self.results and below in self.results:
            return benchlib.ratio(self.results, above, below, self.key)
        return None

    def against(self, other, above, below):
        mine, others = self.ratio(above, below), other.ratio(above, below)
        return mine / others if mine and others else None

    def us(self, variant):
        return self.ns(variant) / 1000 if variant in self.results else None

    def added_us(self, variant):
        """Median of the processor time that a variant adds to a contended acquisition."""
        if variant not in self.results:
            return None
        pairs = zip(self.results[variant], self.results["plain"])
        return statistics.median((v["cpu_ns"] - p["cpu_ns"]) / p["contended"] / 1000 for v, p in pairs)

    def estimate(self):
        """The report's own estimate of its cost over what it did cost."""
        pairs = zip(self.results["exact"], self.results["plain"])
        return statistics.median(e["report"]["overhead_ns"] / max(e["cpu_ns"] - p["cpu_ns"], 1)
                                 for e, p in pairs)

    def record(self):
        return {"name": self.name, "clock": self.clock,
                "runs": {v: [{k: r[k] for k in KEPT} for r in rs] for v, rs in self.results.items()}}


def measure_rows(options):
    rows = {}
    wanted = options.only.split(",") if options.only else None
    for name, arguments, variants, clock in ROWS:
        if wanted and not any(w in name for w in wanted):
            continue
        if options.variants:
            variants = [v for v in variants if v in options.variants.split(",")]
        n = arguments.index("-n") + 1 if "-n" in arguments else None
        if n:
            arguments = list(arguments)
            arguments[n] = max(1, int(arguments[n] * options.scale))

        def measure(variant):
            result = benchlib.lockbench(arguments, variant, DEEP.get(name, []))
            if "report" in result:
                benchlib.check_counts(result, variant)
            return result

        sys.stderr.write("%-40s" % name)
        rows[name] = Row(name, clock, benchlib.interleave(variants, options.rounds, measure,
                                                          lambda i: sys.stderr.write(".")))
        r = rows[name]
        sys.stderr.write(" " + "  ".join("%s %.1f" % (v, r.ns(v)) for v in variants) + "\n")
    return rows


# rows, figure, goal: the project's own goals, for both makers' processors
GOALS = [
    (("own", "own, 2 threads", "own, 8 threads", "own, 64 threads"), "exact / floor", 1.10),
    (("own", "own, 2 threads"), "sampled / plain", 1.30),
    (("own", "own, 2 threads"), "contended-only / plain", 1.10),
    (("100 locks at random", "nested, 4 deep", "64 call sites", "hand over hand"), "exact / floor", 1.20),
    (("10^5 locks at random",), "exact / limit", 0.80),
    (("rwlock read, own", "rwlock write, own", "spinlock", "trylock", "recursive, 3 deep"), "exact / floor",
     1.20),
    (("semaphore",), "exact / floor", 1.25),
    (("shared, 2 threads", "rwlock read, 2 threads"), "exact / floor", 1.20),
    (("churn (malloc to free)", "churn, 2 threads"), "exact / plain", 3.0),
]
MADE = [("new mutex, 10^5 alive, main thread", 0.20), ("new mutex, 10^5 alive, other thread", 0.20),
        ("10^5 made, used, destroyed", 0.35), ("10^5 without init call", 0.5)]


def targets(rows):
    """(what, measured, limit) for all that was measured; the limits are the project's own."""
    out = []

    def target(what, row, value, limit):
        if row in rows:
            v = value(rows[row])
            if v is not None:
                out.append((what, v, limit))

    for names, figure, limit in GOALS:
        for name in names:
            target("%s: %s" % (name, figure), name, lambda r: r.ratio(*figure.split(" / ")), limit)
    for name, limit in MADE:
        target(name + ": exact, us each", name, lambda r: r.us("exact"), limit)
    target("contended, stack 16 deep: exact adds, us of processor time", "contended, stack 16 deep",
           lambda r: r.added_us("exact"), 0.3)
    for name in ("own, 2 threads", "own, 8 threads", "own, 64 threads"):
        if "own" in rows:
            target(name + ": exact / floor against 1 thread", name,
                   lambda r: r.against(rows["own"], "exact", "floor"), 1.15)
    if "own, 1 other lock alive" in rows:
        target("10^6 other locks alive: exact / floor against 1 other", "own, 10^6 others alive",
               lambda r: r.against(rows["own, 1 other lock alive"], "exact", "floor"), 1.15)
    for name in ("own", "own, 2 threads", "shared, 1 thread", "100 locks at random", "rwlock read, own",
                 "rwlock write, own", "nested, 4 deep"):
        if name in rows and "exact" in rows[name].results:
            e = rows[name].estimate()
            off = max(e, 1 / e) if e > 0 else 99
            out.append((name + ": report's own estimate, off by a factor of", off, 1.3))
    return out


def cell(value, form="%.2f"):
    return form % value if value is not None else "-"


def markdown(rows, options):
    lines = ["# What profiling costs", "",
             "Written by `bench.py`; do not edit. Ratios are medians over %d interleaved rounds."
             % options.rounds,
             "\"floor\" is floor.c: one indirect call and two readings of the time stamp counter a pair, no",
             "attribution. \"limit\" (limit.so, also there) adds one cache line for each lock and "
             "sees no init and destroy:",
             "with less no profiler can say which lock. \"sampled\" is --sample-hold=%d. "
             "ns are those of a lock/unlock" % SAMPLE,
             "pair: processor time, or wall time of the slowest thread where the row says so.", ""]
    lines += ["- " + l for l in benchlib.describe_machine()] + [""]
    lines += ["| load | clock | plain ns | floor ns | limit ns | exact ns | exact/floor (quartiles) | "
              "exact/plain |"
              " sampled/plain | contended-only/plain | exact/limit |",
              "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for r in rows.values():
        quartiles = ""
        if r.ratio("exact", "floor"):
            quartiles = " (%.2f-%.2f)" % benchlib.spread(r.results, "exact", "floor", r.key)
        lines.append("| %s | %s | %s | %s | %s | %s | %s%s | %s | %s | %s | %s |" % (
            r.name, r.clock, *(cell(r.ns(v), "%.1f") for v in ("plain", "floor", "limit", "exact")),
            cell(r.ratio("exact", "floor")), quartiles, cell(r.ratio("exact", "plain")),
            cell(r.ratio("sampled", "plain")), cell(r.ratio("contended-only", "plain")),
            cell(r.ratio("exact", "limit"))))
    lines += ["", "| target | measured | limit | |", "|---|--:|--:|---|"]
    for what, value, limit in targets(rows):
        lines.append("| %s | %.2f | %.2f | %s |" % (what, value, limit, "" if value <= limit else "**over**"))
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--scale", type=float, default=1.0, help="multiply all iterations")
    p.add_argument("--only", help="rows whose name contains one of these, comma-separated")
    p.add_argument("--variants", help="only these variants, comma-separated")
    p.add_argument("--json", help="write every run to this file")
    p.add_argument("--markdown", help="write the tables to this file")
    options = p.parse_args()
    random.seed(1)
    benchlib.need_tools()
    try:
        rows = measure_rows(options)
    except benchlib.BenchError as e:
        sys.exit("bench: %s" % e)
    text = markdown(rows, options)
    print(text, end="")
    if options.markdown:
        with open(options.markdown, "w") as f:
            f.write(text)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"machine": benchlib.describe_machine(), "rounds": options.rounds,
                       "sample_hold": SAMPLE, "rows": [r.record() for r in rows.values()],
                       "targets": [{"what": w, "measured": v, "limit": l} for w, v, l in targets(rows)]},
                      f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
