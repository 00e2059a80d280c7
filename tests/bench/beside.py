#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kept results side by side: one table of all RESULTS-*.md, our loads and other tools.

    beside.py [FILE...]

A result has a line for each load and figure, a column for each file. "make bench" prints it at its end.
"""
import glob
import os
import re
import sys

import benchlib

# columns of the files that are worth a line
FIGURES = re.compile(r"^(exact ns|exact/floor|exact/limit|exact/plain|sampled/plain|contended-only/plain|"
                     r"own/plain|contended/plain|malloc/plain)")


def read(path):
    """{(load, figure): text} and the lines that say where the figures are from."""
    figures, about, header = {}, [], None
    with open(path) as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if line.startswith("- "):
                about.append(line[2:].strip())
            if not line.startswith("|"):
                header = None
            elif header is None:
                header = cells
            elif header[0] in ("load", "tool") and not cells[0].startswith("---"):
                for name, value in zip(header[1:], cells[1:]):
                    found = FIGURES.match(name)
                    if found and value not in ("-", ""):
                        figures[cells[0], found.group(1)] = value.split(" ")[0]
    return figures, about


def main():
    paths = sys.argv[1:] or sorted(glob.glob(os.path.join(benchlib.HERE, "RESULTS-*.md")))
    names = [os.path.basename(p)[len("RESULTS-"):-len(".md")] for p in paths]
    kept = [read(p) for p in paths]
    lines = list(dict.fromkeys(key for figures, _ in kept for key in figures))
    width = max(len("%s: %s" % key) for key in lines)
    print("# Kept results side by side\n")
    for name, (_, about) in zip(names, kept):
        print("%s: %s" % (name, "; ".join(a for a in about if re.match("version|processor|date|load", a))))
    print("\n%-*s %s" % (width, "", " ".join("%12s" % n for n in names)))
    for key in lines:
        values = " ".join("%12s" % figures.get(key, "-") for figures, _ in kept)
        print("%-*s %s" % (width, "%s: %s" % key, values))


if __name__ == "__main__":
    main()
