# SPDX-License-Identifier: GPL-3.0-or-later
# Servers under a load, ended by a signal, for real.sh: every answer right, an orderly end, a report.

# No server outlives a test that failed: SIGTERM is passed on to it.
server=
trap '[ -z "$server" ] || kill -TERM $server 2>/dev/null; rm -rf "$work"' EXIT

try_memcached() {
	local port pid user=
	[ "$(id -u)" != 0 ] || user="-u nobody"
	port=$((20000 + RANDOM % 20000))
	# shellcheck disable=SC2086
	"$mutrace" --json=json --perfetto=trace memcached $user -l 127.0.0.1 -p $port -t 4 2>err &
	pid=$!
	server=$pid
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
	/usr/bin/python3 "$top_srcdir/tests/e2e/perfetto.py" trace || fail "memcached's time line"
	check_json json 'sum(l["acquired"] or 0 for l in p["locks"]) >= 32000' 'p["threads"] >= 5' \
		'p["lost_events"] == 0'
}

try_redis-server() {
	local pid
	cat >redis.conf <<CONF
port 0
unixsocket $work/redis.sock
io-threads 3
io-threads-do-reads yes
save ""
appendonly no
dir $work
CONF
	"$mutrace" --json=json redis-server redis.conf >out 2>err &
	pid=$!
	server=$pid
	until_true 20 redis-cli -s redis.sock ping >/dev/null 2>&1
	# Its threads spin while they wait for each other: on few and busy processors a request takes
	# milliseconds.
	timeout 120 redis-benchmark -s redis.sock -t set,get,incr -n 2000 -c 12 -P 8 -r 100 -q >load 2>&1 ||
		fail "redis-benchmark: $(tr '\r' '\n' <load | tail -n 3)"
	[ "$(redis-cli -s redis.sock incr counter:__rand_int__x)" = 1 ] || fail "redis answers"
	kill -TERM $pid
	wait $pid
	[ $? = 0 ] || fail "redis-server's exit status after SIGTERM"
	says "redis-server (PID" # as it was started: Debian's is a link
	check_json json 'p["threads"] >= 5' 'sum(l["acquired"] or 0 for l in p["locks"]) > 100'
}

try_nginx() {
	local pid
	mkdir -p www && seq 20000 >www/file
	cat >nginx.conf <<CONF
daemon off;
worker_processes 2;
pid $work/nginx.pid;
error_log $work/error.log;
$([ "$(id -u)" != 0 ] || echo "user root;")
events { worker_connections 100; }
http {
	access_log off;
	client_body_temp_path $work/t1; proxy_temp_path $work/t2; fastcgi_temp_path $work/t3;
	uwsgi_temp_path $work/t4; scgi_temp_path $work/t5;
	server { listen unix:$work/nginx.sock; root $work/www; }
}
CONF
	"$mutrace" --json=json nginx -c "$work/nginx.conf" -e "$work/error.log" >out 2>err &
	pid=$!
	server=$pid
	/usr/bin/python3 - nginx.sock <<'PY' || fail "nginx did not serve"
import socket, sys, time
wanted = open("www/file", "rb").read()
for i in range(300):
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(sys.argv[1])
            break
        except OSError:
            time.sleep(0.1)
    s.sendall(b"GET /file HTTP/1.0\r\n\r\n")
    got = b"".join(iter(lambda: s.recv(65536), b""))
    if not got.startswith(b"HTTP/1.1 200") or not got.endswith(wanted):
        sys.exit(1)
PY
	kill -QUIT $pid
	wait $pid
	[ $? = 0 ] || fail "nginx's exit status after SIGQUIT"
}

try_mariadbd() {
	local pid socket=$work/m.sock
	command -v sysbench >/dev/null || return 0
	mariadb-install-db --no-defaults --datadir="$work/data" --auth-root-authentication-method=normal \
		$([ "$(id -u)" != 0 ] || echo --user=root) >install.log 2>&1 || exit 99
	"$mutrace" --json=json mariadbd --no-defaults --datadir="$work/data" --socket="$socket" \
		--skip-networking \
		$([ "$(id -u)" != 0 ] || echo --user=root) >out 2>err &
	pid=$!
	server=$pid
	until_true 60 mariadb --no-defaults -S "$socket" -u root -e \
		'create database if not exists sbtest' 2>/dev/null
	set -- sysbench oltp_read_write --db-driver=mysql --mysql-socket="$socket" --mysql-user=root \
		--tables=2 --table-size=2000
	"$@" prepare >load 2>&1 && "$@" --threads=4 --time=${MUTRACE_REAL_SECONDS:-4} run >>load 2>&1 ||
		fail "$(cat load)"
	[ "$(mariadb --no-defaults -S "$socket" -u root -Ne 'select count(*) from sbtest.sbtest1')" = 2000 ] \
		||
		fail "rows of the table"
	grep -E 'transactions:|queries:' load
	kill -TERM $pid
	wait $pid
	[ $? = 0 ] || fail "mariadbd's exit status after SIGTERM"
	check_json json 'sum(l["acquired"] or 0 for l in p["locks"]) > 10000'
}
