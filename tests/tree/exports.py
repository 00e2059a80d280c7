#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libraries export what wrappers/wrappers.def and src/session/watched.def list, with these versions, and
nothing else; and they need no library but the C library.

A name too many takes a function away from the profiled program, a name too few is a lock call that nobody
sees.
"""
import os
import re
import subprocess
import sys

top = os.path.abspath(os.environ.get("top_srcdir") or os.path.join(os.path.dirname(__file__), "../.."))
build = os.path.abspath(os.environ.get("top_builddir", "."))

# The families of wrappers.def that matrace has too, and two functions of other families.
SHARED = {"attach", "exec", "matrace", "module", "process", "sched", "thread"}
SHARED_NAMES = {"free", "thrd_create"}
# Pass through libmatrace-all.so, see wrappers/watch_locks.c.
PASSED = {"pthread_cond_init", "pthread_cond_destroy", "pthread_cond_signal", "pthread_cond_broadcast"}

TABLES = """
#include "wrappers/real.h"
#define WATCH(class, label, type, name, parameters, arguments) TABLE watched class #name NULL
#define WATCH_OWN(class, label, type, name, parameters) TABLE watched class #name NULL
#define WATCH_KNOWN(class, label, name) TABLE known class #name NULL
#define WATCH_COUNT(class, label, name)
#include "src/session/watched.def"
#define WRAP(family, type, name, parameters, version) TABLE wrap family #name version
#define WRAP_ALSO(family, name, version) TABLE also family #name version
#include "wrappers/wrappers.def"
"""


def table():
    """[(table, family, name, version)], as the compiler reads it for this architecture.

    The version is "", "@@V" of the default one, or "@V" of one that only old programs ask for.
    """
    text = subprocess.run(
        os.environ.get("CC", "cc").split() + ["-E", "-P", "-D_GNU_SOURCE", "-DMATRACE", "-I", top, "-I",
                build, "-x", "c", "-"],
        input=TABLES, text=True, stdout=subprocess.PIPE, check=True,
    ).stdout
    lines = re.findall(r'TABLE\s+(\w+)\s+(\w+)\s+"(\w+)"\s+(?:"([\w.]+)"|\(\(void ?\*\)0\)|NULL)', text)
    if len(lines) != text.count("TABLE"):
        print("a line of the tables is not understood")
        sys.exit(99)
    mark = {"wrap": "@@", "also": "@"}
    return [(where, family, name, mark[where] + v if v else "") for where, family, name, v in lines]


def expected(library, lines):
    names = set()
    for where, family, name, version in lines:
        if where in ("wrap", "also"):
            shared = family in SHARED or name in SHARED_NAMES
            shared = shared or library == "libmatrace-all" and where == "wrap" and name in PASSED
            if family != "matrace" if library == "libmutrace" else shared:
                names.add((name, version))
        elif library == "libmatrace-all" or library == "libmatrace" and family == "alloc":
            known = [v for w, _, n, v in lines if w == "wrap" and n == name]
            names.add((name, known[0] if known else version))
    return names


def exported(path):
    text = subprocess.check_output(["readelf", "-W", "--dyn-syms", path], text=True)
    names = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[4] not in ("GLOBAL", "WEAK") or fields[6] in ("UND", "ABS"):
            continue
        name, at, version = fields[7].partition("@")
        names.add((name, at + version))
    return names


def main():
    lines = table()
    wrong = 0
    for library in ("libmutrace", "libmatrace", "libmatrace-all"):
        path = os.path.join(build, ".libs", library + ".so")
        meant, found = expected(library, lines), exported(path)
        if len(found) < 50:
            print(f"{path}: only {len(found)} names read")
            return 99
        for what, names in (("exports, but no table has", found - meant), ("does not export", meant - found)):
            for name, version in sorted(names):
                print(f"{library} {what} {name}" + (f" in version {version}" if version
                        else " without a version"))
                wrong += 1
        needed = re.findall(r"NEEDED\).*\[(.*)\]",
                subprocess.check_output(["readelf", "-dW", path], text=True))
        # before glibc 2.34 parts of the C library were libraries of their own
        for one in needed:
            if not re.match(r"(libc|libdl|libpthread|librt|ld-linux[\w-]*|ld64)\.so\.", one):
                print(f"{library} needs {one}")
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
