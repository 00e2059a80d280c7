#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attaches to real programs under load and lets go of them, CYCLES times each (1000), no longer than
SECONDS each (600). None may crash, hang, or answer wrongly. Not part of make check: make check-attach.
Arguments: the programs; none: all that are installed."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("top_builddir") or os.getcwd()
MUTRACE = os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace")
WORKLOAD = os.path.join(BUILD, "tests/workloads/attach")
CYCLES = int(os.environ.get("CYCLES", "1000"))
SECONDS = float(os.environ.get("SECONDS", "600"))
FIRST = 20  # cycles, after which memory should grow no more
NAMELESS = ["--sysroot=/nowhere"]  # no file is read for names, which costs more than all else

JAVA = """import java.util.concurrent.atomic.*;
public class T { static Object lock = new Object(); static long together; static volatile boolean over;
public static void main(String[] a) throws Exception { AtomicLong apart = new AtomicLong();
Thread[] t = new Thread[6];
for (int i = 0; i < 6; i++) { t[i] = new Thread(() -> { while (!over) { for (int k = 0; k < 2000; k++) {
synchronized (lock) { together++; } apart.incrementAndGet(); } byte[] b = new byte[100000];
try { Thread.sleep(1); } catch (InterruptedException e) { System.exit(1); } } }); t[i].start(); }
System.out.println("ready"); while (System.in.read() >= 0) ; over = true; for (Thread x : t) x.join();
System.exit(together == apart.get() ? 0 : 1); } }
"""
NODE = """const c = require('crypto'), fs = require('fs'); let over = false, first;
function go() { c.pbkdf2('a', 'b', 2000, 64, 'sha512', (e, k) => { const s = k.toString('hex');
first = first || s; if (e || s != first) process.exit(1);
fs.readFile('/etc/passwd', e => { if (e) process.exit(1); if (!over) setTimeout(go, 2); }); }); }
for (let i = 0; i < 6; i++) go(); console.log('ready');
process.stdin.resume(); process.stdin.on('end', () => { over = true; });
"""
PYTHON = """import queue, sys, threading, time
q, over, put, got = queue.Queue(10), [], [0] * 4, [0] * 4
def work(i):
    while not over:
        q.put(i); put[i] += 1; q.get(timeout=60); got[i] += 1; time.sleep(0.0005)
all = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in all: t.start()
print('ready', flush=True); sys.stdin.read(); over.append(1)
for t in all: t.join()
sys.exit(0 if sum(put) == sum(got) + q.qsize() else 1)
"""


