#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests executed, from the counters of a build with --coverage: coverage.py SOURCE BUILD

Prints line coverage by folder, the lines of the loader and the wrappers that no test executed, and fails if
there is one of them that ALLOWED does not justify. Used by "make coverage".
"""
import collections
import json
import os
import subprocess
import sys

ALLOWED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "coverage-allowed")
WATCHED = ("src/load/", "wrappers/")


def counters(source, build):
    """file -> line -> [times executed, function]"""
    lines = collections.defaultdict(dict)
    notes = [os.path.join(folder, n) for folder, _, names in os.walk(build) for n in names
             if n.endswith(".gcno") and "/tests" not in folder[len(build):]]
    for note in notes:
        out = subprocess.run(["gcov", "--json-format", "--stdout", note], cwd=build, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True).stdout
        for text in out.splitlines():
            for f in json.loads(text)["files"]:
                name = os.path.relpath(os.path.realpath(os.path.join(build, f["file"])),
                        os.path.realpath(source))
                if name.startswith("..") or name.startswith(os.path.relpath(build, source)):
                    continue
                for line in f["lines"]:
                    entry = lines[name].setdefault(line["line_number"], [0, line.get("function_name", "")])
                    entry[0] += line["count"]
    return lines


def main():
    source, build = sys.argv[1:3]
    lines = counters(source, build)
    folders = collections.defaultdict(lambda: [0, 0])
    for name, found in lines.items():
        if name.startswith("tests/") or name.endswith(".def"): # tables, once for each use
            continue
        for folder in (os.path.dirname(name), "all"):
            folders[folder][0] += sum(1 for count, _ in found.values() if count)
            folders[folder][1] += len(found)
    for folder in sorted(folders):
        done, total = folders[folder]
        print("%-16s %6d of %6d lines  %5.1f %%" % (folder, done, total, 100.0 * done / total))
    allowed = collections.Counter()
    with open(ALLOWED) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                allowed[line.split("#")[0].strip()] += 1
    wrong = 0
    for name in sorted(n for n in lines if n.startswith(WATCHED)):
        text = open(os.path.join(source, name)).read().splitlines()
        for number, (count, function) in sorted(lines[name].items()):
            what = "%s: %s" % (name, text[number - 1].strip())
            if count == 0 and what not in allowed and "%s: %s()" % (name, function) not in allowed:
                print("%s:%d: in %s not executed: %s" % (name, number, function, text[number - 1].strip()))
                wrong += 1
    print("%d lines of %s not executed and not justified" % (wrong, " and ".join(WATCHED)))
    return 1 if wrong else 0


sys.exit(main())
