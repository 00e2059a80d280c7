# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by real.sh: interpreters, debuggers, emulators and servers in every mode. Their output and status
# are compared with those of a run without a profiler.

modes=("$mutrace" "$mutrace --sample-hold=32" "$mutrace --contended-only" "$mutrace -r"
	"$(dirname "$mutrace")/matrace --also=all")

# in_modes FUNCTION: it is given a mode as one word, or nothing; what it prints must be the same.
in_modes() {
	"$1" "" >plain 2>plain.err || fail "$1 fails by itself: $(tail -n 3 plain.err)"
	for mode in "${modes[@]}"; do
		rm -f err
		"$1" "$mode" >out 2>err
		cmp -s plain out || fail "$mode $1: another output: $(diff plain out | head -n 5)"
		grep -qE '^m[au]trace: ' err || fail "$mode $1: no report"
		no_false_diagnosis "$mode $1"
	done
}

# Threads, the status of the program among the output. $1 is split into words.
# shellcheck disable=SC2016,SC2086
run_perl() {
	$1 perl -e 'print "$_\n" for map { my $n = fork // die; exit 3 unless $n; waitpid $n, 0; $? } 1 .. 3;
		if (eval "use threads; 1") { print $_->join, "\n" for map { threads->create(sub { 7 }) } 1 .. 4 }
		exit 5'
	echo "status $?"
}

# shellcheck disable=SC2086
run_ruby() {
	$1 ruby -e 'm = Mutex.new; n = 0
		8.times.map { Thread.new { 100.times { m.synchronize { n += 1 } } } }.each(&:join)
		puts n; Process.wait(fork { exit 3 }); puts $?.exitstatus; exit 5'
	echo "status $?"
}

# shellcheck disable=SC2016,SC2086
run_php() {
	$1 php -r 'for ($i = 0; $i < 1000; $i++) $a[md5($i)] = 1; echo count($a), "\n"; exit(5);'
	echo "status $?"
}

# shellcheck disable=SC2086
run_gdb() {
	$1 gdb -batch -nx -ex run -ex 'print 6 * 7' "$top_builddir/tests/workloads/truth" >log </dev/null
	echo "status $?"
	grep -E '^(\$1|\[Inferior)' log | sed 's/process [0-9]*/process N/'
}

# shellcheck disable=SC2086
run_qemu() {
	$1 "qemu-$(uname -m)" "$top_builddir/tests/workloads/truth" >log
	echo "status $?"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A login by key. As root: the daemon gives up privileges for the one who logs in.
run_sshd() {
	local port pid tries=0
	port=$(free_port)
	for name in key host_key; do
		[ -f $name ] || ssh-keygen -q -t ed25519 -N '' -f $name
	done
	# shellcheck disable=SC2086
	$1 /usr/sbin/sshd -D -e -p "$port" -h "$PWD/host_key" -o ListenAddress=127.0.0.1 \
		-o AuthorizedKeysFile="$PWD/key.pub" -o StrictModes=no -o PidFile=none -o UsePAM=no &
	pid=$!
	until ssh-keyscan -p "$port" 127.0.0.1 >/dev/null 2>&1 || [ $((tries += 1)) = 100 ]; do
		sleep 0.1
	done
	timeout 60 ssh -n -F none -p "$port" -i key -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		"$(id -un)@127.0.0.1" 'echo hello; id -u; exit 6'
	echo "status $?"
	kill $pid
	wait $pid
	echo "sshd $?"
}

# As root the server runs as the user postgres, who must be able to read the command.
run_postgres() {
	local bin here=$PWD/pg port pid as tries=0
	bin=$(dirname "$(find /usr/lib/postgresql -name initdb | sort | tail -n 1)")
	port=$(free_port)
	as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/)
	if [ ! -d pg ]; then
		mkdir pg && chmod 755 . && { [ ${#as[@]} = 0 ] || chown postgres pg; }
		(cd / && "${as[@]}" "$bin/initdb" -D "$here/data" -A trust -U bench >/dev/null) || return 1
	fi
	# shellcheck disable=SC2086
	(cd / && exec "${as[@]}" $1 "$bin/postgres" -D "$here/data" -p "$port" -k "$here" -c fsync=off) &
	pid=$!
	until "$bin/pg_isready" -q -h "$here" -p "$port" || [ $((tries += 1)) = 100 ]; do
		sleep 0.1
	done
	set -- -h "$here" -p "$port" -U bench
	"$bin/dropdb" "$@" --if-exists bench
	"$bin/createdb" "$@" bench && "$bin/pgbench" "$@" -q -i bench
	"$bin/pgbench" "$@" -c 4 -j 2 -t 50 bench | grep -E 'processed|failed'
	"$bin/psql" "$@" -At -c 'select count(*) from pgbench_history' bench
	(cd / && "${as[@]}" "$bin/pg_ctl" -D "$here/data" stop -m fast) >/dev/null
	wait $pid
	echo "postgres $?"
}

try_perl() { in_modes run_perl; }
try_ruby() { in_modes run_ruby; }
try_php() { in_modes run_php; }
try_gdb() { in_modes run_gdb; }
try_qemu() {
	if command -v "qemu-$(uname -m)" >/dev/null; then in_modes run_qemu; else echo "not installed"; fi
}
try_sshd() {
	if [ -x /usr/sbin/sshd ] && [ "$(id -u)" = 0 ] && mkdir -p /run/sshd; then
		in_modes run_sshd
	else
		echo "not installed, or not root"
	fi
}
try_postgres() {
	if [ -n "$(find /usr/lib/postgresql -name initdb 2>/dev/null)" ]; then
		in_modes run_postgres
	else
		echo "not installed"
	fi
}
