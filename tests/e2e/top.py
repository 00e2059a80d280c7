#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""mutrace top, in a pseudo-terminal and with --batch: who waits for whom, keys, another size, the terminal as
it was at the end. Skipped where no pseudo-terminal is to be had."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

BUILD = os.environ.get("top_builddir") or os.getcwd()
MUTRACE = os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace")
WORKLOADS = os.path.join(BUILD, "tests/workloads")


def fail(why):
    raise SystemExit("FAILED: " + why)


class Screen:
    """A terminal with mutrace top in it. The last whole picture is kept as lines."""

    def __init__(self, *arguments, size=(30, 100)):
        try:
            self.master, self.slave = pty.openpty()
        except OSError as error:
            print("skipped: %s" % error)
            sys.exit(77)
        self.seen = ""
        self.resize(*size)
        self.usual = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen([MUTRACE, "top", *arguments], stdin=self.slave, stdout=self.slave,
                                        env={**os.environ, "TERM": "xterm"}, start_new_session=True)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536).decode(errors="replace")

    def lines(self):
        pictures = self.seen.split("\x1b[H")
        whole = [p for p in pictures[1:] if p.endswith("\x1b[J") or "\x1b[J" in p]
        return re.sub(r"\x1b\[[?0-9]*[a-zA-Z]|\r", "", whole[-1]).split("\n") if whole else []

    def until(self, wanted, seconds=20):
        """wanted: of lines, true once they are as they must be."""
        deadline = time.time() + seconds
        while not wanted(self.lines()):
            if time.time() > deadline:
                fail("the screen is: " + "\n".join(self.lines()))
            self.read(0.2)
        return self.lines()

    def check_end(self, status):
        deadline = time.time() + 20
        while self.process.poll() is None:
            if time.time() > deadline:
                fail("it does not end")
            self.read(0.1)
        self.read(0.1)
        if self.process.returncode != status:
            fail("exit status %s" % self.process.returncode)
        if termios.tcgetattr(self.slave) != self.usual:
            fail("the terminal is not as it was")
        if not self.seen.endswith("\x1b[?25h\x1b[?1049l"):
            fail("the screen is not given back")


def has(text):
    return lambda lines: any(text in line for line in lines)


def test_screen(session):
    s = Screen("--interval=0.1", session)
    s.until(lambda lines: has("wanted_lock")(lines) and has("waits ")(lines) and has(", held by ")(lines))
    s.type("\r")
    s.until(lambda lines: has("want_lock ")(lines) and has("because")(lines) or has("not read yet")(lines))
    s.type("\r/nothing")
    s.until(lambda lines: has("filter: nothing")(lines) and not has("wanted_lock  ")(lines))
    s.type("\x1b")
    s.until(lambda lines: has("wanted_lock  ")(lines) and not has("filter")(lines))
    s.type("oo")
    s.until(has("order: acquired"))
    s.type(" ")
    s.until(has("; frozen"))
    s.type(" ?")
    s.until(lambda lines: has("q quit")(lines) and not has("; frozen")(lines))
    s.resize(12, 60)
    s.process.send_signal(signal.SIGWINCH)
    s.until(lambda lines: 1 < len(lines) <= 12 and all(len(line) <= 60 for line in lines))
    s.type("q")
    s.check_end(0)

    s = Screen("--interval=0.1", session)
    s.until(has("wanted_lock"))
    s.process.send_signal(signal.SIGTERM)
    s.check_end(0)


def batch(*arguments):
    r = subprocess.run([MUTRACE, "top", "--batch", "--interval=0.1", *arguments], capture_output=True,
                       text=True)
    if r.returncode != 0:
        fail("top --batch %s: %s" % (arguments, r.stderr))
    return r.stdout.rstrip("\n").split("\n\n")


def test_batch(session, pid):
    for name in (session, str(pid)):
        tables = batch("--count=3", name)
        if len(tables) != 3:
            fail("%d tables" % len(tables))
        row = re.search(r"(?m)^wanted_lock +([0-9.]+) +(\d+) +(\d+) +\S+( \S+)? +(\d+)$", tables[-1])
        # one thread waits all the time
        if not row or not 0.8 < float(row.group(1)) < 1.2 or row.group(5) != "1":
            fail("the table is: " + tables[-1])
        if ", held by " not in tables[-1]:
            fail("it does not say who has the lock")


def test_rates(work):
    """Locks that are used all the time, until the program ends; and the table ends with it."""
    many = os.path.join(WORKLOADS, "html-many")
    with subprocess.Popen([MUTRACE, "-o", "rates", many, "20", "2", "1"], cwd=work, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        run.stdout.readline()
        tables = batch("--per-instance", "--max=5", os.path.join(work, "rates"))
    busy = [t for t in tables if re.search(r"(?m)^mutex in main .* [1-9][0-9 ]* +\S+ ns +0$", t)]
    if len(busy) < 2 or "; it has ended" not in tables[-1]:
        fail("the tables are: " + "\n\n".join(tables))
    if any(len(t.split("\n")) > 2 + 5 for t in tables):
        fail("--max is not heeded")


def test_errors(work):
    for arguments, words in ((["--batch", work], "not a session"), ([work], "no terminal"),
                             (["--batch", "4194303"], "not being recorded"),
                             (["--batch", os.path.join(work, "none")], "No such file")):
        r = subprocess.run([MUTRACE, "top", *arguments], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
        if r.returncode != 2 or words not in r.stderr or r.stderr.count("\n") != 1:
            fail("%s: %d %s" % (arguments, r.returncode, r.stderr))


def main():
    with tempfile.TemporaryDirectory() as work:
        session = os.path.join(work, "kept")
        run = subprocess.Popen([MUTRACE, "-o", session, os.path.join(WORKLOADS, "hang"), "go"], cwd=work,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            line = run.stdout.readline()
            while line and "waiting" not in line:
                line = run.stdout.readline()
            images = [n for n in os.listdir(session) if n.startswith("image.")]
            pids = [int(n.split(".")[1]) for n in images if os.path.exists("/proc/" + n.split(".")[1])]
            test_batch(session, pids[0])
            test_screen(session)
            test_errors(work)
        finally:
            open(os.path.join(work, "go"), "w").close()
            run.stdout.read()
            run.wait()
        test_rates(work)


main()
