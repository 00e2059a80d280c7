#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What profiling costs real servers: throughput under mutrace over plain throughput, in interleaved pairs.

    apps.py [--pairs N] [--seconds S] [--json FILE] [--markdown FILE] [NAME...]

memcached (load: memload), redis-server with io-threads (redis-benchmark), mariadbd (sysbench). Servers that
are not installed are left out and said so. The variants "again" (plain once more) and "floor" show what the
machine's own noise and two readings of the clock make of the figures. Two figures a pair: throughput, and the
server's processor time per request, which other programs disturb less. The lock rate is that of the report.
"""
import argparse
import glob
import json
import os
import random
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


def cpu_seconds(pid):
    """Processor time so far of a process and, if it is mutrace, of the program that it runs."""
    total = 0.0
    for p in [pid] + children(pid):
        try:
            with open("/proc/%d/stat" % p) as f:
                fields = f.read().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass
    return total


def children(pid):
    found = []
    for path in glob.glob("/proc/%d/task/*/children" % pid):
        with open(path) as f:
            for child in f.read().split():
                found += [int(child)] + children(int(child))
    return found


class Server:
    """Started plain or under mutrace, loaded, stopped with SIGTERM."""
    name = ""
    needs = ()

    def __init__(self, options):
        self.options = options
        self.directory = tempfile.mkdtemp(prefix="mutrace-app.")

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def measure(self, variant):
        self.port = free_port()
        command, environment = self.command(), dict(os.environ)
        report = os.path.join(self.directory, "report.json")
        profiled = variant in benchlib.MUTRACE_OPTIONS
        if variant == "floor":
            environment["LD_PRELOAD"] = benchlib.FLOOR
        if profiled:
            command = benchlib.front(variant, report) + command
        with open(os.path.join(self.directory, "log"), "w") as log:
            server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log)
        try:
            self.wait_ready(server)
            self.load(0.5)
            before, started = cpu_seconds(server.pid), time.monotonic()
            per_second, requests = self.load(self.options.seconds)
            result = {"per_second": per_second, "cpu_us": (cpu_seconds(server.pid) - before) * 1e6 / requests}
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=120)
        if status not in self.statuses:
            raise benchlib.BenchError("%s ended with status %d" % (self.name, status))
        if profiled:
            with open(report) as f:
                t = benchlib.totals(json.load(f))
            if not t["acquired"] or t["lost"]:
                raise benchlib.BenchError("%s: %d acquisitions, %d events lost"
                                          % (self.name, t["acquired"], t["lost"]))
            result["acquired_per_second"] = t["acquired"] / (t["runtime_ns"] / 1e9)
            result["contended_per_second"] = t["contended"] / (t["runtime_ns"] / 1e9)
        return result

    statuses = (0,)

    def wait_ready(self, server):
        end = time.monotonic() + 60
        while time.monotonic() < end and server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise benchlib.BenchError("%s does not answer; see %s/log" % (self.name, self.directory))


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
        started = time.monotonic()
        benchlib.run(["redis-benchmark", "-p", str(self.port), "-n", str(requests), "-c", "50", "-r",
                      "100000", "-q", "SET", "key:__rand_int__", "value"])
        if seconds < 1:
            self.rate = requests / (time.monotonic() - started)
        return requests / (time.monotonic() - started), requests


class MariaDB(Server):
    name, needs = "mariadbd, sysbench oltp_read_write", ("mariadbd", "mariadb-install-db", "sysbench")
    script, threads = "oltp_read_write", 4

    def __init__(self, options):
        super().__init__(options)
        self.data = os.path.join(self.directory, "data")
        self.user = ["--user=root"] if os.getuid() == 0 else []
        self.prepared = False
        benchlib.run(["mariadb-install-db", "--no-defaults", "--datadir=" + self.data, "--skip-test-db",
                      "--auth-root-authentication-method=normal"] + self.user)

    def command(self):
        return ["mariadbd", "--no-defaults", "--datadir=" + self.data, "--port=%d" % self.port,
                "--bind-address=127.0.0.1", "--socket=" + os.path.join(self.directory, "socket"),
                "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=256M"] + self.user

    def sysbench(self, action, seconds):
        command = ["sysbench", self.script, "--mysql-socket=" + os.path.join(self.directory, "socket"),
                   "--mysql-user=root", "--mysql-db=bench", "--tables=4", "--table-size=10000",
                   "--threads=%d" % self.threads, "--time=%g" % max(1, seconds), action]
        return benchlib.run(command).stdout.decode()

    def load(self, seconds):
        if not self.prepared:
            benchlib.run(["mariadb", "--no-defaults", "--socket=" + os.path.join(self.directory, "socket"),
                          "--user=root", "-e", "create database bench"])
            self.sysbench("prepare", 1)
            self.prepared = True
        transactions = 0
        for line in self.sysbench("run", seconds).split("\n"):
            if line.strip().startswith("transactions:"):
                transactions = int(line.split()[1])
                return float(line.split("(")[1].split()[0]), transactions
        raise benchlib.BenchError("no figure from sysbench")


class MariaDBPoint(MariaDB):
    name, script = "mariadbd, sysbench oltp_point_select", "oltp_point_select"


SERVERS = (Memcached, MemcachedPipelined, Redis, MariaDB, MariaDBPoint)


def measure_server(kind, options):
    missing = [n for n in kind.needs if not shutil.which(n)]
    if missing:
        sys.stderr.write("%s: %s not installed, left out\n" % (kind.name, ", ".join(missing)))
        return None
    server = kind(options)
    try:
        sys.stderr.write("%-48s" % kind.name)
        results = benchlib.interleave(["plain"] + options.variants.split(","), options.pairs, server.measure,
                                      lambda i: sys.stderr.write("."))
        sys.stderr.write("\n")
    except benchlib.BenchError:
        sys.stderr.write(open(os.path.join(server.directory, "log")).read()[-2000:])
        raise
    finally:
        server.close()
    rows = []
    for v in options.variants.split(","):
        low, high = benchlib.spread(results, v, "plain", "per_second")
        rate = {k: benchlib.median(results, v, k) if k in results[v][0] else None
                for k in ("acquired_per_second", "contended_per_second")}
        rows.append({"name": kind.name, "variant": v, "pairs": options.pairs,
                     "plain_per_second": benchlib.median(results, "plain", "per_second"),
                     "per_second": benchlib.median(results, v, "per_second"),
                     "kept": benchlib.ratio(results, v, "plain", "per_second"),
                     "kept_low": low, "kept_high": high,
                     "cpu_ratio": benchlib.ratio(results, v, "plain", "cpu_us"),
                     **rate, "runs": {"plain": results["plain"], v: results[v]}})
    return rows


def markdown(rows, options):
    lines = ["# What profiling costs real servers", "",
             "Written by `apps.py`; do not edit. Medians over %d interleaved rounds of %g s; \"kept\" is"
             % (options.pairs, options.seconds),
             "throughput in that mode over plain throughput, \"CPU\" the server's processor time per request",
             "likewise. What \"floor\" (floor.c) does not keep, no profiler that times every hold can.", ""]
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
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--variants", default="floor,exact")
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
                rows += measure_server(kind, options) or []
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
