#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code of the C library's lowest lock functions is one that src/arch/lowlock_*.h has.

lowlock.py [LIBC...]: without arguments, the C libraries of this machine. Each is read as a file, so it may be
of any architecture. Of a Debian or Ubuntu library that is new enough the code must be known: else a line is
to be added there.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

top = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(__file__), "../..")
MACHINES = {0x3E: "x86_64", 0x03: "i386", 0xB7: "aarch64"}
FILL = 32  # FILL_MOST in inject/lowlock.c


def codes(machine):
    """{function: [pattern]}, and the landing mark."""
    with open(os.path.join(top, "src/arch/lowlock_%s.h" % machine)) as f:
        text = f.read()
    found = {}
    for function, strings in re.findall(r"\{ (LOWLOCK_\w+),((?:\s*\"[0-9a-f.]+\")+) \}", text):
        code = "".join(re.findall(r'"([0-9a-f.]+)"', strings))
        assert len(code) % 2 == 0
        pattern = b"".join(b"." if code[i] == "." else re.escape(bytes.fromhex(code[i : i + 2]))
                           for i in range(0, len(code), 2))
        found.setdefault(function, []).append(re.compile(pattern, re.DOTALL))
    mark = re.search(r'LOWLOCK_LANDING "([0-9a-f]*)"', text).group(1)
    return found, bytes.fromhex(mark)


def match(data, at, patterns, mark):
    """The end of a function that is known at an offset, or None."""
    if mark and data.startswith(mark, at):
        at += len(mark)
    for pattern in patterns:
        m = pattern.match(data, at)
        if m:
            return m.end()
    return None


def symbols(path):
    """{name: (offset in the file)} of the two functions that have names."""
    out = subprocess.run(["readelf", "-W", "-l", "--dyn-syms", path], text=True, stdout=subprocess.PIPE,
                         check=True).stdout
    loads = [tuple(int(x, 16) for x in m) for m in
             re.findall(r"LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", out)]
    found = {}
    for value, name in re.findall(r": (\w+)\s+\d+ FUNC.*\s(__lll_lock_w\w+_private)@", out):
        value = int(value, 16)
        for offset, address, size in loads:
            if address <= value < address + size:
                found[name] = value - address + offset
    return found


def check(path):
    """True: known. False: not. None: too old to have the functions, or another architecture."""
    with open(path, "rb") as f:
        data = f.read()
    machine = MACHINES.get(int.from_bytes(data[18:20], "little"))
    named = symbols(path)
    if machine is None or len(named) != 2:
        return None
    if data[4] == 1 and machine == "x86_64":  # x32
        return None
    patterns, mark = codes(machine)
    for which in "WAIT", "WAKE":
        at = named["__lll_lock_%s_private" % which.lower()]
        end = match(data, at, patterns["LOWLOCK_%s_PRIVATE" % which], mark)
        if end is None:
            print("%s: unknown: __lll_lock_%s_private %s" % (path, which.lower(), data[at : at + 128].hex()))
            return False
        if not any(match(data, end + fill, patterns["LOWLOCK_" + which], mark) for fill in range(FILL + 1)):
            print("%s: unknown: __lll_lock_%s %s" % (path, which.lower(), data[end : end + 160].hex()))
            return False
    return True


def host():
    places = "/lib", "/lib64", "/lib32", "/usr/lib32", "/lib/*-linux-gnu*"
    return sorted({os.path.realpath(p) for where in places for p in glob.glob(where + "/libc.so.6")})


def is_distribution():
    try:
        with open("/etc/os-release") as f:
            return bool(re.search(r"^ID=\"?(debian|ubuntu)", f.read(), re.M))
    except OSError:
        return False


def main():
    if not shutil.which("readelf"):
        print("skipped: there is no readelf")
        return 77
    given = sys.argv[1:]
    wrong, seen = 0, 0
    for path in given or host():
        result = check(path)
        print("%s: %s" % (path, {True: "known", False: "NOT KNOWN", None: "passed by"}[result]))
        wrong += result is False or (result is None and bool(given))
        seen += result is not None
    if wrong and not given and not is_distribution():
        print("skipped: a C library that nobody promised to know")
        return 77
    return 1 if wrong else 0 if seen else 77


sys.exit(main())
