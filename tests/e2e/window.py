#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a run (--since, --until): parts add up to the whole, tell of nothing outside them, and leave out
what is not known. Of tests/gain/more phases, which takes lock a in its first phases, and b in the last."""
import datetime
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.abspath(os.path.join(build, "mutrace")))
program = os.path.abspath(os.path.join(build, "tests/gain/more"))
UNKNOWN = ("acquired", "trylock_failed", "owner_changes")


def report(session, *options, status=0):
    r = subprocess.run([mutrace, "report", "--json=-", *options, session], capture_output=True, text=True)
    assert r.returncode == status, (options, r.returncode, r.stderr)
    return json.loads(r.stdout)["processes"][0] if status == 0 else r.stderr


def lock(process, name):
    return next(x for x in process["locks"] if x["name"] == name)


def record(directory, name, *options):
    session = os.path.join(directory, name)
    subprocess.run([mutrace, "-o", session, *options, program, "phases"], check=True, capture_output=True)
    return session


def parts(session):
    whole = report(session)
    end = whole["start_ns"] + whole["runtime_ns"]
    early = 0.4  # the phases of b begin about the middle
    middle = whole["start_ns"] + int(early * whole["runtime_ns"])
    first = report(session, f"--until={middle}ns")
    second = report(session, f"--since={middle / 1e9:.9f}")
    for name in ("a.mutex", "b.mutex"):
        all_ns = lock(whole, name)["cost_ns"]
        ns = [lock(p, name)["cost_ns"] for p in (first, second)]
        assert abs(sum(ns) - all_ns) <= 0.01 * all_ns, (name, ns, all_ns)
        if name == "b.mutex":  # the first part is not yet in the phases of b
            assert ns[0] == 0 < ns[1], ns
    for p, share in (first, early), (second, 1 - early):
        assert p["window"]["by_events"] and abs(p["runtime_ns"] - share * whole["runtime_ns"]) < 1000
        assert p["thread_time_ns"] < (share + 0.1) * whole["thread_time_ns"]
        for one in p["locks"]:
            for counter in UNKNOWN:
                assert one["modes"][0][counter] is None if "modes" in one else one[counter] is None, one
            assert one["blocked_ns"] + one["handoff_ns"] + one["unknown_ns"] == one["cost_ns"], one
    b = lock(second, "b.mutex")
    assert b["contended"] == lock(whole, "b.mutex")["contended"], b["contended"]
    assert b["blocked_ns"] > 0.8 * b["cost_ns"], b
    assert second["what_if"]["metric"] == "run_time" and first["what_if"]["metric"] == "throughput"
    assert all(w["name"] != "b.mutex" for w in first["longest_waits"])
    assert max(w["wait_ns"] for w in second["longest_waits"]) <= second["runtime_ns"]
    return whole, middle, end


def time_of_day(session, whole, middle):
    """The same as a time of day, unless that is past midnight."""
    start = whole["start_realtime_ns"] - whole["start_ns"]
    at = datetime.datetime.fromtimestamp((start + middle) // 1000 / 1e6)
    if datetime.datetime.fromtimestamp(start / 1e9).day != at.day:
        return
    p = report(session, "--since=" + at.strftime("%H:%M:%S.%f"))
    assert abs(p["window"]["begin_ns"] - middle) < 2000, (p["window"], middle)


def page(session, directory):
    path = os.path.join(directory, "page.html")
    subprocess.run([mutrace, "report", "--since=1ms", "--html=" + path, "--csv=" + path + ".csv",
                    "--perfetto=" + path + ".pb", session], check=True, capture_output=True)
    with open(path) as f:
        assert "by_events" in f.read()
    assert os.path.getsize(path + ".pb") > 1000


def main():
    with tempfile.TemporaryDirectory() as directory:
        session = record(directory, "with")
        whole, middle, end = parts(session)
        time_of_day(session, whole, middle)
        page(session, directory)
        assert "nothing between" in report(session, f"--since={end + 10}ns", status=2)
        assert "takes a time" in report(session, "--since=12:61", status=2)
        assert "need events" in report(record(directory, "without", "--events=0"), "--since=1ms", status=2)
    print("parts of a run add up, and tell what is known of them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
