#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a malloc/free pair costs a thread that is not realtime, plain and under matrace, in interleaved runs:
medians, and their ratio. "make bench-alloc"; RUNS=n in the environment for more runs than 9."""

import os
import statistics
import subprocess

BUILD = os.environ["top_builddir"]
BENCH = os.path.join(BUILD, "allocbench")
MATRACE = os.path.join(BUILD, "matrace")
WAYS = {
    "plain": [BENCH],
    "matrace": [MATRACE, BENCH],
    "matrace --also=all": [MATRACE, "--also=all", BENCH],
}


def main():
    figures = {way: [] for way in WAYS}
    for _ in range(int(os.environ.get("RUNS", "9"))):
        for way, command in WAYS.items():
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
            figures[way].append(float(done.stdout))
    plain = statistics.median(figures["plain"])
    for way, values in figures.items():
        median = statistics.median(values)
        print("%-20s %6.2f ns a pair (least %.2f)  %.2f x plain" % (way, median, min(values), median / plain))


main()
