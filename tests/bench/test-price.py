#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price of profiling stays in its order of magnitude, and the report's own estimate of it is honest.

Medians of ratios over interleaved rounds, in processor time. The bounds are wider than the targets (bench.py
has those): this runs on any machine, while it does other things.
"""
import random
import statistics
import sys

import benchlib

ROUNDS = 7
# Beyond the floor, whose readings of the clock take as long everywhere, a pair executes some 200 instructions
# on x86-64 and some 320 on i386: what has 64 bits takes two registers there, and there are half as many.
OVER_FLOOR = 1.6 if sys.maxsize > 2**32 else 2.0
failures = []


def check(what, value, low, high):
    fine = low <= value <= high
    print("%s %s: %.2f, to be %.2f to %.2f" % ("  " if fine else "! ", what, value, low, high))
    if not fine:
        failures.append(what)


def measure(arguments, variants, key="cpu_ns_pair"):
    def one(variant):
        result = benchlib.lockbench(arguments, variant)
        if "report" in result:
            benchlib.check_counts(result, variant)
        return result
    return benchlib.interleave(variants, ROUNDS, one)


def estimate(results):
    """Median of the report's estimate over the processor time that was really added."""
    return statistics.median(e["report"]["overhead_ns"] / max(e["cpu_ns"] - p["cpu_ns"], 1)
                             for e, p in zip(results["exact"], results["plain"]))


def main():
    benchlib.need_tools()
    random.seed(1)
    own = measure(["-n", 2000000, "own"], ["plain", "floor", "exact", "sampled", "contended-only"])
    check("own mutex, exact / floor", benchlib.ratio(own, "exact", "floor", "cpu_ns_pair"), 0.7, OVER_FLOOR)
    check("own mutex, sampled / exact", benchlib.ratio(own, "sampled", "exact", "cpu_ns_pair"), 0.1, 0.9)
    check("own mutex, contended-only / sampled",
          benchlib.ratio(own, "contended-only", "sampled", "cpu_ns_pair"), 0.1, 1.1)
    check("own mutex, estimate / added time", estimate(own), 1 / 1.5, 1.5)

    for name, arguments in (("rwlock", ["-n", 2000000, "rdown"]), ("nested", ["-n", 500000, "nested"])):
        results = measure(arguments, ["plain", "exact"])
        check(name + ", estimate / added time", estimate(results), 1 / 1.8, 1.8)

    # A thread's cache has room for them all. Where a third had none, this was 3.4.
    walk = measure(["-l", 5000, "-n", 1000000, "many"], ["limit", "exact"])
    check("5000 locks at random, exact / limit", benchlib.ratio(walk, "exact", "limit", "cpu_ns_pair"),
          0.3, 2.0)

    few = measure(["-a", 1, "-n", 2000000, "own"], ["plain", "exact"])
    many = measure(["-a", 300000, "-n", 2000000, "own"], ["plain", "exact"])
    growth = [benchlib.ratio(r, "exact", "plain", "cpu_ns_pair") for r in (few, many)]
    check("300 000 other locks alive against one", growth[1] / growth[0], 0.6, 1.5)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
