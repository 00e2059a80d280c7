#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks of real runs: every frame that a report gives of our fixture is what addr2line -i says for its
address.

Unlike symbols.py this goes the whole way: the program runs under mutrace, with a plugin that is closed before
the end. Of the innermost address a report may leave out frames of lock helpers (std::mutex::lock); nothing
else may be missing.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

if not os.path.exists("/proc/self/stat"):
    print("skipped: there is no /proc, by which a thread is seen to sleep")
    sys.exit(77)

srcdir = os.path.abspath(os.environ.get("top_srcdir",
                                        os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")))
builddir = os.environ.get("top_builddir", os.getcwd())
mutrace = os.environ.get("MUTRACE", os.path.join(builddir, "mutrace"))
fixtures = os.path.join(srcdir, "tests/fixtures")
cc = os.environ.get("CC", "cc").split()
cxx = os.environ.get("CXX", "c++").split()
env = dict(os.environ, LC_ALL="C")
env.pop("LD_PRELOAD", None)


def run(*command, **options):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
            env=env,
                       timeout=300, **options)
    if p.returncode:
        print("status %d of: %s\n%s%s" % (p.returncode, " ".join(command), p.stdout, p.stderr))
        sys.exit(1 if command[0] == mutrace else 99)
    return p.stdout


def build(flags, plus):
    objects = []
    for source in ["frames.c"] + (["frames.cc"] if plus else []):
        objects.append(source + ".o")
        run(*(cxx if source.endswith(".cc") else cc), *flags, *(["-DWITH_CXX"] if plus else []),
                "-D_GNU_SOURCE",
            "-I", srcdir, "-I", fixtures, "-c", os.path.join(fixtures, source), "-o", objects[-1])
    run(*(cxx if plus else cc), *flags, *objects, "-pthread", "-ldl", "-o", "frames")
    run(*cc, *flags, "-fPIC", "-shared", "-fvisibility=hidden", os.path.join(fixtures, "frames-plugin.c"),
            "-o",
        "plugin.so")


def stacks_of(document):
    for process in document["processes"]:
        for lock in process["locks"]:
            for key in ("created_at", "first_used_at"):
                if lock.get(key):
                    yield lock, lock[key]
            for key in ("waiters", "holders"):
                for entry in lock.get(key, ()):
                    if entry.get("stack"):
                        yield lock, entry["stack"]


def groups_of(stack):
    """[(module, address in its file, [(function, place)], innermost)]: one for each address of the stack."""
    groups = []
    group = []
    for frame in stack:
        place = "%s:%s" % (frame.get("file", "??"), frame.get("line", "?"))
        group.append((frame.get("function", "??"), place))
        if not frame.get("inlined", False):
            groups.append((frame.get("module"), frame.get("offset"), group, not groups))
            group = []
    return groups


def addr2line(original, offsets):
    twice = "".join("%x\n" % (o - 1) * 2 for o in offsets)  # see symbols.py for why twice
    answers = []
    for line in run("addr2line", "-a", "-i", "-f", "-C", "-e", original, input=twice).splitlines():
        if re.fullmatch("0x([0-9a-f]{8}){1,2}", line):
            answers.append([])
        else:
            answers[-1].append(re.sub(r" \(discriminator \d+\)$", "", line))
    return {o: list(zip(a[::2], a[1::2])) for o, a in zip(offsets, answers[1::2])}


def check(name, originals):
    """Returns how many frames agree."""
    run(mutrace, "--all", "--json", "out.json", "./frames", os.path.abspath("plugin.so"))
    with open("out.json") as f:
        document = json.load(f)
    seen = {}
    for lock, stack in stacks_of(document):
        for module, offset, group, innermost in groups_of(stack):
            if module in originals:
                seen.setdefault(module, []).append((int(offset, 16), group, innermost, lock["name"]))
    frames = 0
    for module, original in originals.items():
        if module not in seen:
            print("FAILED: %s: no stack goes through %s" % (name, module))
            sys.exit(1)
        answers = addr2line(original, sorted({offset for offset, _, _, _ in seen[module]}))
        for offset, group, innermost, lock in seen[module]:
            want = answers[offset]
            good = group == want[-len(group):] if innermost else group == want
            if not good:
                print("FAILED: %s, lock %s, %s+%#x\n  report    %s\n  addr2line %s" % (
                    name, lock, module, offset, group, want))
                sys.exit(1)
            frames += len(group)
    return frames


def main():
    if not os.access(mutrace, os.X_OK) or not shutil.which("addr2line"):
        print("no mutrace at", mutrace)
        sys.exit(99)
    if not shutil.which(cxx[0]):
        print("skipped: no C++ compiler", cxx[0])
        sys.exit(77)
    variants = [["-O0"], ["-O2"], ["-O2", "-fomit-frame-pointer"], ["-O2", "-flto"], ["-O3", "-gdwarf-4"],
            ["-Og"]]
    if "clang" in run(*cc, "--version"):  # there may be no plugin for it
        variants.remove(["-O2", "-flto"])
    total = 0
    with tempfile.TemporaryDirectory() as work:
        work = os.path.realpath(work)
        os.chdir(work)
        env["XDG_CACHE_HOME"] = env["HOME"] = work
        modules = [os.path.join(work, "frames"), os.path.join(work, "plugin.so")]
        for plus in (False, True):
            for flags in variants:
                build(["-g"] + flags, plus)
                total += check(" ".join(flags), {m: m for m in modules})
        # the debug information elsewhere, found by the link that the program has to it
        originals = {}
        for module in modules:
            shutil.copy(module, module + ".original")
            run("objcopy", "--only-keep-debug", module, module + ".debug")
            run("strip", "--strip-all", module)
            run("objcopy", "--add-gnu-debuglink=" + os.path.basename(module) + ".debug", module)
            originals[module] = module + ".original"
        total += check("split", originals)
        os.chdir("/")
    print("%d frames agree" % total)


main()
