#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mutrace.h: what is counted in each phase is exact, also after SIGKILL and in a child; named locks have
their names in all outputs; marks are found in every kind of object, and do nothing where nobody profiles."""
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
source = os.path.abspath(os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "../..")))
mutrace = os.environ.get("MUTRACE", os.path.abspath(os.path.join(build, "mutrace")))
program = os.path.abspath(os.path.join(build, "tests/workloads/phases"))
KNOWN = {"load": (200, 6, 2), "serve": (540, 7, 1), "drain": (50, 0, 1)}


def run(*command, status=0):
    r = subprocess.run(command, capture_output=True, text=True)
    assert r.returncode == status, (command, r.returncode, r.stderr)
    return r.stdout + r.stderr


def report(kept, *options):
    return json.loads(run(mutrace, "report", "--json=-", *options, kept))["processes"]


def locks_of(process):
    return {lock["name"]: lock for lock in process["locks"]}


def acquired(lock):
    return lock["acquired"] + (lock["read"]["acquired"] if lock["kind"] == "rwlock" else 0)


def nearly(a, b):
    """The length of a tick is found anew at each reading."""
    return abs(a - b) <= b / 1000 + 10


def phases_are_exact(kept, known):
    parent, *children = sorted(report(kept), key=lambda p: -p["threads"])
    phases = {p["name"]: p for p in parent["phases"]}
    for name, (all_, contended, times) in known.items():
        p = phases[name]
        assert (p["acquired"], p["contended"], p["times"]) == (all_, contended, times), (name, p)
        assert (p["lock_wait_ns"] > 0) == (contended > 0), p
    total = sum(p["acquired"] for p in parent["phases"])
    for name, (all_, contended, _) in known.items():
        chosen = max(report(kept, "--phase=" + name), key=lambda p: p["threads"])
        table = locks_of(chosen)["the table"]
        rest = acquired(locks_of(chosen)["configuration"]) if name == "serve" else 0
        assert rest == (40 if name == "serve" else 0)
        assert (table["acquired"], table["contended"]) == (all_ - rest, contended), (name, table)
        assert len(chosen["locks"]) == (2 if rest else 1), chosen["locks"]
        assert table["threads"] == (2 if contended else 1), (name, table["threads"])
        assert sum(w["count"] for w in table["waiters"]) == contended, table["waiters"]
        assert nearly(chosen["headline"]["lock_wait_ns"], phases[name]["lock_wait_ns"]), (name, phases)
        assert nearly(chosen["runtime_ns"], phases[name]["runtime_ns"])
        assert chosen["runtime_ns"] < parent["runtime_ns"]
        assert chosen["thread_time_ns"] <= 2 * chosen["runtime_ns"] + 10
        assert all(w["name"] == "the table" for w in chosen["longest_waits"])
        assert len(chosen["longest_waits"]) == contended, chosen["longest_waits"]
        assert "gain" not in table or table["gain"] is None, "that is of whole runs"
    return parent, children, phases, total


def outputs_agree(kept, text, known):
    """Each output has the figures of each phase, and check judges by them."""
    for name, (all_, contended, times) in known.items():
        figures = f"{all_} acquisitions, {contended} contended"
        assert re.search(rf"^ +{name}: .*{figures}$", text, re.M), (name, text)
        alone = run(mutrace, "report", "--phase=" + name, kept)
        assert re.search(rf"^mutrace: [12] locks?, {figures}", alone, re.M), (name, alone)
        rows = list(csv.DictReader(io.StringIO(run(mutrace, "report", "--csv=-", "--phase=" + name, kept))))
        sums = [sum(int(row[column]) for row in rows) for column in ("acquired", "contended", "waits")]
        assert sums == [all_, contended, contended], (name, rows)
        page = run(mutrace, "report", "--html=-", "--phase=" + name, kept)
        of_page = rf'"name":"{name}","times":{times},[^}}]*"acquired":{all_},"contended":{contended}\b'
        assert re.search(of_page, page), name
        for limit, status in ((contended, 0), (contended - 1, 1)):
            if limit >= 0:
                run(mutrace, "check", "--phase=" + name, f"--limit=the table:contended={limit}", kept,
                    status=status)


def whole(d):
    kept = d + "/kept"
    text = run(mutrace, "-o", kept, program)
    parent, children, phases, total = phases_are_exact(kept, KNOWN)
    outputs_agree(kept, text, KNOWN)
    locks = locks_of(parent)
    # a wait and the hold that it is for count where they began, with the two acquisitions
    assert phases["before"]["contended"] == 1 and phases["before"]["acquired"] == 2, phases["before"]
    assert phases["after"]["contended"] == 0 and phases["after"]["acquired"] == 0, phases["after"]
    outside = report(kept, "--phase=(none)")[0]
    assert sum(acquired(lock) for lock in outside["locks"]) == 21 + 1, outside["locks"]
    assert sum(acquired(lock) for lock in parent["locks"]) == total + 22
    # the sum of all selections is the whole
    both = report(kept, "--phase=*", "--phase=(none)")[0]
    assert nearly(both["headline"]["lock_wait_ns"], parent["headline"]["lock_wait_ns"]), (both, parent)
    assert nearly(both["thread_time_ns"], parent["thread_time_ns"]), (both, parent)
    # a forked child begins in its parent's phase, and knows the names
    child, = children
    sums = {p["name"]: p["acquired"] for p in child["phases"]}
    assert sums == {"after": 10, "child's": 20}, sums
    assert locks_of(child)["the table"]["acquired"] == 30
    # named locks that come and go have no record in common with others
    assert locks["odd shard"]["acquired"] == 2 + 4 + 6, locks
    assert locks["even shard"]["acquired"] == 1 + 3 + 5, locks
    assert locks["odd shard"]["instances"] == locks["even shard"]["instances"] == 3
    assert {lock["named_by"] for lock in locks.values()} == {"program", "variable"}, locks.keys()
    assert locks["the table"]["identity"] == 'mutex:phases:"the table"'
    assert sorted(locks) == ["configuration", "even shard", "odd shard", "the table", "unnamed"]
    assert "the table" in text
    for option in ("csv", "html", "folded", "perfetto"):
        run(mutrace, "report", f"--{option}={d}/out", kept)
        with open(d + "/out", "rb") as f:
            assert b"the table" in f.read(), option
    assert "serve" in run(mutrace, "report", "--html=-", "--phase=serve", kept)
    # check and diff judge phases
    run(mutrace, "check", "--phase=drain", "--limit=*:contended=0", kept)
    run(mutrace, "check", "--phase=serve", "--limit=*:contended=0", kept, status=1)
    assert "no phase" in run(mutrace, "check", "--phase=nonesuch", "--limit=*:contended=0", kept, status=2)
    base, document, limits = d + "/base.json", d + "/report.json", d + "/limits.yaml"
    with open(limits, "w") as f:
        f.write('rules:\n  - lock: "*"\n    acquired: {factor: 1, slack: 0}\n')
    run(mutrace, "check", "--phase=drain", "--write-baseline=" + base, kept)
    against = "--limits=" + limits, "--baseline=" + base
    run(mutrace, "check", "--phase=drain", *against, kept)
    assert "the table: acquired is 500" in run(mutrace, "check", "--phase=serve", *against, kept, status=1)
    run(mutrace, "report", "--json=" + document, kept)
    said = run(mutrace, "check", "--phase=drain", "--baseline=" + document, kept, status=2)
    assert "takes sessions" in said, said
    assert "no phase" in run(mutrace, "report", "--phase=nonesuch", kept)


def work(d):
    """A phase that begins is work done, if the user says so."""
    parent, child = sorted(report(d + "/kept"), key=lambda p: -p["threads"])
    assert (parent["events"]["phases"], child["events"]["phases"]) == (6, 2), (parent, child)
    for name, known in (("lo*", True), ("the table", True), ("nonesuch", False)):
        gain = max(report(d + "/kept", "--work=" + name), key=lambda p: p["threads"])["what_if"]
        assert gain["metric"] == "throughput", gain
        assert ("--work" not in gain.get("refused", "")) == known, (name, gain)


def killed(d):
    kept = d + "/killed"
    run(mutrace, "-o", kept, program, "kill", status=-9)
    phases_are_exact(kept, KNOWN)


def many(d):
    """There are 254 names at most, then one for all others; repeated ones are one phase."""
    kept = d + "/many"
    run(mutrace, "-o", kept, program, "300")
    p, = report(kept)
    assert len(p["phases"]) == 255 and p["phases"][254]["name"] == "(other phases)"
    assert [x["acquired"] for x in p["phases"]] == 254 * [1] + [46]
    assert p["phases"][254]["times"] == 46


def objects(d):
    """C at a fixed address, C++ as a library that is loaded later; two compilers where there are."""
    for cxx, cc, flags in (("g++", "gcc", "-O2"), ("clang++", "clang", "-O0")):
        if not shutil.which(cxx) or not shutil.which(cc):
            continue
        exe, lib = f"{d}/exe", f"{d}/lib.so"
        run(cc, flags, "-no-pie", "-pthread", "-I", source, "-o", exe, source + "/tests/workloads/phases.c")
        run(cxx, flags, "-fPIC", "-shared", "-I", source, "-o", lib, source + "/tests/workloads/marked.cc")
        run(mutrace, "-o", f"{d}/{cc}", exe, "object", lib)
        p, = report(f"{d}/{cc}")
        assert p["phases"][0]["name"] == "C++" and p["phases"][0]["acquired"] == 5, (cxx, flags, p)
        assert locks_of(p)["C++ cache"]["acquired"] == 5, (cxx, flags, p["locks"])
        run(mutrace, "-o", f"{d}/{cc}3", exe, "3")
        p, = report(f"{d}/{cc}3")
        assert [x["acquired"] for x in p["phases"]] == [1, 1, 1], (cc, flags, p["phases"])


def standards(d):
    """Users' headers are compiled with the user's flags."""
    source_c, source_cc = d + "/marks.c", d + "/marks.cc"
    for path in (source_c, source_cc):
        with open(path, "w") as f:
            f.write('#include "include/mutrace.h"\n#include "include/matrace.h"\nvoid f(void *l);\n'
                    'void f(void *l) { MUTRACE_NAME(l, "a"); if (MUTRACE_ACTIVE()) MUTRACE_PHASE("b");\n'
                    'MUTRACE_PHASE_END(); MATRACE_RT_BEGIN(); MATRACE_RT_END(); }\n')
    for cc, cxx in (("gcc", "g++"), ("clang", "clang++")):
        if shutil.which(cc) and shutil.which(cxx):
            flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", "-I", source]
            run(cc, "-std=c99", *flags, source_c)
            run(cxx, "-std=c++98", *flags, source_cc)


def attached(d):
    """The marks of a program that ran before mutrace came."""
    with subprocess.Popen([program, "attach"]) as p:
        r = subprocess.run([mutrace, "attach", "--duration=0.2", "-o", d + "/attached", str(p.pid)],
                           capture_output=True, text=True)
        p.kill()
    if r.returncode == 2:
        print("not attached:", r.stderr)
        return
    assert r.returncode == 0, r.stderr
    p, = report(d + "/attached")
    assert {x["name"] for x in p["phases"]} == {"odd", "even"}, p["phases"]
    for x in p["phases"]:  # one acquisition in each; the first and the last are cut
        assert abs(x["acquired"] - x["times"]) <= 2 and x["contended"] == 0, p["phases"]
    assert locks_of(p)["the table"]["acquired"] > 0, p["locks"]


def main():
    run(program, status=7)  # not profiled: nothing happens
    with tempfile.TemporaryDirectory() as d:
        for test in (whole, work, killed, many, objects, standards, attached):
            test(d)
    return 0


sys.exit(main())
