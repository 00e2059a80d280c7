#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mutrace and matrace attach and detach: counts against programs that count themselves
(tests/workloads/attach.c), locks held and waits in progress, system calls that must not be disturbed,
children, ends of all kinds."""
import atexit
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("top_builddir") or os.getcwd()
MUTRACE = os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace")
MATRACE = os.environ.get("MATRACE") or os.path.join(BUILD, "matrace")
PROGRAM = os.path.join(BUILD, "tests/workloads/attach")
LOCKS = {"mutex": 3, "rwlock": 1, "spin": 1, "semaphore": 1}  # acquisitions a round, of writers


def fail(why):
    raise SystemExit("FAILED: " + why)


def check(right, *told):
    if not right:
        fail(" ".join(map(str, told)))


def until(wanted, why, seconds=30):
    deadline = time.time() + seconds
    while not wanted():
        if time.time() > deadline:
            fail(why)
        time.sleep(0.01)


class Target:
    def __init__(self, *arguments, **options):
        self.process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, **options)
        atexit.register(self.process.kill)
        self.pid = self.process.pid
        self.said = self.process.stdout.readline()
        check(self.said in ("ready\n", "none\n"), "the program is not ready")

    def ask(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def end(self):
        """It must not have found anything wrong."""
        self.process.stdin.close()
        said = self.process.stdout.read()
        check(self.process.wait(30) == 0 and "FAILED" not in said, self.process.args, said)
        return said


def attach_for(target, seconds):
    path = os.path.join(WORK, "json")
    r = subprocess.run([MUTRACE, "attach", "--json=" + path, "--duration=%s" % seconds, str(target.pid)],
                       capture_output=True, text=True)
    if r.returncode == 2 and target.process.poll() == 0:
        return None  # it had done its work before the machine came to us
    check(r.returncode == 0, r)
    with open(path) as f:
        return json.load(f)


class Attached:
    """A command that is attached. Ended by ^C, unless it ends by itself."""

    def __init__(self, target, *options, tool=MUTRACE):
        self.json = os.path.join(WORK, "json")
        if os.path.exists(self.json):
            os.unlink(self.json)
        self.before = self.images(target.pid)
        self.command = subprocess.Popen([tool, "attach", "--json=" + self.json, *options,
                                         str(target.pid)], stderr=subprocess.PIPE, text=True)
        until(lambda: self.is_recorded(target.pid), "it does not attach")

    def is_recorded(self, pid):
        if self.command.poll() is not None:
            fail("attach: exit status %d: %s" % (self.command.returncode, self.command.stderr.read()))
        if self.images(pid) <= self.before:
            return False
        traced = subprocess.run("grep -h TracerPid: /proc/%d/task/*/status" % pid, shell=True, text=True,
                                capture_output=True).stdout.split()
        return set(traced[1::2]) == {"0"}  # the thread that did it has gone on

    @staticmethod
    def images(pid):
        with open("/proc/%d/maps" % pid) as maps:
            return {line.split(maxsplit=5)[5] for line in maps if "/image.%d." % pid in line}

    def ended(self, status=0):
        self.said = self.command.communicate(timeout=60)[1]
        check(self.command.returncode == status, "attach: exit status", self.command.returncode, self.said)
        with open(self.json) as f:
            return json.load(f)

    def end(self, status=0):
        self.command.send_signal(signal.SIGINT)
        return self.ended(status)


def acquired(report):
    sums = {}
    for process in report["processes"]:
        check(process["lost_events"] == 0, "lost events:", process["losses"])
        for lock in process["locks"]:
            sums[lock["kind"]] = sums.get(lock["kind"], 0) + (lock["acquired"] or 0)
            check(not lock.get("misuse"), "a misuse:", lock)
    return sums


def test_counts():
    """Every call from attach to detach, and no other, also when it is attached to again."""
    target = Target("count", "4")
    done = 0
    for i, options in enumerate([[], ["--sample-hold=32"], [], ["--events=0"]]):
        target.ask("500")
        attached = Attached(target, *options)
        rounds = 1000 * (i + 1)
        target.ask(str(rounds))
        report = attached.end()
        done = int(target.ask("300")[1])
        sums = acquired(report)
        for kind, each in LOCKS.items():
            check(sums.get(kind) == 4 * rounds * each, kind, sums, "of", rounds, "rounds")
        check(report["processes"][0]["end"] == "detached", report["processes"][0]["end"])
    check(done == 4 * sum([500 * 4, 1000, 2000, 3000, 4000, 300 * 4]), "rounds:", done)
    names = [l["name"] for l in report["processes"][0]["locks"]]
    check("spin" in names and "semaphore" in names, "names:", names)
    target.end()


def test_crowded():
    """The program has taken the places where a session grows, as mariadbd does; a session has no room."""
    for threads, options in (40, []), (200, ["--session-size=1M"]):
        target = Target("crowded", str(threads))
        for _ in range(2):
            attached = Attached(target, *options)
            for _ in range(4):
                target.ask("20")
            report = attached.end()
            if options:
                check(report["processes"][0]["lost_events"] > 0, "nothing is lost")
            else:
                mutexes = acquired(report)["mutex"]
                check(mutexes == threads * 4 * 20 * LOCKS["mutex"], "counts:", mutexes)
        target.end()


def test_matrace():
    """What a realtime thread that was there before allocates, and does that may block, is counted."""
    target = Target("realtime")
    if target.said == "none\n":
        print("no realtime policy may be set here")
        return
    kept = os.path.join(WORK, "watched")
    calls = {"malloc": 200, "realloc": 100, "free": 200}
    more = {"open": 100, "close": 100, "nanosleep": 100}
    tries = [(["--fail", "-o", kept], calls, 3), (["--also=all"], {**calls, **more}, 0)]
    for options, wanted, status in tries:
        target.ask("5")
        attached = Attached(target, *options, tool=MATRACE)
        for command in [MUTRACE, "attach", "--duration=1"], [MATRACE, "attach", "--duration=1"]:
            r = subprocess.run([*command, str(target.pid)], capture_output=True, text=True)
            check(r.returncode == 2 and "'matrace detach %d' ends that" % target.pid in r.stderr, r)
        target.ask("100")
        report = attached.end(status)
        found = {}
        for one in report["processes"][0]["allocations"]:
            if one["function"] not in ("syscall", "page fault"):  # how it is told to begin; and ours
                found[one["function"]] = found.get(one["function"], 0) + one["count"]
                check(one["realtime_by"] == "policy" and one["tid_count"] == 1, one)
        check(found == wanted, options, found)
        totals = report["processes"][0]["allocation_totals"]
        each = {"allocations": 300, "frees": 200, "bytes": 30600}
        check(totals == {"realtime": each, "other": each}, options, totals)
        check("was attached to for" in attached.said, attached.said)
    read = os.path.join(WORK, "read")
    r = subprocess.run([MATRACE, "report", "--json=" + read, kept], capture_output=True, text=True)
    check(r.returncode == 0 and "500 times, from 5 places" in r.stderr + r.stdout, r)
    attached = Attached(target)
    check(target.ask("10") == ["done", "%d" % (2 * (2 * 105 + 10))], "rounds")
    target.ask("0")
    attached.end()
    target.end()


def test_pointers():
    """Calls through pointers of dlsym() are seen but of those in the heap, which is said."""
    target = Target("pointers")
    for _ in range(2):
        target.ask("10")
        attached = Attached(target)
        target.ask("100")
        report = attached.end()
        locks = {lock["name"]: lock["acquired"] for lock in report["processes"][0]["locks"]}
        check(locks == {"own[0]": 100, "own[2]": 100}, locks)
        redirected = report["processes"][0]["redirected"]
        check(redirected["pointers"] == 2 and redirected["not_redirected"] >= 2, redirected)
        check("could not be changed" in " ".join(attached.said.split()), attached.said)
    target.end()


def switches(pid, tid):
    with open("/proc/%d/task/%d/status" % (pid, tid)) as f:
        return [line for line in f if "ctxt_switches" in line]


def test_realtime():
    """A realtime thread is not stopped, even if all others compute; if there are no others, it is said."""
    target = Target("busy")
    if target.said == "none\n":
        return
    tid = max(int(t) for t in os.listdir("/proc/%d/task" % target.pid))
    before = switches(target.pid, tid)
    for _ in range(2):
        attach_for(target, 0.02)
    check(switches(target.pid, tid) == before, "it was stopped:", before, switches(target.pid, tid))
    target.end()
    target = Target("count", "2", preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
    attached = Attached(target)
    target.ask("10")
    check(acquired(attached.end())["mutex"] == 60, "counts of realtime threads")
    check("all threads of process %d are realtime ones" % target.pid in attached.said, attached.said)
    target.end()


def test_sealed():
    """Slots that cannot be changed are counted once, however often objects are loaded."""
    target = Target("sealed")
    if target.said == "none\n":
        return
    kept = []
    for times in 0, 4:
        attached = Attached(target)
        for _ in range(times):
            target.ask()
        kept.append(attached.end()["processes"][0]["redirected"]["not_redirected"])
    check(kept[0] == kept[1] > 0, kept)
    target.end()


def test_stops():
    """The recorder stopped by itself: the process is let go of as always, and can be attached to again."""
    target = Target("stops")
    if target.said == "none\n":
        return
    redirected = []
    for line in "1", "0":
        attached = Attached(target)
        target.ask(line)
        process = attached.end()["processes"][0]
        check(process["end"] == "detached", process["end"])
        redirected.append(process["redirected"]["slots"])
    check(redirected[0] == redirected[1] > 0, redirected)
    check({l["name"]: l["acquired"] for l in process["locks"]}["mutex"] == 1, process["locks"])
    attached = Attached(target)
    target.ask("2")
    check(attached.end()["processes"][0]["end"] == "detached", "it is not let go of")
    refused(target.pid, "forbids its threads to read the processor's clock")
    target.ask("2")
    target.end()


def test_contended_only():
    target = Target("count", "4")
    attached = Attached(target, "--contended-only")
    target.ask("20000")
    report = attached.end()
    for lock in report["processes"][0]["locks"]:
        check(lock["acquired"] is None or lock["acquired"] == lock["contended"], lock)
    target.end()


def test_held():
    """Locks that were held and waited for before are no misuse, whatever becomes of them."""
    for options in [], ["--contended-only"]:
        target = Target("held")
        attached = Attached(target, *options)
        check(target.ask() == ["done"], "it does not come to its end")
        acquired(attached.end())
        target.end()


def test_sleepers():
    """No system call returns EINTR."""
    calls = "epoll", "poll", "nanosleep", "receive", "signal", "semop"
    targets = [Target("sleep", which, "2") for which in calls]
    for target in targets:
        for _ in range(2):
            attach_for(target, 0.02)
    for target in targets:
        check("done" in target.end(), target.process.args)


def test_children():
    """Children that are forked while it is attached come to no harm."""
    target = Target("fork")
    for _ in range(2):
        attached = Attached(target)
        before = int(target.ask()[1])
        until(lambda: int(target.ask()[1]) > before + 8, "it does not go on")
        report = attached.end()
        check(acquired(report)["mutex"] >= 8, "the children's acquisitions")
        check(list(report["outside"]) == ["attached"], "programs that were executed:", report["outside"])
    target.end()


def test_vfork():
    """A thread waits for the child of its vfork(), where nothing interrupts it, and which has its memory."""
    target = Target("vfork", "120")
    until(lambda: children(target.pid), "no child")
    child, = children(target.pid)
    for _ in range(2):
        attached = Attached(target)
        target.ask()
        check(acquired(attached.end())["mutex"] == LOCKS["mutex"], "counts")
    refused(child, "has the memory of process %d" % target.pid)
    target.process.kill()
    os.kill(int(child), signal.SIGKILL)


def test_malloc():
    target = Target("malloc", "4")
    for _ in range(3):
        acquired(attach_for(target, 0.05))
    target.end()


def test_killed():
    """The command dies: the process goes on; it is attached to again, or detached from."""
    target = Target("count", "2")
    attached = Attached(target)
    attached.command.kill()
    attached.command.communicate()
    check(target.ask("100") == ["done", "200"], "it does not go on")
    attached = Attached(target)
    again = subprocess.run([MUTRACE, "attach", str(target.pid)], capture_output=True, text=True)
    check(again.returncode == 2 and "is attached to already" in again.stderr, again)
    target.ask("100")
    check(acquired(attached.end())["mutex"] == 600, "counts after a command was killed")
    attached = Attached(target)
    attached.command.kill()
    attached.command.communicate()
    check(subprocess.run([MUTRACE, "detach", str(target.pid)]).returncode == 0, "detach")
    again = subprocess.run([MUTRACE, "detach", str(target.pid)], capture_output=True, text=True)
    check(again.returncode == 2 and "not attached" in again.stderr, again)
    check(target.ask("100") == ["done", "600"], "it does not go on")
    target.end()


def blocked(pid):
    """The signals that each thread of a process blocks."""
    return subprocess.run("grep -h SigBlk: /proc/%d/task/*/status" % pid, shell=True, text=True,
                          capture_output=True).stdout.split()[1::2]


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            found += [int(child) for child in f.read().split()]
    return found


def test_killed_anywhere():
    """The command and its child die at any instant. A thread that is in a call for them comes back."""
    for i in range(int(os.environ.get("ATTACH_KILLS", "10"))):
        if i % 5 == 0:  # the library is loaded anew
            target = Target("count", "2")
        command = subprocess.Popen([MUTRACE, "attach", str(target.pid)], stderr=subprocess.DEVNULL)
        deadline = time.time() + 1
        while not children(command.pid) and time.time() < deadline:
            pass
        time.sleep(random.uniform(0, 0.012))
        for pid in [command.pid, *children(command.pid)[i % 2:]]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        command.wait()
        check(target.ask("10")[0] == "done", "it does not go on")
        if i % 5 == 4:
            attach_for(target, 0.01)
            check(set(blocked(target.pid)) == {"0" * 16}, "signals:", blocked(target.pid))
            target.end()


def test_ends():
    """The process ends, is killed, or executes something while it is attached to."""
    target = Target("count", "2")
    attached = Attached(target)
    target.ask("10")
    target.end()
    report = attached.ended()
    check(report["processes"][0]["end"] == "exited" and acquired(report)["mutex"] == 60, report)
    target = Target("count", "2")
    attached = Attached(target)
    target.ask("10")
    target.process.kill()
    check(attached.ended()["processes"][0]["end"] == "killed", "a process that was killed")


def test_outputs():
    """A session that is kept is read again, and mutrace top shows it meanwhile."""
    kept = os.path.join(WORK, "kept")
    page = os.path.join(WORK, "page.html")
    target = Target("count", "2")
    attached = Attached(target, "-o", kept, "--html=" + page)
    target.ask("100")
    top = subprocess.run([MUTRACE, "top", "--batch", "--count=1", str(target.pid)], capture_output=True,
                         text=True)
    check(top.returncode == 0 and "attach (PID %d)" % target.pid in top.stdout, "top:", top)
    first = acquired(attached.end())
    read = os.path.join(WORK, "read")
    check(subprocess.run([MUTRACE, "report", "--json=" + read, kept]).returncode == 0, "report")
    with open(read) as f:
        check(acquired(json.load(f)) == first, "the kept session")
    with open(page) as f:
        check("<html" in f.read(), "the page")
    target.end()


def refused(pid, *words):
    r = subprocess.run([MUTRACE, "attach", "--duration=0.05", str(pid)], capture_output=True, text=True)
    check(r.returncode == 2 and r.stderr.count("\n") == 1 and all(w in r.stderr for w in words), words, r)


def traced(pid):
    with open("/proc/%d/status" % pid) as f:
        return "TracerPid:\t0\n" not in f.read()


def test_refusals():
    """One line and status 2, and the process goes on."""
    ended = subprocess.Popen(["true"])
    until(lambda: "State:\tZ" in open("/proc/%d/status" % ended.pid).read(), "no zombie")
    refused(ended.pid, "has ended")
    ended.wait()
    refused(2**22 + 1, "no process")
    refused("x", "one process is wanted")
    if os.path.isdir("/proc/2") and open("/proc/2/comm").read() == "kthreadd\n":
        refused(2, "thread of the kernel")
    target = Target("count", "2")
    target.process.send_signal(signal.SIGSTOP)
    until(lambda: "State:\tT" in open("/proc/%d/status" % target.pid).read(), "it does not stop")
    refused(target.pid, "is stopped")
    target.process.send_signal(signal.SIGCONT)
    if shutil.which("strace"):
        strace = subprocess.Popen(["strace", "-f", "-o", "/dev/null", "-p", str(target.pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: traced(target.pid), "strace")
        refused(target.pid, "is traced by process %d" % strace.pid)
        strace.terminate()
        strace.wait()
    check(target.ask("100") == ["done", "200"], "it does not go on")
    target.end()


def main():
    global WORK
    if os.uname().machine not in ("x86_64", "aarch64"):
        print("skipped: attach knows no such machine")
        raise SystemExit(77)
    with tempfile.TemporaryDirectory() as WORK:
        for name, test in list(globals().items()):
            if name.startswith("test_") and (len(sys.argv) == 1 or name[5:] in sys.argv[1:]):
                start = time.time()
                test()
                print("%s: %.1f s" % (name, time.time() - start), flush=True)


main()
