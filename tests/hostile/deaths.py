# SPDX-License-Identifier: GPL-3.0-or-later
"""However a program dies, the report has every call that it finished: compared with counts that the program
writes into shared memory itself, before and after each call. KILLS=N: so many SIGKILLs at random moments.
"""
import json
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

if not os.path.exists("/proc/self/stat"):
    print("skipped: there is no /proc, by which a thread is seen to sleep")
    sys.exit(77)

build = os.environ.get("top_builddir", ".")
mutrace = os.environ.get("MUTRACE") or os.path.join(build, "mutrace")
program = os.path.join(build, "tests/hostile/deaths")
kills = int(os.environ.get("KILLS", "30"))
THREADS, KINDS = 5, 11
NAMES = ["lock_0", "lock_1", "lock_2", "lock_3", "table_lock", "table_lock (rd)", "fresh", "trylock",
        "tokens, posts", "tokens", "news"]
for variable in ("LD_PRELOAD", "MUTRACE_SESSION"):
    os.environ.pop(variable, None)

work = tempfile.mkdtemp()
shared_path, json_path = os.path.join(work, "truth"), os.path.join(work, "json")


def fail(what, stderr=""):
    print("FAILED: %s" % what)
    print(stderr[-3000:])
    raise SystemExit(1)


class Truth:
    def __init__(self):
        with open(shared_path, "wb") as f:
            f.truncate(4096)
        with open(shared_path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)

    def pid(self):
        return struct.unpack_from("Q", self.map, 0)[0]

    def bounds(self):
        """(begun, done) by kind, over all threads"""
        numbers = struct.unpack_from("%dQ" % (2 * THREADS * KINDS), self.map, 8)
        return [(sum(numbers[2 * (t * KINDS + k)] for t in range(THREADS)),
                 sum(numbers[2 * (t * KINDS + k) + 1] for t in range(THREADS))) for k in range(KINDS)]


def compare(truth, what, stderr):
    document = json.load(open(json_path))
    images = [p for p in document["processes"] if p["pid"] == truth.pid() and p.get("locks")]
    if sum(done for _, done in truth.bounds()) == 0 and not images:
        return document, None
    if len(images) != 1:
        fail("%s: %d images with locks" % (what, len(images)), stderr)
    p = images[0]
    if p["lost_events"]:
        fail("%s: %s lost" % (what, p["lost_events"]), stderr)
    seen = [0] * KINDS
    for lock in p["locks"]:
        if lock["kind"] == "once" or lock["acquired"] is None:
            continue  # libgcc's, when it ends a thread, and glibc's own
        if lock["name"] in NAMES:
            seen[NAMES.index(lock["name"])] += lock["acquired"]
            seen[5] += lock.get("read", {}).get("acquired", 0)
        elif lock["name"] != "exit_lock":
            seen[6] += lock["acquired"]
        seen[7] += lock["trylock_failed"]
        seen[8] += lock.get("posts", 0)
    seen[10] = sum(c["signals"] for c in p["conditions"])
    for kind, (begun, done) in enumerate(truth.bounds()):
        if not done <= seen[kind] <= begun:
            fail("%s: %s acquired %d times, says the report; %d finished, %d begun"
                 % (what, NAMES[kind], seen[kind], done, begun), stderr)
    return document, p


def memory_group():
    """A control group of 64 MB: (folder, file that takes the process), or None where that cannot be had."""
    for top, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = os.path.join(top, "mutrace-test-%d" % os.getpid())
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(os.path.join(group, limit), "w") as f:
                f.write(str(64 << 20))
            return group
        except OSError:
            os.rmdir(group)
    return None


def run(how, calls, wait_for=None, group=None, options=()):
    truth = Truth()
    if os.path.exists(json_path):
        os.unlink(json_path)
    with open(os.path.join(work, "err"), "w+") as err:
        command = [program, shared_path, how, str(calls)]
        if group:
            command = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', group] + command
        child = subprocess.Popen([mutrace, "--json=" + json_path, *options] + command,
                stdout=subprocess.DEVNULL, stderr=err)
        if wait_for:
            deadline = time.time() + 60
            while truth.pid() == 0 and time.time() < deadline and child.poll() is None:
                time.sleep(0.0005)
            if truth.pid() == 0:
                fail("%s: the program did not start" % how)
            wait_for(truth.pid())
        try:
            status = child.wait(timeout=120)
        except subprocess.TimeoutExpired:
            child.kill()
            fail("%s: mutrace does not end" % how)
        err.seek(0)
        return truth, status, err.read()


def kill_at_random(pid):
    time.sleep(random.choice([0, 0.001, 0.01, 0.05]) * random.random())
    os.kill(pid, signal.SIGKILL)


def main():
    # the status of mutrace, as Popen has it; all die while others hold locks and wait for them
    ways = {"exit": 7, "_exit": 7, "quick_exit": 7, "exec": 7, "pthread_exit": 0, "segv": -signal.SIGSEGV,
            "abort": -signal.SIGABRT, "overflow": -signal.SIGSEGV, "wild": -signal.SIGSEGV,
                    "term": -signal.SIGTERM,
            "hup": -signal.SIGHUP, "kill": -signal.SIGKILL, "alrm": -signal.SIGALRM, "bus": -signal.SIGBUS}
    for how, wanted in ways.items():
        truth, status, stderr = run(how, 3000)
        if status != wanted:
            fail("%s: status %s, not %s" % (how, status, wanted), stderr)
        document, p = compare(truth, how, stderr)
        if p["complete"] != (wanted >= 0):
            fail("%s: complete is %s" % (how, p["complete"]), stderr)
        if how == "exec" and p["end"] != "execed":
            fail("%s: end is %s" % (how, p["end"]), stderr)
        if how == "pthread_exit" and any(b != d for b, d in truth.bounds()):
            fail("%s: calls not finished" % how)
        waiting = [w for lock in p["locks"] if lock["name"] == "exit_lock" for w in lock["waiting_now"]]
        if how not in ("pthread_exit", "exec") and [w["held_by"] for w in waiting] != [p["pid"]]:
            fail("%s: nobody waits for exit_lock" % how, stderr)
    group = memory_group()
    if group:
        try:
            truth, status, stderr = run("memory", 3000, group=group)
        finally:
            os.rmdir(group)
        if status != -signal.SIGKILL:
            fail("out of memory: status %s" % status, stderr)
        compare(truth, "out of memory", stderr)
    print("%d ways to die, %s" % (len(ways), "and out of memory" if group else "no memory group to be had"))
    seed = int(os.environ.get("SEED", time.time_ns() % 1000000))
    random.seed(seed)
    begun = 0
    for i in range(kills):
        options = random.choice([[], [], ["--sample-hold=5"], ["-r"]])
        truth, status, stderr = run("wait", 1 << 40, kill_at_random, options=options)
        if status != -signal.SIGKILL:
            fail("kill: status %s" % status, stderr)
        compare(truth, "kill %d of seed %d, %s" % (i, seed, options), stderr)
        begun += sum(b for b, _ in truth.bounds())
    print("%d of %d killed at random moments; %d calls on average, all of them in the report" %
          (kills, kills, begun / max(kills, 1)))


try:
    main()
finally:
    shutil.rmtree(work)
