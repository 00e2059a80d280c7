#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the recorder stand in one order (doc/recorder.md): each calls only files below itself, so that
no two of them call each other, directly or in a circle. And none calls a function of the C library that we
wrap: the call would come back to us, be recorded, and might wait for a lock that its caller holds.

Read from the objects, as the linker sees them. Data counts like a call.
"""
import glob
import os
import re
import subprocess
import sys

top = os.path.abspath(os.environ.get("top_srcdir") or os.path.join(os.path.dirname(__file__), "../.."))
build = os.path.abspath(os.environ.get("top_builddir", "."))
HEADING = "## The files, bottom to top"
# Not libmatrace-all.so: its wrappers look whether a call came from us.
LIBRARIES = ("libmutrace", "libmatrace")
# Calls that the wrapper lets through: it runs at the start or at the end, or knows our calls.
LET_THROUGH = {
    "record/byhand.c": "posix_spawnp",
    "record/modules.c": "dl_iterate_phdr",
    "record/outside.c": "prctl",
    "record/procinfo.c": "prctl",
    "record/running.c": "dlsym",
    "unwind/capture.c": "dlclose dlopen dlsym",
    "unwind/probe.c": "dlsym",
}


def order():
    """The files of doc/recorder.md's list, the lowest first."""
    with open(os.path.join(top, "doc/recorder.md")) as f:
        text = f.read().partition(HEADING + "\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (?:src/)?([\w/.]+\.c) \|", text, re.M)


def objects():
    """{file: (defined names, undefined names)} of the recorder, and of watch.c, which is matrace's part of
    it."""
    found = {}
    patterns = ("src/*/.libs/librecord_la-*.o", "src/record/.libs/libbytes_la-*.o",
            "src/record/.libs/libwatch_la-watch.o")
    for pattern in patterns:
        for path in glob.glob(os.path.join(build, pattern)):
            folder = os.path.basename(os.path.dirname(os.path.dirname(path)))
            name = os.path.basename(path).partition("_la-")[2][:-2] + ".c"
            source = f"{folder}/{name}"
            if not os.path.exists(os.path.join(top, "src", source)):
                continue  # left from before the file was moved
            text = subprocess.check_output(["nm", path], text=True)
            symbols = re.findall(r"([A-Za-z]) ([\w.]+)(?:@\S+)?$", text, re.M)
            found[source] = (
                {n for kind, n in symbols if kind.isupper() and kind != "U"},
                {n for kind, n in symbols if kind == "U"},
            )
    return found


def exported():
    names = set()
    for library in LIBRARIES:
        path = os.path.join(build, ".libs", library + ".so")
        text = subprocess.check_output(["nm", "-D", "--defined-only", path], text=True)
        names |= {n.partition("@")[0] for n in re.findall(r" [TWi] (\S+)$", text, re.M)}
    return names


def main():
    files, names = objects(), order()
    if len(files) < 10 or len(names) < 10:
        print(f"only {len(files)} objects in {build} and {len(names)} files in doc/recorder.md")
        return 99
    names = [n if "/" in n else "record/" + n for n in names]
    wrong = [f"doc/recorder.md has {n}, the recorder has not" for n in names if n not in files]
    wrong += [f"{n} has no place in the list of doc/recorder.md" for n in files if n not in names]
    place = {n: i for i, n in enumerate(names)}
    home = {symbol: n for n, (defined, _) in files.items() for symbol in defined}
    ours = exported()
    if len(ours) < 50:
        print(f"only {len(ours)} exported names read")
        return 99
    for n, (_, undefined) in files.items():
        for symbol in sorted(undefined):
            if symbol in ours and symbol not in LET_THROUGH.get(n, "").split():
                wrong.append(f"src/{n} calls {symbol}(), which we wrap")
            other = home.get(symbol)
            if other in place and n in place and place[other] > place[n]:
                wrong.append(f"src/{n} uses {symbol} of src/{other}, which is above it")
    print("\n".join(sorted(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
