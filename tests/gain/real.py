#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs, as far as they are installed (make check-gain-real): the replay of what mutrace recorded
of them must take as long as the run, or be refused with a reason. Prints a table of them, and beside it the
run time without mutrace. Where a lock of a program can be changed without its source, also what mutrace said
that this gains, and what it does.

Arguments: programs; ROUNDS=N in the environment: how often each runs, 3 if not given.
"""
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import gain

source = os.path.dirname(os.path.abspath(__file__))
build = os.path.abspath(os.environ.get("top_builddir", "."))
mutrace = os.environ.get("MUTRACE", os.path.join(build, "mutrace"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
OFF_MOST = .05  # of the run time, that a replay may be off
POINTS = 9  # by which a gain may be off: these programs need the processors

TOOLS = {
    "pbzip2": "pbzip2 -p2 -k -c input", "xz": "xz -T2 -1 -k -c --block-size=256KiB input",
    "zstd": "zstd -q -T2 -9 -k -c input",
    "pigz": "pigz -p2 -k -c input", "sort": "sort --parallel=2 -S 40M lines",
    "make": "make -s -B -j4 -C tree",
}
# The change of a lock: as mutrace ran it, and with the lock changed; what this is to gain.
CHANGED = {"sqlite-shared": "sqlite-own", "sqlite-status": "sqlite-own"}


def prepare():
    rng = random.Random(1)
    words = [bytes(rng.choices(b"abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(5000)]
    with open("input", "wb") as f:
        while f.tell() < 16 << 20:
            f.write(b" ".join(rng.choices(words, k=20)) + b"\n")
    with open("lines", "w") as f:
        for i in range(600000):
            f.write(f"{rng.getrandbits(120):030x} line {i}\n")
    os.mkdir("tree")
    for i in range(24):
        with open(f"tree/f{i}.c", "w") as f:
            f.write("#include <stdio.h>\n" + "".join(
                f"int f{i}_{k}(int x) {{ return x * {k} + printf(\"%d\", x); }}\n" for k in range(200)))
    with open("tree/Makefile", "w") as f:
        f.write("all: " + " ".join(f"f{i}.o" for i in range(24)) + "\n")
    subprocess.run(f"${{CC:-cc}} -O2 -g -pthread {source}/sqlite.c -o sqlite -lsqlite3",
                   shell=True, check=False, stderr=subprocess.DEVNULL)


def client(port, n, wrong):
    for _ in range(200):
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=20)
            break
        except OSError:
            time.sleep(.05)
    f = s.makefile("rwb")
    for i in range(6000):
        key = b"key%d" % (i % 50)
        f.write(b"set %s 0 0 5\r\nv%04d\r\nget %s\r\n" % (key, n, key))
        f.flush()
        if f.readline() != b"STORED\r\n" or not f.readline().startswith(b"VALUE " + key) or \
                f.readline()[:-2] == b"" or f.readline() != b"END\r\n":
            wrong.append(n)
            return


def memcached(*before):
    """Seconds for a load of fixed size."""
    port = 20000 + random.randrange(20000)
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    server = subprocess.Popen([*before, "memcached", *user, "-l", "127.0.0.1", "-p", str(port), "-t", "4"],
                              stderr=subprocess.DEVNULL, preexec_fn=lambda: gain.ahead("cpu"))
    wrong = []
    clients = [threading.Thread(target=client, args=(port, n, wrong)) for n in range(8)]
    begin = time.monotonic()
    for t in clients:
        t.start()
    for t in clients:
        t.join()
    took = time.monotonic() - begin
    server.terminate()
    if server.wait() != 0 or wrong:
        raise SystemExit("memcached did not serve")
    return took


def run(name, *before):
    """Seconds."""
    if name == "memcached":
        return memcached(*before)
    command = ["./sqlite", name[7:]] if name.startswith("sqlite-") else TOOLS[name].split()
    begin = time.monotonic()
    subprocess.run([*before, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   preexec_fn=lambda: gain.ahead("cpu"))
    return time.monotonic() - begin


def recorded(name):
    """Seconds, and what mutrace found of the process that waited most."""
    took = run(name, mutrace, "--json=json", "-o", "kept")
    with open("json") as f:
        processes = json.load(f)["processes"]
    shutil.rmtree("kept")
    process = max(processes, key=lambda p: (bool(p.get("what_if")), p["headline"]["lock_wait_ns"]))
    # without the time that the report takes; make's processes are many
    return took if name in ("memcached", "make") else process["runtime_ns"] / 1e9, process


def verdict(process):
    """Of one run: how far the replay is off, or why there is none; true if that is as it must be."""
    what_if = process.get("what_if")
    if not what_if:
        waited = process["headline"]["lock_wait_ns"] / max(process["runtime_ns"], 1)
        return f"no lock to fix (waits {100 * waited:.1f} %)", True
    if "refused" in what_if:
        return "refused: " + what_if["refused"], True
    off = what_if["replay_error"]
    return f"off by {100 * off:.2f} % of {what_if['metric']}", off <= OFF_MOST


def best_gain(process):
    """What the lock gains that gains most, in points; None: not told."""
    what_if = process.get("what_if")
    if not what_if or "refused" in what_if:
        return None
    return max((100 * sum(lock["no_contention"]) / 2 for lock in what_if["locks"]), default=0)


def judge(name):
    plain, under, changed, gains, verdicts, right = [], [], [], [], [], True
    for _ in range(ROUNDS):
        plain.append(run(name))
        if name in CHANGED:
            changed.append(1 - run(CHANGED[name]) / plain[-1])
        took, process = recorded(name)
        under.append(took / plain[-1])
        text, good = verdict(process)
        right = right and good
        verdicts.append(text)
        gains.append(best_gain(process))
    print(f"{name:14} {statistics.median(plain):6.2f} s, {statistics.median(under):5.2f} times that with "
          "mutrace; " + "; ".join(sorted(set(verdicts))))
    known = [g for g in gains if g is not None]
    if known:
        print(f"{'':14} the best lock would gain {min(known):.1f}..{max(known):.1f} %")
    if changed and known:
        true = 100 * statistics.median(changed)
        spread = 100 * (max(changed) - min(changed))
        off = abs(statistics.median(known) - true)
        print(f"{'':14} with that lock changed: {true:.1f} % (+- {spread / 2:.1f})"
              + ("" if off <= POINTS else ", WRONG" if spread < POINTS else ", too noisy to judge"))
        right = right and (off <= POINTS or spread >= POINTS)
    sys.stdout.flush()
    return right


def there(name):
    return os.path.exists("sqlite") if name.startswith("sqlite-") else shutil.which(name)


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        prepare()
        names = sys.argv[1:] or [*TOOLS, "memcached", *CHANGED, "sqlite-own"]
        results = [judge(name) for name in names if there(name)]
    if not results:
        print("skipped: none of the programs is installed")
        return 77
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
