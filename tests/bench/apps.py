#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What profiling costs real servers: throughput under mutrace over plain throughput.

    apps.py [--sessions N] [--slices N] [--seconds S] [--variants LIST] [--json FILE] [--markdown FILE]
            [NAME...]

memcached (load: memload), redis-server with io-threads (redis-benchmark), mariadbd (sysbench). Servers that
are not installed are left out and said so. A session starts the server once in each variant; then one after
the other gets a slice of load, so that slices that are compared lie close together in time. The variants
"again" (plain once more), "floor" and "limit" show what the machine's own noise, two readings of the clock,
and the least that tells locks apart make of the figures. Two figures: throughput, and the server's processor
time per request, which other programs disturb less. The lock rate is that of the report.
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import benchlib

MEMLOAD = os.environ.get("MEMLOAD", os.path.join(benchlib.BUILD, "memload"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ns(pid):
    """Processor time so far of the threads of a process and of its descendants."""
    total = 0
    for path in glob.glob("/proc/%d/task/*" % pid):
        try:
            with open(path + "/schedstat") as f:
                total += int(f.read().split()[0])
            with open(path + "/children") as f:
                total += sum(cpu_ns(int(child)) for child in f.read().split())
        except OSError:
            pass
    return total


class Server:
    """One running server, plain or profiled."""
    name = ""
    needs = ()

    def __init__(self, variant):
        self.variant = variant
        self.directory = tempfile.mkdtemp(prefix="mutrace-app.")
        self.report = os.path.join(self.directory, "report.json")
        self.port = free_port()
        self.process = None
        self.counted = None  # the process whose time is taken; None: all that was started
        self.requests = 0

    def prepare(self):
        """Before the server runs."""

    def fill(self):
        """Once it does."""

    def start(self):
        self.prepare()
        command, environment = self.command(), dict(os.environ)
        if self.variant in benchlib.PRELOADED:
            environment["LD_PRELOAD"] = benchlib.PRELOADED[self.variant]
        elif self.variant in benchlib.MUTRACE_OPTIONS:
            command = benchlib.front(self.variant, self.report) + command
        with open(os.path.join(self.directory, "log"), "w") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                self.fill()
                return
            except OSError:
                time.sleep(0.05)
        raise benchlib.BenchError("%s does not answer" % self.name)

    def slice(self, seconds):
        pid = self.counted or self.process.pid
        before = cpu_ns(pid)
        per_second, requests = self.load(seconds)
        self.requests += requests
        return {"per_second": per_second, "cpu_us": (cpu_ns(pid) - before) / 1000 / requests}

    def stop(self):
        """Ends the server; returns acquisitions and contentions per request, if it was profiled."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=120)
        if status:
            raise benchlib.BenchError("%s ended with status %d" % (self.name, status))
        if self.variant not in benchlib.MUTRACE_OPTIONS:
            return None
        with open(self.report) as f:
            t = benchlib.totals(json.load(f))
        if not t["acquired"] or t["lost"]:
            raise benchlib.BenchError("%s: %d acquisitions, %d events lost"
                                      % (self.name, t["acquired"], t["lost"]))
        return t["acquired"] / self.requests, t["contended"] / self.requests

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        try:
            with open(os.path.join(self.directory, "log"), errors="replace") as f:
                return f.read()[-2000:]
        except OSError:
            return ""


class Memcached(Server):
    name, needs, depth = "memcached", ("memcached",), 1

    def command(self):
        user = ["-u", "root"] if os.getuid() == 0 else []
        return ["memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "4"] + user

    def load(self, seconds):
        p = benchlib.run([MEMLOAD, "-p", str(self.port), "-d", str(self.depth), "-s", str(seconds)])
        r = json.loads(p.stdout)
        return r["per_second"], r["requests"]


class MemcachedPipelined(Memcached):
    name, depth = "memcached, 32 requests in flight a connection", 32


class Redis(Server):
    name, needs = "redis-server, 2 io-threads", ("redis-server", "redis-benchmark")

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly",
                "no", "--io-threads", "2", "--io-threads-do-reads", "yes", "--dir", self.directory]

    rate = 50000  # requests a second at first; learnt

    def load(self, seconds):
        requests = max(1000, int(self.rate * seconds))
        answer = benchlib.run(["redis-benchmark", "-p", str(self.port), "-n", str(requests), "-c", "50", "-r",
                               "100000", "-q", "SET", "key:__rand_int__", "value"]).stdout.decode()
        found = re.findall(r"([0-9.]+) requests per second", answer)
        if not found:
            raise benchlib.BenchError("no figure from redis-benchmark: " + answer[-200:])
        Redis.rate = float(found[-1])
        return Redis.rate, requests


class MariaDB(Server):
    name, needs = "mariadbd, sysbench oltp_read_write", ("mariadbd", "mariadb-install-db", "sysbench")
    script, threads = "oltp_read_write", 4
    empty = None  # a data directory, made once

    def prepare(self):
        self.data = os.path.join(self.directory, "data")
        self.user = ["--user=root"] if os.getuid() == 0 else []
        if not MariaDB.empty:
            MariaDB.empty = tempfile.TemporaryDirectory(prefix="mutrace-app.")
            benchlib.run(["mariadb-install-db", "--no-defaults", "--datadir=" + MariaDB.empty.name,
                          "--skip-test-db", "--auth-root-authentication-method=normal"] + self.user)
        shutil.copytree(MariaDB.empty.name, self.data)

    def command(self):
        return ["mariadbd", "--no-defaults", "--datadir=" + self.data, "--port=%d" % self.port,
                "--bind-address=127.0.0.1", "--socket=" + os.path.join(self.directory, "socket"),
                "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=256M"] + self.user

    def sysbench(self, action, seconds):
        command = ["sysbench", self.script, "--mysql-socket=" + os.path.join(self.directory, "socket"),
                   "--mysql-user=root", "--mysql-db=bench", "--tables=4", "--table-size=10000",
                   "--threads=%d" % self.threads, "--time=%d" % max(1, round(seconds)), action]
        return benchlib.run(command).stdout.decode()

    def fill(self):
        benchlib.run(["mariadb", "--no-defaults", "--socket=" + os.path.join(self.directory, "socket"),
                      "--user=root", "-e", "create database bench"])
        self.sysbench("prepare", 1)

    def load(self, seconds):
        for line in self.sysbench("run", seconds).split("\n"):
            if line.strip().startswith("transactions:"):
                return float(line.split("(")[1].split()[0]), int(line.split()[1])
        raise benchlib.BenchError("no figure from sysbench")


class MariaDBPoint(MariaDB):
    name, script = "mariadbd, sysbench oltp_point_select", "oltp_point_select"


SERVERS = (Memcached, MemcachedPipelined, Redis, MariaDB, MariaDBPoint)


def run_session(kind, variants, options, results, rates):
    """Starts the server in each variant and gives each of them its slices of load, in turn."""
    servers = {v: kind(v) for v in variants}
    try:
        for server in servers.values():
            server.start()
            server.slice(0.5)
        for _ in range(options.slices):
            order = list(variants)
            random.shuffle(order)
            for v in order:
                results[v].append(servers[v].slice(options.seconds))
            sys.stderr.write(".")
        for v, server in servers.items():
            rates[v].append(server.stop())
    except benchlib.BenchError:
        for server in servers.values():
            sys.stderr.write(server.log())
        raise
    finally:
        for server in servers.values():
            server.close()


def measure_server(kind, options):
    missing = [n for n in kind.needs if not shutil.which(n)]
    if missing:
        sys.stderr.write("%s: %s not installed, left out\n" % (kind.name, ", ".join(missing)))
        return []
    variants = ["plain"] + options.variants.split(",")
    results, rates = {v: [] for v in variants}, {v: [] for v in variants}
    sys.stderr.write("%-48s" % kind.name)
    for _ in range(options.sessions):
        run_session(kind, variants, options, results, rates)
    sys.stderr.write("\n")
    rows = []
    for v in variants[1:]:
        low, high = benchlib.spread(results, v, "plain", "per_second")
        row = {"name": kind.name, "variant": v, "acquired_per_second": None, "contended_per_second": None,
               "plain_per_second": benchlib.median(results, "plain", "per_second"),
               "per_second": benchlib.median(results, v, "per_second"),
               "kept": benchlib.ratio(results, v, "plain", "per_second"), "kept_low": low, "kept_high": high,
               "cpu_ratio": benchlib.ratio(results, v, "plain", "cpu_us"),
               "runs": {"plain": results["plain"], v: results[v]}}
        if rates[v][0]:
            for i, key in enumerate(("acquired_per_second", "contended_per_second")):
                row[key] = row["per_second"] * sum(r[i] for r in rates[v]) / len(rates[v])
        rows.append(row)
    return rows


def markdown(rows, options):
    lines = ["# What profiling costs real servers", "",
             "Written by `apps.py`; do not edit. Medians over %d x %d interleaved slices of %g s; \"kept\" is"
             % (options.sessions, options.slices, options.seconds),
             "throughput in that mode over plain throughput, \"CPU\" the server's processor time per request",
             "likewise. What \"floor\" (floor.c) does not keep, no profiler that times every hold can; "
             "what \"limit\" does",
             "not (the same with a cache line for each lock of a thread), none that says which lock.", ""]
    lines += ["- " + l for l in benchlib.describe_machine()] + [""]
    lines += ["| server | mode | plain, 1/s | profiled, 1/s | kept (quartiles) | CPU | acquisitions, 1/s |"
              " contended, 1/s |", "|---|---|--:|--:|--:|--:|--:|--:|"]
    for r in rows:
        lines.append("| %s | %s | %.0f | %.0f | %.1f %% (%.1f-%.1f) | %.3f | %s | %s |" % (
            r["name"], r["variant"], r["plain_per_second"], r["per_second"], r["kept"] * 100,
            r["kept_low"] * 100, r["kept_high"] * 100, r["cpu_ratio"],
            *("-" if r[k] is None else "%.0f" % r[k]
              for k in ("acquired_per_second", "contended_per_second"))))
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--sessions", type=int, default=3)
    p.add_argument("--slices", type=int, default=6)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--variants", default="floor,limit,exact")
    p.add_argument("--json")
    p.add_argument("--markdown")
    p.add_argument("names", nargs="*", help="servers whose name contains one of these")
    options = p.parse_args()
    random.seed(1)
    benchlib.need_tools()
    rows = []
    try:
        for kind in SERVERS:
            if not options.names or any(n in kind.name for n in options.names):
                rows += measure_server(kind, options)
    except benchlib.BenchError as e:
        sys.exit("apps: %s" % e)
    text = markdown(rows, options)
    print(text, end="")
    if options.markdown:
        with open(options.markdown, "w") as f:
            f.write(text)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"machine": benchlib.describe_machine(), "rows": rows}, f, indent=1)
            f.write("\n")


if __name__ == "__main__":
    main()
