# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that want to harm whoever attaches to them (tests/hostile/attached.c): another user's, in
namespaces of their own. They must not gain what only root may do.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("top_builddir") or os.getcwd())
MUTRACE = os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
FAST = "memfd", "forge", "swap", "mount", "shm"  # forever takes half a minute: make check-attach
SECRET = "only for root\n"


def check(right, *told):
    if not right:
        raise SystemExit("FAILED: " + " ".join(map(str, told)))


class Hostile:
    def __init__(self, *arguments, before=()):
        self.process = subprocess.Popen([*before, *NOBODY, PROGRAM, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        self.able = said == "ready\n"
        if not self.able:
            print("skipped: %s: %s" % (arguments[0], said.strip()))
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        check(said == "done\n", self.process.args, said)


def command(pid, *options):
    return subprocess.Popen([MUTRACE, "attach", "--json=" + os.path.join(WORK, "json"), *options, str(pid)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def recorded(pid):
    with open("/proc/%d/maps" % pid) as maps:
        return any("/image." in line for line in maps)


def attached(pid, *options):
    """A command that has attached."""
    attach = command(pid, *options)
    deadline = time.time() + 30
    while not recorded(pid):
        check(attach.poll() is None and time.time() < deadline, "it does not attach:", attach.poll())
        time.sleep(0.01)
    time.sleep(0.2)
    return attach


def ended(attach, status=0):
    said = attach.communicate(timeout=60)[1]
    check(attach.returncode == status, "exit status", attach.returncode, said)
    return said


def file_of_root(name, mode=0o644):
    path = os.path.join(WORK, name)
    with open(path, "w") as f:
        f.write(SECRET)
    os.chmod(path, mode)
    return path


def is_untouched(path):
    with open(path) as f:
        check(f.read() == SECRET, path, "was written to")


def test_memfd():
    """The library is not written into a file that the process chose."""
    victim = file_of_root("victim")
    hide = 'mount -t tmpfs tmpfs "$1"; shift; exec "$@"'
    with Hostile("memfd", victim, before=["unshare", "-m", "sh", "-c", hide, "-",
                                          os.path.join(BUILD, ".libs")]) as target:
        if target.able:  # the library comes by another way
            ended(command(target.pid, "--duration=0.1"))
    is_untouched(victim)


def test_forge():
    """Nobody else's process is let go of because an image names it."""
    with Hostile("plain") as other, Hostile("forge", str(other.pid)) as target:
        one, two = attached(other.pid), attached(target.pid)
        target.ask()
        time.sleep(0.7)  # a scan
        two.send_signal(signal.SIGINT)
        ended(two)
        time.sleep(0.1)
        one.send_signal(signal.SIGINT)
        said = ended(one)
        check("PID %d) was attached to" % other.pid in said and "has executed" not in said, said)
        with open(os.path.join(WORK, "json")) as f:
            text = f.read()
        check('"end": "detached"' in text or '"end":"detached"' in text, text[:2000])


def test_swap():
    """No other session is read because a link leads there."""
    private = os.path.join(WORK, "private")
    check(subprocess.run([MUTRACE, "-o", private, "true"], capture_output=True).returncode == 0, "session")
    with Hostile("swap", private) as target:
        attach = attached(target.pid)
        target.ask()
        attach.send_signal(signal.SIGINT)
        said = ended(attach)
        check("(PID %d) was attached to" % target.pid in said, said)
    check(os.path.exists(os.path.join(private, "session")), "a session of root was removed")
    for left in os.listdir("/dev/shm"):
        path = os.path.join("/dev/shm", left)
        if os.path.islink(path) and os.readlink(path) == private:
            os.unlink(path)
            shutil.rmtree(path + ".moved", ignore_errors=True)


def test_mount():
    """Nothing is written through what is mounted where the session was."""
    victim = file_of_root("mounted")
    with Hostile("mount", victim) as target:
        if target.able:
            attach = attached(target.pid)
            time.sleep(0.5)  # holders are seen asleep
            target.ask()
            attach.send_signal(signal.SIGINT)
            ended(attach)
    is_untouched(victim)


def test_shm():
    """No session is made where the process may make none."""
    place = os.path.join(WORK, "place")
    os.mkdir(place, 0o755)
    with Hostile("shm", place) as target:
        if target.able:
            attach = attached(target.pid)
            check(os.listdir(place) == [], "a session was made there")
            attach.send_signal(signal.SIGINT)
            ended(attach)
    check(os.listdir(place) == [], "a session was left")


def test_forever():
    """A call that does not return holds up the command for a time only, and may return later."""
    with Hostile("forever") as target:
        said = ended(command(target.pid, "--duration=0.1"), 2)
        check("does not return" in said and said.count("\n") == 1, said)
        os.kill(target.pid, signal.SIGUSR1)
        time.sleep(0.2)
        ended(command(target.pid, "--duration=0.1"))


def main():
    global WORK, PROGRAM
    if os.getuid() != 0 or not shutil.which("setpriv") or os.uname().machine not in ("x86_64", "aarch64"):
        print("skipped: it takes root and setpriv, and a machine whose processes can be attached to")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as WORK:
        os.chmod(WORK, 0o755)
        PROGRAM = shutil.copy(os.path.join(BUILD, "tests/hostile/attached"), WORK)
        os.chmod(PROGRAM, 0o755)
        for name, test in list(globals().items()):
            if name.startswith("test_") and (name[5:] in (sys.argv[1:] or FAST)):
                start = time.time()
                test()
                print("%s: %.1f s" % (name, time.time() - start), flush=True)


main()
