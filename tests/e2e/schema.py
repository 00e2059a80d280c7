#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every JSON report keeps to the schema, and its sums agree: reports of programs that end, hang and are
killed."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

if not os.path.exists("/proc/self/stat"):
    print("skipped: there is no /proc, by which a thread is seen to sleep")
    sys.exit(77)

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

top = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", ".."))
build = os.environ.get("top_builddir", ".")
mutrace = os.path.abspath(os.path.join(build, "mutrace"))
workloads = os.path.abspath(os.path.join(build, "tests", "workloads"))
demo = os.path.abspath(os.path.join(build, "demo", "bank"))
with open(os.path.join(top, "src/render/report.schema.json")) as f:
    schema = json.load(f)
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
failures = 0


def complain(text):
    global failures
    failures += 1
    print("FAILED:", text)


def sides(lock):
    return [lock] + ([lock["read"]] if "read" in lock else [])


def check_sums(what, process):
    for lock in process["locks"]:
        name = f"{what}: {lock['name']}"
        waits = sum(s["waits"] + s["unfinished_waits"] for s in sides(lock))
        wait_ns = sum(s["wait_ns"]["total"] + s["unfinished_ns"] for s in sides(lock))
        if lock["cost_ns"] != wait_ns:
            complain(f"{name}: the cost is not {wait_ns}")
        if sum(w["count"] for w in lock["waiters"]) != waits:
            complain(f"{name}: waiters do not add up to {waits}")
        if sum(w["wait_ns"] for w in lock["waiters"]) != wait_ns:
            complain(f"{name}: waiters' time does not add up to {wait_ns}")
        if lock["kind"] in ("mutex", "rwlock", "spin"):
            if max((h["count"] for h in lock["holders"]), default=0) > waits:
                complain(f"{name}: a holder had a part in more than {waits} waits")
        if sum(h["blocked_ns"] for h in lock["holders"]) != sum(s["blocked_ns"] for s in sides(lock)):
            complain(f"{name}: holders do not add up to what was blocked")
        for side in sides(lock):
            if side is lock and "read" in lock:
                continue  # its cost is that of both sides
            if side["blocked_ns"] + side["handoff_ns"] + side["unknown_ns"] != side["cost_ns"]:
                complain(f"{name}: the parts do not add up to {side['cost_ns']}")
        for side in sides(lock):
            for d in (side["wait_ns"], side.get("hold_ns")):
                if d and not d["p50"] <= d["p95"] <= d["p99"] <= d["max"] <= max(d["total"], d["max"]):
                    complain(f"{name}: percentiles out of order: {d}")
            if side["contended"] > side["acquired"]:
                complain(f"{name}: more contended than acquired")
    ranks = [lock["rank"] for lock in process["locks"]]
    if ranks != list(range(1, len(ranks) + 1)):
        complain(f"{what}: ranks {ranks}")


def check(what, path, least_processes=1):
    with open(path) as f:
        document = json.load(f)
    for error in validator.iter_errors(document):
        complain(f"{what}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
    if len(document["processes"]) < least_processes:
        complain(f"{what}: {len(document['processes'])} processes")
    for process in document["processes"]:
        check_sums(what, process)
    return document


with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    for name, command in (("truth", [os.path.join(workloads, "truth")]), ("demo", [demo])):
        subprocess.run([mutrace, "-o", name, "--json", name + ".json"] + command, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        document = check(name, name + ".json")
        if not document["processes"][0]["locks"]:
            complain(f"{name}: no locks")
    for extra in (["--per-instance"], ["--all", "--mutex-order=n-locked"], ["-d"]):
        subprocess.run([mutrace, "report", "--json", "again.json"] + extra + ["demo"], check=True,
                       stdout=subprocess.DEVNULL)
        check("report " + " ".join(extra), "again.json")
    # two sessions of one program are one entry, in which each lock is once
    subprocess.run([mutrace, "report", "--json", "sum.json", "demo", "demo"], check=True,
            stdout=subprocess.DEVNULL)
    total = check("sum", "sum.json")["processes"]
    one = check("demo", "demo.json")["processes"]
    if len(total) != 1 or total[0]["images"] != 2:
        complain("two sessions of one program are not one entry")
    if total[0]["locks"][0]["acquired"] != 2 * one[0]["locks"][0]["acquired"]:
        complain("the sum over two sessions is not the sum")

    # another user's session is read, but no file that it names is opened; a copy is one's own
    if os.geteuid() == 0:
        shutil.copytree("truth", "foreign")
        os.chown("foreign", 54321, 54321)
        got = subprocess.run([mutrace, "report", "--json", "foreign.json", "foreign"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        names = [lock["name"] for p in check("foreign", "foreign.json")["processes"] for lock in p["locks"]]
        if "another user's" not in got or "guilty_lock" in names or not names:
            complain(f"another user's session: {names}: {got}")
        shutil.copytree("foreign", "copy")
        subprocess.run([mutrace, "report", "--json", "copy.json", "copy"], check=True,
                stdout=subprocess.DEVNULL)
        if check("copy", "copy.json")["processes"][0]["locks"][0]["name"] != "guilty_lock":
            complain("a copy of another user's session has no names")

    # while it hangs, and after it was killed
    hang = subprocess.Popen([mutrace, "-o", "hang", os.path.join(workloads, "hang"), "never"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if hang.stdout.readline() != b"waiting\n":
        complain("the hanging program does not hang")
    subprocess.run([mutrace, "report", "--json", "live.json", "hang"], check=True, stdout=subprocess.DEVNULL)
    live = check("live", "live.json")["processes"][0]
    if live["complete"] or live["end"] != "running":
        complain("a live program's report does not say so")
    os.kill(live["pid"], signal.SIGKILL)
    hang.wait()
    time.sleep(0.1)
    subprocess.run([mutrace, "report", "--json", "dead.json", "hang"], check=True, stdout=subprocess.DEVNULL)
    dead = check("killed", "dead.json")["processes"][0]
    if dead["complete"] or dead["end"] != "killed":
        complain("a killed program's report does not say so")
    if not dead["locks"][0]["waiting_now"]:
        complain("a killed program's report does not say who waited")

sys.exit(1 if failures else 0)
