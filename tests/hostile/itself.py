# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to mutrace: the program goes on unharmed and to its own result, what was recorded can be
read, and mutrace report says where it is.
"""
import fcntl
import glob
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

if not os.path.exists("/proc/self/stat"):
    print("skipped: there is no /proc, by which a thread is seen to sleep")
    sys.exit(77)

build = os.path.abspath(os.environ.get("top_builddir", "."))
mutrace = os.path.abspath(os.environ.get("MUTRACE") or os.path.join(build, "mutrace"))
truth = os.path.join(build, "tests/workloads/truth")
work = tempfile.mkdtemp()
os.chdir(work)
for variable in ("LD_PRELOAD", "MUTRACE_SESSION"):
    os.environ.pop(variable, None)
os.environ["top_builddir"] = build
# uses its locks, tells where its session is, and goes on when it is told to; a terminal's end means nothing
# to it
SCRIPT = """trap '' HUP PIPE
echo "$MUTRACE_SESSION" >where.new; mv where.new where
until [ -e go ]; do sleep 0.02; done
%s >/dev/null && echo fine >done
exit 7""" % truth


def fail(what):
    print("FAILED: %s" % what)
    raise SystemExit(1)


def until(what, condition, seconds=60):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            fail("did not become true: %s" % what)
        time.sleep(0.01)


def fresh():
    for name in ("where", "done", "go"):
        if os.path.exists(name):
            os.unlink(name)


def read(name):
    with open(name) as f:
        return f.read().strip()


def go():
    with open("go", "w"):
        pass


def listed():
    return subprocess.run([mutrace, "report"], stderr=subprocess.PIPE, text=True).stderr


def check_session(case):
    """The session is there, listed, and complete; then it is removed."""
    where = read("where")
    if where not in listed():
        fail("%s: mutrace report does not list %s but says: %s" % (case, where, listed()))
    if subprocess.run([mutrace, "report", "--json=json", "--remove-session", where],
                      stdout=subprocess.DEVNULL).returncode != 0:
        fail("%s: %s cannot be read" % (case, where))
    locks = [lock for p in json.load(open("json"))["processes"] for lock in p["locks"]]
    if [(l["acquired"], l["contended"]) for l in locks if l["name"] == "guilty_lock"] != [(400, 200)]:
        fail("%s: guilty_lock is not complete: %s" % (case, locks))
    if os.path.exists(where):
        fail("%s: --remove-session left %s" % (case, where))
    print("%s: the program unharmed, the session complete and listed" % case)


def start(**how):
    fresh()
    child = subprocess.Popen([mutrace, "sh", "-c", SCRIPT], **how)
    until("the program runs", lambda: os.path.exists("where"))
    return child


def killed():
    child = start(stderr=subprocess.DEVNULL)
    child.kill()
    child.wait()
    go()
    until("the program ends", lambda: os.path.exists("done"))
    check_session("killed")


def killed_by_hand():
    """Without mutrace: the program that is killed leaves its session, until another one does (a test beside
    us may)."""
    library = os.environ.get("MUTRACE_LIBRARY") or os.path.join(build, ".libs/libmutrace.so")
    for _ in range(5):
        fresh()
        child = subprocess.Popen([truth, "then-die"], env=dict(os.environ, LD_PRELOAD=library),
                                 stdout=subprocess.DEVNULL)
        if child.wait(timeout=60) != -signal.SIGKILL:
            fail("killed by hand: status %s" % child.returncode)
        for line in listed().splitlines():
            where = line.split()[1].rstrip(",")
            if time.strftime("started %Y-%m-%d") in line and glob.glob("%s/image.%d.*" % (where, child.pid)):
                with open("where", "w") as f:
                    f.write(where)
                return check_session("killed, preloaded by hand")
    fail("killed by hand: not listed: %s" % listed())


def stopped():
    child = start(stderr=subprocess.PIPE, text=True)
    os.kill(child.pid, signal.SIGSTOP)
    go()
    until("the program ends", lambda: os.path.exists("done"))
    if subprocess.run([mutrace, "report", read("where")], stdout=subprocess.DEVNULL).returncode != 0:
        fail("stopped: the session cannot be read meanwhile")
    os.kill(child.pid, signal.SIGCONT)
    report = child.communicate()[1]
    if child.returncode != 7 or "guilty_lock" not in report:
        fail("stopped: status %d, report %s" % (child.returncode, report))
    print("stopped: the program unharmed, the report made when it was continued")


def terminal_closed():
    fresh()
    try:
        pid, fd = pty.fork()
    except OSError as error:
        print("terminal closed: skipped, for there is no pseudo-terminal: %s" % error)
        return
    if pid == 0:
        os.execv(mutrace, [mutrace, "sh", "-c", SCRIPT])
    until("the program runs", lambda: os.path.exists("where"))
    os.close(fd)
    time.sleep(0.1)
    go()
    until("the program ends", lambda: os.path.exists("done"))
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 7:
        fail("terminal closed: status")
    check_session("terminal closed")


def stderr_gone():
    for case, how in (("a closed pipe", "pipe"), ("full", "full"), ("closed", "closed")):
        if how == "full" and not os.path.exists("/dev/full"):
            continue
        reader, writer = os.pipe()
        os.close(reader)
        preparation = {"pipe": lambda: os.dup2(writer, 2), "closed": lambda: os.close(2),
                       "full": lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 2)}[how]
        child = start(preexec_fn=preparation, pass_fds=(writer,))
        os.close(writer)
        go()
        if child.wait(timeout=60) != 7 or not os.path.exists("done"):
            fail("stderr %s: status %s" % (case, child.returncode))
        if how == "closed":  # nobody wanted to read anything
            if os.path.exists(read("where")):
                fail("stderr closed: the session is left behind")
            continue
        check_session("stderr " + case)


def unread(fd):
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"0000"))[0]


def is_writing(pid):
    """Whether it sleeps in write(), by its number on x86-64, i386 or aarch64."""
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()[0] in ("1", "4", "64")


def catches(pid, number):
    with open("/proc/%d/status" % pid) as f:
        mask = [line for line in f if line.startswith("SigCgt:")][0].split()[1]
    return int(mask, 16) >> number - 1 & 1


def is_opening(pid):
    """Sleeps in openat(), as above."""
    with open("/proc/%d/syscall" % pid) as f:
        return f.read().split()[0] in ("257", "56", "295")


def signals_at_the_beginning():
    """Before the program is there: mutrace waits for somebody who reads its output."""
    os.mkfifo("early")
    for number, status in ((signal.SIGUSR1, 7), (signal.SIGPIPE, 7), (signal.SIGWINCH, 7),
                           (signal.SIGUSR2, -signal.SIGUSR2), (signal.SIGTERM, -signal.SIGTERM)):
        child = subprocess.Popen([mutrace, "--json=early", "sh", "-c", "sleep 0.3; exit 7"],
                                 stderr=subprocess.DEVNULL)
        until("mutrace opens its output", lambda: is_opening(child.pid))
        os.kill(child.pid, number)
        fifo = os.open("early", os.O_RDWR) if number != signal.SIGTERM else -1
        if child.wait(timeout=60) != status:
            fail("signals at the beginning: status %s, not %s" % (child.returncode, status))
        if fifo >= 0:
            os.close(fifo)
    print("signals before the program: passed on, or they harm nobody")


def signals_at_the_end():
    """The report goes into a pipe that is full: mutrace is seen in the middle of it."""
    os.mkfifo("fifo")
    for case, signals in (("one", [signal.SIGTERM]),
                          ("that mean nothing to mutrace", [signal.SIGPROF, signal.SIGUSR2, signal.SIGPIPE]),
                          ("a report of the moment", [signal.SIGUSR1, signal.SIGHUP]),
                          ("two", [signal.SIGTERM, signal.SIGINT])):
        fresh()
        fifo = os.open("fifo", os.O_RDWR)
        fcntl.fcntl(fifo, 1031, 4096)  # F_SETPIPE_SZ
        os.write(fifo, b" " * 4096)
        with open("err", "w+") as err:
            child = subprocess.Popen([mutrace, "--json=fifo", "sh", "-c", SCRIPT], stderr=err)
            until("the program runs", lambda: os.path.exists("where"))
            go()
            until("mutrace writes its report", lambda: is_writing(child.pid))
            os.kill(child.pid, signals[0])
            if case == "two":  # the first one has done its work: none is caught any more
                until("the first signal arrives", lambda: not catches(child.pid, signal.SIGINT))
            for number in signals[1:]:
                os.kill(child.pid, number)
            if case == "two":
                until("mutrace ends", lambda: child.poll() is not None)
                if child.returncode != -signal.SIGINT:
                    fail("a second signal: status %s" % child.returncode)
                os.close(fifo)
                check_session("killed by a second signal while it reports")
                continue
            text = b""
            while True:
                if unread(fifo):
                    text += os.read(fifo, 4096)
                elif child.poll() is not None:
                    break
                time.sleep(0.001)
            text += os.read(fifo, unread(fifo)) if unread(fifo) else b""
            os.close(fifo)
            err.seek(0)
            if child.returncode != 7 or "guilty_lock" not in err.read():
                fail("signals at the end, %s: status %s" % (case, child.returncode))
            json.loads(text)
            if os.path.exists(read("where")):
                fail("signals at the end: the session is left behind")
    print("signals between the program's end and the report's: the report comes")


try:
    killed()
    killed_by_hand()
    stopped()
    terminal_closed()
    stderr_gone()
    signals_at_the_beginning()
    signals_at_the_end()
finally:
    os.chdir("/")
    shutil.rmtree(work)
