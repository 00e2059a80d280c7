#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of gains that are not known from inside: of a server whose requests come by sockets they are
the most that there may be; of a lock that threads only try to take nothing is known."""
import json
import os
import subprocess
import sys
import tempfile

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
FED = "if work comes as fast"
TRIES = 5  # on a busy machine the replay of the unchanged run may take another time


def report(directory, program, case):
    path = os.path.join(directory, "json")
    done = subprocess.run([mutrace, "--json=" + path, os.path.join(build, "tests/gain", program), case],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(path) as f:
        process = json.load(f)["processes"][0]
    return " ".join(done.stderr.split()), process.get("what_if", {})


def served(directory, case, fed):
    """Requests come by sockets, or from threads by a condition."""
    for _ in range(TRIES):
        text, what_if = report(directory, "served", case)
        if "refused" not in what_if:
            break
        assert FED not in text and "if_work_comes" not in what_if, text
    else:
        print(f"{case}: refused {TRIES} times: {what_if['refused']}")
        return 0
    assert what_if["metric"] == "throughput", what_if
    assert (FED in text) == fed and what_if.get("if_work_comes", False) == fed, text
    sign = " <= +" if fed else " +"
    assert f"gain{sign}" in text and f"{'may' if fed else 'would'} help: without contention" in text, text
    return 1


def attempts(directory):
    text, what_if = report(directory, "shapes", "attempts")
    if "refused" not in what_if:
        assert "what fixing lock 1 would gain is not known: attempts to take it fail" in text, text
        assert "no single lock" not in text and what_if.get("locks", []) == [], text
        return 1
    print("attempts: refused:", what_if["refused"])
    return 0


def main():
    with tempfile.TemporaryDirectory() as directory:
        seen = [served(directory, "long", True), served(directory, "asked", False), attempts(directory)]
    if not any(seen):
        print("skipped: the machine is too busy")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
