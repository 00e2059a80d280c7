#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# real.sh PROGRAM: a program that people use does under mutrace what it does without, and the report makes sense. As a
# test it runs all that are installed, each small enough for CI; MUTRACE_REAL_MB makes the files larger.
. "$(dirname "$0")/lib.sh"

megabytes=${MUTRACE_REAL_MB:-12}

input() {
	[ -e input ] || /usr/bin/python3 - "$megabytes" <<'PY' || exit 99
import random, sys
random.seed(1)
words = [bytes(random.choices(b"abcdefghijklmnop", k=random.randint(2, 9))) for _ in range(5000)]
with open("input", "wb") as f:
    while f.tell() < int(sys.argv[1]) << 20:
        f.write(b" ".join(random.choices(words, k=20000)) + b"\n")
PY
}

compressor() { # SUFFIX COMMAND...: writes input.SUFFIX
	local suffix=$1
	shift
	input
	"$@" || fail "$1 without mutrace"
	mv "input.$suffix" plain
	expect 0 "$mutrace" --json=json "$@"
	cmp -s plain "input.$suffix" || fail "output of $* differs"
	check_json json 'len(p["locks"]) >= 1' 'sum(l["acquired"] for l in p["locks"]) > 10' 'p["complete"]' \
		'p["lost_events"] == 0' 'all(l["acquired"] >= l["contended"] >= 0 for l in p["locks"])'
}

try_pbzip2() {
	for threads in 2 8; do
		compressor bz2 pbzip2 -k -f -p$threads input
		# Debian's has no debug information: places are named by function or by offset, never not at all.
		check_json json 'sum(c["waits"] for c in p["conditions"]) > 0' \
			'all(f.get("function") or f.get("offset") for l in p["locks"] for w in l["waiters"] for f in w["stack"])'
	done
}

try_xz() {
	compressor xz xz -T4 -k -f --block-size=1MiB -1 input
}

try_python3() {
	cat >threads.py <<'PY'
import threading
lock = threading.Lock()
total = 0
def work():
    global total
    for i in range(20000):
        with lock:
            total += i
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)
PY
	expect 0 "$mutrace" --json=json python3 threads.py
	[ "$(cat out)" = "$((8 * 20000 * 19999 / 2))" ] || fail "python's result"
	check_json json 'p["threads"] >= 9' \
		'sum(x.get("waits", 0) for x in p["conditions"]) + sum(l["acquired"] for l in p["locks"]) > 100'
}

try_memcached() {
	local port pid user=
	[ "$(id -u)" != 0 ] || user="-u nobody"
	port=$((20000 + RANDOM % 20000))
	# shellcheck disable=SC2086
	"$mutrace" --json=json memcached $user -l 127.0.0.1 -p $port -t 4 2>err &
	pid=$!
	/usr/bin/python3 - $port <<'PY' || fail "memcached did not serve"
import socket, sys, threading, time
port = int(sys.argv[1])
wrong = []
def load(n):
    for _ in range(100):
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=10)
            break
        except OSError:
            time.sleep(0.1)
    f = s.makefile("rwb")
    for i in range(2000):
        key = b"key%d" % (i % 50)
        f.write(b"set %s 0 0 5\r\nv%04d\r\nget %s\r\n" % (key, n, key))
        f.flush()
        if f.readline() != b"STORED\r\n" or not f.readline().startswith(b"VALUE " + key) or \
           len(f.readline()) != 7 or f.readline() != b"END\r\n":
            wrong.append(n)
            return
threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
sys.exit(bool(wrong))
PY
	kill -TERM $pid
	wait $pid
	[ $? = 0 ] || fail "memcached's exit status after SIGTERM"
	check_json json 'sum(l["acquired"] for l in p["locks"]) >= 32000' 'p["threads"] >= 5' 'p["lost_events"] == 0'
}

tried=
for program in ${1:-pbzip2 xz python3 memcached}; do
	if command -v $program >/dev/null; then
		echo "== $program"
		try_$program
		cat err
		tried=$program
	fi
done
[ -n "$tried" ] || exit 77
