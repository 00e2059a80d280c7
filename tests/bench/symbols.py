#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long naming takes in a large program, compared with addr2line -i asked for the same addresses in one
call.

usage: symbols.py [PROGRAM]     without PROGRAM one is made (make-large.py: takes some minutes)

Takes up to 50 000 distinct return addresses of PROGRAM, in random order, first by themselves, then in a
session with as many distinct stacks and 10 000 locks in PROGRAM's variables that mutrace report reads and
names. The target for either is 2 times addr2line -i.
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
builddir = os.environ.get("top_builddir", os.getcwd())
symtool = os.environ.get("SYMTOOL", os.path.join(builddir, "tests/unit/symtool"))
mutrace = os.environ.get("MUTRACE", os.path.join(builddir, "mutrace"))
make_session = os.environ.get("MAKE_LARGE_SESSION", os.path.join(builddir, "make-large-session"))
ADDRESSES = 50000
LOCKS = 10000
ROUNDS = 5


def return_addresses(program):
    found = []
    after_call = False
    with subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", "-j", ".text", program],
            stdout=subprocess.PIPE,
                          universal_newlines=True) as p:
        for line in p.stdout:
            m = re.match(r"\s*([0-9a-f]+):\t(.*)", line)
            if not m:
                continue
            if after_call:
                found.append(int(m.group(1), 16) - 1)
            after_call = "call" in m.group(2)
    return sorted(set(found))


def lock_addresses(program):
    """LOCKS addresses within variables."""
    found = []
    for line in subprocess.check_output(["nm", "-S", program], universal_newlines=True).splitlines():
        m = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) [bBdDuV] (.*)", line)
        if m and not m.group(3).startswith("_ZT"):
            found += range(int(m.group(1), 16), int(m.group(1), 16) + int(m.group(2), 16), 8)
    return random.Random(2).sample(found, min(LOCKS, len(found)))


def seconds(command, addresses):
    begin = time.monotonic()
    subprocess.run(command, input=addresses, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def debug_size(program):
    out = subprocess.check_output(["size", "-A", "-d", program], universal_newlines=True)
    return sum(int(line.split()[1]) for line in out.splitlines() if line.startswith(".debug_"))


def main():
    with tempfile.TemporaryDirectory() as work:
        program = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(work, "large")
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, os.path.join(here, "make-large.py"), work], check=True)
        every = return_addresses(program)
        chosen = random.Random(1).sample(every, min(ADDRESSES, len(every)))
        addresses = "".join("%x\n" % a for a in chosen).encode()
        print("%s: %.0f MB of debug information, %d of %d return addresses" % (
            os.path.basename(program), debug_size(program) / 1e6, len(chosen), len(every)))
        locks = lock_addresses(program)
        numbers = "".join("%x\n" % a for a in locks + [c + 1 for c in chosen])
        session = subprocess.run([make_session, program, str(len(locks))], input=numbers,
                stdout=subprocess.PIPE,
                                 universal_newlines=True, check=True).stdout.strip()
        best = {}
        for _ in range(ROUNDS):  # alternating, so that a busy moment of the machine hits both
            for name, command in (("addr2line -i", ["addr2line", "-i", "-e", program]),
                                  ("addr2line -i -f -C", ["addr2line", "-i", "-f", "-C", "-e", program]),
                                  ("mutrace, names only", [symtool, program]),
                                  ("mutrace report", [mutrace, "report", session])):
                taken = seconds(command, addresses)
                best[name] = min(best.get(name, taken), taken)
        shutil.rmtree(session)
        print("  the session: %d locks, %d distinct stacks" % (len(locks), len(chosen)))
        for name, taken in best.items():
            print("  %-20s %6.2f s  %4.2f of addr2line -i" % (name, taken, taken / best["addr2line -i"]))


main()
