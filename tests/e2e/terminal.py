# SPDX-License-Identifier: GPL-3.0-or-later
"""mutrace in a terminal: ^C ends the program and still reports, ^Z stops the job and fg continues it.

A pseudo-terminal, an interactive shell with job control in it. Skipped where no pseudo-terminal is to be had.
"""
import os
import pty
import select
import sys
import time


class Terminal:
    def __init__(self):
        try:
            self.pid, self.fd = pty.fork()
        except OSError as error:
            print("skipped: %s" % error)
            sys.exit(77)
        if self.pid == 0:
            os.environ["PS1"] = "ready> "
            os.environ["PS2"] = ""
            os.execlp("bash", "bash", "--norc", "--noprofile", "-i")
        self.seen = ""
        self.wait_for("ready> ")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, seconds=20):
        """Reads until the text has appeared since the last such wait."""
        deadline = time.time() + seconds
        while text not in self.seen:
            if not select.select([self.fd], [], [], max(0, deadline - time.time()))[0]:
                raise SystemExit("no %r in the terminal, but: %r" % (text, self.seen))
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                raise SystemExit("the terminal closed; had: %r" % self.seen)
        before, _, self.seen = self.seen.partition(text)
        return before


def main():
    mutrace = os.environ.get("MUTRACE") or os.path.join(os.environ.get("top_builddir", "."), "mutrace")
    t = Terminal()

    # The handler runs once although mutrace sits in the same group.
    t.type("%s sh -c 'trap \"echo got-int; exit 6\" INT; echo go\"\"ing; while :; do sleep 0.05; done'\n"
            % mutrace)
    t.wait_for("going")
    t.type("\x03")
    between = t.wait_for("ready> ")
    if between.count("got-int") != 1:
        raise SystemExit("SIGINT handled %d times: %r" % (between.count("got-int"), between))
    t.type("echo status-$?\n")
    t.wait_for("status-6")
    t.wait_for("ready> ")

    # Without a handler both die of it, so that the shell knows that the user meant it.
    # (Not a shell: one that is about to start a command may lose a SIGINT.)
    t.type("%s /usr/bin/python3 -c 'import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
           "print(\"go\" \"ing\", flush=True); signal.pause()'; echo status-$?\n" % mutrace)
    t.wait_for("going")
    t.type("\x03")
    t.wait_for("ready> ")
    t.type("echo status-$?\n")
    t.wait_for("status-130")
    t.wait_for("ready> ")

    # ^Z stops the whole job; fg continues it.
    t.type("%s sh -c 'echo go\"\"ing; read line; echo read-$line'\n" % mutrace)
    t.wait_for("going")
    t.type("\x1a")
    t.wait_for("Stopped")
    t.wait_for("ready> ")
    t.type("fg\n")
    time.sleep(0.2)
    t.type("hello\n")
    t.wait_for("read-hello")
    t.wait_for("ready> ")

    # ^\ likewise.
    t.type("%s sh -c 'ulimit -c 0; trap \"echo got-quit; exit 8\" QUIT; echo go\"\"ing; "
           "while :; do sleep 0.05; done'\n"
           % mutrace)
    t.wait_for("going")
    t.type("\x1c")
    between = t.wait_for("ready> ")
    if between.count("got-quit") != 1:
        raise SystemExit("SIGQUIT handled %d times: %r" % (between.count("got-quit"), between))
    t.type("echo status-$?\n")
    t.wait_for("status-8")
    print("terminal: as without mutrace")


main()