class Program:
    """One that says "ready", and exits with 0 when its input ends if all was well."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60) == 0 and "FAILED" not in self.process.stdout.read()


class Server:
    """One with clients in threads of ours, which raise an exception if an answer is wrong."""

    def __init__(self, command, port, clients, *work):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.over, self.right, self.asked = False, 0, 0
        deadline = time.time() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.time() < deadline and self.process.poll() is None, "the server does not answer"
                time.sleep(0.1)
        self.clients = [threading.Thread(target=self.client, args=(port, i, *work))
                        for i in range(clients)]
        for client in self.clients:
            client.start()

    def client(self, port, i, work):
        stream = socket.create_connection(("127.0.0.1", port), timeout=60).makefile("rwb")
        n = 0
        while not self.over:
            n += 1
            work(stream, i, n)
            self.asked += 1
            time.sleep(0.001)
        self.right += 1

    def end(self):
        self.over = True
        for client in self.clients:
            client.join()
        self.process.terminate()
        return self.process.wait(60) in (0, -15) and self.right == len(self.clients) and self.asked > 0


def ask(stream, request, *answers):
    stream.write(request)
    stream.flush()
    for answer in answers:
        got = stream.readline()
        assert got == answer, (request, got)


def memcached_work(stream, i, n):
    key, value = b"k%d.%d" % (i, n % 100), b"x" * (n % 97)
    ask(stream, b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")
    ask(stream, b"get %s\r\n" % key, b"VALUE %s 0 %d\r\n" % (key, len(value)), value + b"\r\n", b"END\r\n")


def redis_work(stream, i, n):
    ask(stream, b"INCR n%d\r\n" % i, b":%d\r\n" % n)


class MariaDb:
    """Statements are counted by us and by the table."""

    def __init__(self, where):
        data, self.socket = os.path.join(where, "data"), os.path.join(where, "socket")
        subprocess.run(["mariadb-install-db", "--user=root", "--datadir=" + data], check=True,
                       capture_output=True)
        self.process = subprocess.Popen(["mariadbd", "--user=root", "--datadir=" + data, "--skip-networking",
                                         "--socket=" + self.socket, "--innodb-buffer-pool-size=64M"],
                                        stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while not os.path.exists(self.socket):
            assert time.time() < deadline
            time.sleep(0.2)
        self.run("create table test.t (id int primary key, n int) engine=innodb; insert into test.t values "
                 + ",".join("(%d,0)" % i for i in range(4)) + ";")
        self.over, self.failed, self.done = False, 0, [0] * 4
        self.clients = [threading.Thread(target=self.client, args=(i,)) for i in range(4)]
        for client in self.clients:
            client.start()

    def command(self):
        return ["mariadb", "--socket=" + self.socket, "-uroot", "-N", "-n"]

    def run(self, text):
        return subprocess.run(self.command(), input=text, text=True, capture_output=True, check=True).stdout

    def client(self, i):
        p = subprocess.Popen(self.command(), stdin=subprocess.PIPE, text=True)
        while not self.over:
            p.stdin.write("update test.t set n = n + 1 where id = %d;\n" % (i // 2))
            p.stdin.flush()
            self.done[i] += 1
            time.sleep(0.002)
        p.stdin.close()
        self.failed += p.wait(60) != 0

    def end(self):
        self.over = True
        for client in self.clients:
            client.join()
        total = int(self.run("select sum(n) from test.t;"))
        self.process.terminate()
        self.process.wait(60)
        return self.failed == 0 and total == sum(self.done)


def script(where, name, text):
    path = os.path.join(where, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def java(where):
    script(where, "T.java", JAVA)
    subprocess.run(["javac", "T.java"], cwd=where, check=True)
    return Program("java", "-cp", where, "T")


PROGRAMS = {
    "memcached": lambda w: Server(["memcached", "-u", "root", "-p", "21311", "-t", "4"], 21311, 4,
                                  memcached_work),
    "mariadbd": MariaDb,
    "redis-server": lambda w: Server(["redis-server", "--port", "26479", "--io-threads", "4",
                                      "--io-threads-do-reads", "yes", "--save", "", "--dir", w], 26479, 16,
                                     redis_work),
    "java": java,
    "node": lambda w: Program("node", script(w, "n.js", NODE)),
    "python3": lambda w: Program("/usr/bin/python3", script(w, "p.py", PYTHON)),
    "malloc": lambda w: Program(WORKLOAD, "malloc", "8"),
    "fork": lambda w: Program(WORKLOAD, "fork"),
    "threads": lambda w: Program(WORKLOAD, "count", "500"),
    "sleep": lambda w: Program(WORKLOAD, "sleep", str(int(SECONDS) + 30)),
}


def memory(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def cycles(program, where):
    """Returns how many were done, the messages of those that were refused, and the memory after FIRST."""
    pid, refused, deadline, first = program.process.pid, {}, time.time() + SECONDS, 0
    for n in range(CYCLES):
        if n == FIRST:
            first = memory(pid)
        if time.time() > deadline:
            return n, refused, first
        r = subprocess.run([MUTRACE, "attach", "--duration=0.05", "--json=" + os.path.join(where, "json"),
                            *NAMELESS[:n % 20], str(pid)], capture_output=True, text=True, timeout=120)
        if r.returncode != 0:
            said = r.stderr.strip().replace(str(pid), "PID")
            refused[said] = refused.get(said, 0) + 1
        assert program.process.poll() is None, "it died in cycle %d: %s" % (n, program.process.returncode)
    return CYCLES, refused, first


def one(name):
    with tempfile.TemporaryDirectory() as where:
        program = PROGRAMS[name](where)
        try:
            time.sleep(1)
            before, start = memory(program.process.pid), time.time()
            n, refused, first = cycles(program, where)
            after, each = memory(program.process.pid), (time.time() - start) / n
            right = program.end()
        finally:
            program.over = True
            program.process.kill()
    print("%s: %d cycles of %.2f s, %d refused %s, memory %d KB, after %d cycles %d, at last %d, %s" %
          (name, n, each, sum(refused.values()), refused or "", before, FIRST, first, after,
           "right" if right else "WRONG"), flush=True)
    return right


def main():
    ours = "malloc", "fork", "threads", "sleep"
    names = sys.argv[1:] or [name for name in PROGRAMS if name in ours or shutil.which(name)]
    sys.exit(0 if all([one(name) for name in names]) else 1)


main()
