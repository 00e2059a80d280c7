#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged programs and debug files: whatever is in them, names may be missing but nothing else happens.

libbfd does crash or give up on some of these; that must cost no more than the names. The damage is
pseudo-random with a fixed seed; SYMBOLS_DAMAGED=N does N rounds instead of the usual 150.
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile

srcdir = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
builddir = os.environ.get("top_builddir", os.getcwd())
fixtures = os.path.join(os.path.abspath(srcdir), "tests/fixtures")
symtool = os.environ.get("SYMTOOL", os.path.join(builddir, "tests/unit/symtool"))
cc = os.environ.get("CC", "cc").split()
rounds = int(os.environ.get("SYMBOLS_DAMAGED", "150"))


def ask(path, addresses, *options):
    p = subprocess.run([symtool, *options, path], input=addresses, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
                       timeout=120, universal_newlines=True, errors="replace")
    if p.returncode or p.stderr:
        keep = os.path.join(tempfile.gettempdir(), "symbols-damaged")
        shutil.copy(path, keep)
        print("FAILED: status %d, stderr %r; the file is kept as %s" % (p.returncode, p.stderr, keep))
        sys.exit(1)
    return p.stdout


def section(path, name):
    for line in subprocess.check_output(["readelf", "-SW", path], universal_newlines=True).splitlines():
        words = line.replace("[ ", "[").split()
        if len(words) > 5 and words[1] == name:
            return int(words[4], 16), int(words[5], 16)
    print("no section", name)
    sys.exit(99)


def main():
    if not os.access(symtool, os.X_OK) or not shutil.which("readelf") or not shutil.which("nm"):
        print("no symtool, or no binutils")
        sys.exit(99)
    rand = random.Random(4711)
    states = {}
    with tempfile.TemporaryDirectory() as work:
        good = os.path.join(work, "good")
        subprocess.run(cc + ["-O2", "-g", "-I", fixtures, os.path.join(fixtures, "names.c"),
                             os.path.join(fixtures, "names-main.c"), "-pthread", "-o", good], check=True)
        symbols = subprocess.check_output(["nm", "--defined-only", good],
                universal_newlines=True).splitlines()
        code = "".join(s.split()[0] + "\n" for s in symbols if s.split()[1] in "tT")
        data = "".join(s.split()[0] + "\n" for s in symbols if s.split()[1] in "bBdD")
        with open(good, "rb") as f:
            contents = f.read()
        stretches = [(0, 64), (len(contents) - 64 * 30, 64 * 30)] + [
            section(good, name) for name in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_str",
                    ".symtab",
                                             ".dynsym", ".strtab", ".note.gnu.build-id")]
        if ask(good, code).count("names.c") < 5:
            print("the undamaged file has no names")
            sys.exit(99)
        bad = os.path.join(work, "bad")
        for i in range(rounds):
            damaged = bytearray(contents)
            if i % 5 == 0:
                del damaged[rand.randrange(len(damaged)):]
            else:
                start, size = rand.choice(stretches)
                for _ in range(rand.choice((1, 4, 64))):
                    damaged[start + rand.randrange(size)] = rand.choice((0, 0xff, rand.randrange(256)))
            with open(bad, "wb") as f:
                f.write(damaged)
            ask(bad, code)
            ask(bad, data, "--variables")
            state = ask(bad, "", "--state").strip()
            states[state] = states.get(state, 0) + 1
    print("%d damaged files, as modules they are: %s" % (rounds, states))


main()
