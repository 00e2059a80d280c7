#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks of GLib, of the OpenMP runtimes and of the C++ library: exact, named, with waiter and holder; and no
# symbol of theirs appears in a program that has not loaded them.
. "$(dirname "$0")/lib.sh"

workloads_of=$top_srcdir/tests/workloads
all=$work
# all that was waited for work
idle="sum(l['wait_ns']['total'] for l in p['conditions'] + p['locks'] if l.get('role') != 'lock')"

# made COMPILER ARGUMENTS...: a program was made; else this part is passed by.
made() {
	"$@" -g -O1 -fno-optimize-sibling-calls -pthread 2>"$work/compiler" && : >"$all/tried"
}

glib() {
	pkg-config --exists glib-2.0 2>"$work/compiler" &&
		made ${CC:-cc} -o glib "$workloads_of/glib.c" $(pkg-config --cflags --libs glib-2.0) ||
		return 0
	waits=$(line_of tests/workloads/glib.c "WAITS HERE")
	expect 0 "$mutrace" --json="$work/json" ./glib mutex
	check_json "$work/json" \
		'p["lost_events"] == 0 and lock("accounts")["made_by"] == "glib"' \
		'lock("accounts")["kind"] == "mutex" and lock("accounts")["role"] == "lock"' \
		'lock("accounts")["acquired"] == 400 and lock("accounts")["contended"] == 200' \
		'lock("accounts")["threads"] == 2' \
		'functions(lock("accounts")["waiters"][0]["stack"]) == ["take", "waiter"]' \
		"lock('accounts')['waiters'][0]['stack'][1]['line'] == $waits" \
		'lock("accounts")["waiters"][0]["count"] == 200 == lock("accounts")["holders"][0]["count"]' \
		'functions(lock("accounts")["holders"][0]["stack"]) == ["give", "holder", "main"]' \
		'len([l for l in p["locks"] if l["contended"]]) == 1'
	says "GLib mutex in glib at glib.c:"
	expect 0 "$mutrace" --contended-only --json="$work/json" ./glib mutex
	check_json "$work/json" 'lock("accounts")["contended"] == 200'
	for what in nested rates; do
		expect 0 "$mutrace" --json="$work/json" ./glib $what
		check_json "$work/json" \
			'len(p["locks"]) == 1 and p["locks"][0]["made_by"] == "glib"' \
			"lock('$what')['contended'] == 200 and lock('$what')['acquired'] == 400" \
			'functions(p["locks"][0]["waiters"][0]["stack"]) == ["take", "waiter"]' \
			'functions(p["locks"][0]["holders"][0]["stack"]) == ["give", "holder", "main"]'
	done
	expect 0 "$mutrace" --json="$work/json" ./glib bit
	check_json "$work/json" 'lock("bits")["contended"] == 200 and lock("bits")["role"] == "lock"' \
		'lock("bits")["acquired"] is None and lock("bits")["made_by"] == "glib"'
	# A condition and a mutex that one function waits for are two locks.
	expect 0 "$mutrace" --json="$work/json" ./glib once
	check_json "$work/json" \
		'max(l["contended"] for l in p["locks"] if l["made_by"] == "glib") == 200' \
		'sum(l["contended"] == 200 and l["role"] == "lock" for l in p["locks"]) >= 1'
	# Misuse and deadlocks are told; --trap stops there.
	flagged="sorted((l['name'], l['misuse']) for l in p['locks'] if l.get('misuse'))"
	expect 0 "$mutrace" --json="$work/json" ./glib clear
	check_json "$work/json" \
		"$flagged == [('accounts', ['unlock-not-held']), ('nested', ['destroy-held'])]" \
		'functions(lock("accounts")["misused_at"])[0] == "stranger"'
	expect 133 "$mutrace" --trap ./glib stranger
	expect 142 "$mutrace" --json="$work/json" ./glib cross
	check_json "$work/json" "$flagged == []" \
		'[sorted(x["name"] for x in c) for c in p["deadlocks"]] == [["accounts", "other"]]'
	# A condition is no contention, and its mutex is free meanwhile.
	expect 0 "$mutrace" --json="$work/json" ./glib condition
	check_json "$work/json" \
		'lock("guard")["acquired"] == 600' \
		"lock('guard')['hold_ns']['total'] < $idle / 2" \
		'all(l["role"] == "work" for l in p["locks"] if l["name"].startswith("ready"))' \
		'sum(l["waits"] for l in p["locks"] if l["name"].startswith("ready")) >= 200'

	# Loaded by a program that did not have it, and so that nobody else finds it.
	cat >late.py <<'PY'
import ctypes, os, sys, threading, time
everybody = ctypes.CDLL(None)
everybody.dlsym.restype = ctypes.c_void_p
everybody.dlsym.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
for name in (b"g_mutex_lock", b"GOMP_barrier", b"omp_set_lock"):
    assert not everybody.dlsym(None, name), name
glib = ctypes.CDLL("libgobject-2.0.so.0", mode=os.RTLD_LOCAL | os.RTLD_NOW)
mutex = ctypes.create_string_buffer(64)
address = ctypes.addressof(mutex) + 63 & ~63
glib.g_mutex_init(ctypes.c_void_p(address))
held, tid, done = 0, 0, 0
def waiter():
    global tid, done
    tid = threading.get_native_id()
    for i in range(200):
        while held <= i:
            time.sleep(0.0001)
        glib.g_mutex_lock(ctypes.c_void_p(address))
        glib.g_mutex_unlock(ctypes.c_void_p(address))
        done = i + 1
t = threading.Thread(target=waiter)
t.start()
for i in range(200):
    glib.g_mutex_lock(ctypes.c_void_p(address))
    held = i + 1
    while True:
        with open("/proc/self/task/%d/syscall" % tid) as f:
            # in a futex call for this word
            if f.read().split()[:2] == [str(FUTEX), hex(address)]:
                break
        time.sleep(0.0001)
    glib.g_mutex_unlock(ctypes.c_void_p(address))
    while done <= i:
        time.sleep(0.0001)
t.join()
print(hex(address))
PY
	futex=$(printf '#include <sys/syscall.h>\nSYS_futex\n' | ${CC:-cc} -E -P -x c - | tail -n 1)
	sed -i "s/FUTEX/$futex/" late.py
	if [ -r /proc/self/syscall ] &&
		python3 -c 'import ctypes; ctypes.CDLL("libgobject-2.0.so.0")' 2>"$work/err"; then
		expect 0 "$mutrace" --json="$work/json" python3 late.py
		mine="[l for l in p['locks'] if l['address'] == '$(cat "$work/out")']"
		check_json "$work/json" \
			"[(l['contended'], l['made_by']) for l in $mine] == [(200, 'glib')]" \
			"[len(l['holders']) for l in $mine] == [1]"
	fi
}

openmp() {
	local compiler=$1

	made $compiler -fopenmp -o openmp "$workloads_of/openmp.c" || return 0
	for what in critical unnamed lock nested; do
		expect 0 "$mutrace" --json="$work/json" ./openmp $what
		each=400
		[ $what = nested ] && each=600
		check_json "$work/json" \
			'p["lost_events"] == 0 and len([l for l in p["locks"] if l["made_by"] == "openmp"]) == 1' \
			'p["locks"][0]["made_by"] == "openmp" and p["locks"][0]["kind"] == "mutex"' \
			"p['locks'][0]['contended'] == 200 and p['locks'][0]['acquired'] == $each" \
			'functions(p["locks"][0]["waiters"][0]["stack"])[0] == "waiter"' \
			'functions(p["locks"][0]["holders"][0]["stack"])[0] == "holder"'
	done
	expect 0 "$mutrace" --json="$work/json" ./openmp critical
	check_json "$work/json" 'lock("bank")["contended"] == 200'
	expect 0 "$mutrace" --json="$work/json" ./openmp lock
	check_json "$work/json" 'lock("lock")["contended"] == 200' \
		'(p["events"]["regions"], p["events"]["parts"]) == (1, 2)'
	while read -r what called; do
		expect 0 "${MATRACE:-$top_builddir/matrace}" --also=locks --rt-threads=openmp \
			--json="$work/json" ./openmp $what
		check_json "$work/json" \
			"sum(a['count'] for a in p['allocations'] if a['function'] == '$called') == 200"
	done <<-END
		critical OpenMP critical
		lock omp_set_lock
		ordered OpenMP ordered
	END
	expect 0 "$mutrace" --json="$work/json" ./openmp ordered
	regions="[l for l in p['locks'] if (l['kind'], l['made_by']) == ('mutex', 'openmp')]"
	check_json "$work/json" \
		"[(l['contended'], l['acquired']) for l in $regions] == [(200, 400)]" \
		"[len(l['waiters']) == len(l['holders']) == 1 for l in $regions] == [True]"
	for what in loop sections single copy barrier; do
		expect 0 "$mutrace" --json="$work/json" ./openmp $what
		barriers=1
		[ $what = copy ] && barriers=2 # at its end, and for the values
		check_json "$work/json" \
			'p["locks"][0]["made_by"] == "openmp" and p["locks"][0]["kind"] == "barrier"' \
			"p['locks'][0]['contended'] * 2 == p['locks'][0]['acquired']" \
			"p['locks'][0]['contended'] in (200, 200 * $barriers)" \
			"functions(p['locks'][0]['waiters'][0]['stack'])[0] in ('implicit', 'barrier')"
	done
	says "came last"
	check_json "$work/json" 'p["events"]["barriers"] == p["locks"][0]["acquired"]'
}

# others NAME ARGUMENTS...: a program with the locks of a C++ library was made.
others() {
	made ${CXX:-c++} -fPIC -std=c++17 "-D$1" -o others "$workloads_of/others.cc" "${@:2}"
}

# the functions of a stack, without parameters
names="' '.join(f.split('(')[0] for f in functions(x[0]['stack'])[:3])"
frames="['lock take waiter', 'unlock give holder']"

# locked LOAD LOCK MAKER KIND ACQUIRED: one lock, 200 waits, one waiter and one holder.
locked() {
	expect 0 "$mutrace" --json="$work/json" ./others "$1"
	check_json "$work/json" \
		'p["lost_events"] == 0' \
		"[l['name'] for l in p['locks'] if l['acquired'] is None or l['acquired'] > 9] == ['$2']" \
		"(lock('$2')['made_by'], lock('$2')['kind'], lock('$2')['role']) == ('$3', '$4', 'lock')" \
		"sum(s['contended'] for s in sides('$2')) == 200" \
		"'$5' == 'null' and lock('$2')['acquired'] is None or sum(s['acquired'] for s in sides('$2')) == $5" \
		"len(lock('$2')['waiters']) == len(lock('$2')['holders']) == 1" \
		"[$names for x in (lock('$2')['waiters'], lock('$2')['holders'])] == $frames"
}

# idle LOAD: a condition is no contention, its waker is told, and its mutex is free meanwhile.
idle() {
	expect 0 "$mutrace" --json="$work/json" ./others "$1"
	check_json "$work/json" \
		'p["lost_events"] == 0 and p["headline"]["lock_wait_ns"] == 0' \
		"all(l['hold_ns']['total'] < 0.5 * $idle for l in p['locks'] if l['kind'] != 'once')" \
		'not any(l["contended"] for l in p["locks"] if l["role"] == "lock")' \
		'sum(l["waits"] for l in p["conditions"] + p["locks"] if l.get("role") != "lock") >= 200'
	says "Waiting for work (no contention): "
}

qt() {
	local version=$1

	others QT $(pkg-config --cflags --libs Qt${version}Core 2>"$work/err") || return 0
	if [ $version = 5 ]; then
		locked mutex accounts qt mutex 400
		locked timed accounts qt mutex 400
	else # its fast path is inline
		locked mutex accounts qt futex null
		locked timed accounts qt futex null
	fi
	locked nested nested qt mutex 800
	locked read rates qt rwlock 400
	locked write rates qt rwlock 400
	idle condition
	# A semaphore is a lock if those who wait for it release it, and else a queue.
	locked semaphore permits qt futex null
	expect 0 "$mutrace" --json="$work/json" ./others queue
	check_json "$work/json" 'lock("tasks")["role"] == "work" and lock("tasks")["waits"] == 200'
}

cxx() {
	if others ABSL $(pkg-config --cflags --libs absl_synchronization 2>"$work/err"); then
		locked mutex accounts abseil rwlock 400
		locked read accounts abseil rwlock 400
		for what in condition await when; do
			idle $what
		done
	fi
	if others TBB -ltbb; then
		locked mutex accounts tbb futex null
		locked write rates tbb futex null
	fi
	if others CXX20 -std=c++20; then
		# from gcc 16 on the C++ library waits itself
		maker=futex
		! nm -DC others | grep -q 'U std::__detail::__wait_impl' || maker=c++
		locked mutex accounts $maker futex null
	fi
	if made clang++ -stdlib=libc++ -std=c++20 -DLIBCXX -o others "$workloads_of/others.cc"; then
		locked mutex accounts c++ futex null
	fi
}

guards() {
	for compiler in "${CXX:-c++}" "clang++ -stdlib=libc++"; do
		made $compiler -std=c++17 -o guard "$workloads_of/guard.cc" || continue
		expect 0 "$mutrace" --json="$work/json" ./guard
		check_json "$work/json" \
			'p["lost_events"] == 0 and len(p["locks"]) == 1 and p["locks"][0]["made_by"] == "c++"' \
			'p["locks"][0]["kind"] == "once" and p["locks"][0]["contended"] == 1' \
			'functions(p["locks"][0]["waiters"][0]["stack"])[:2] == ["get_settings()", "waiter(void*)"]' \
			'functions(p["locks"][0]["holders"][0]["stack"])[:2] == ["get_settings()", "main"]' \
			'"get_settings" in p["locks"][0]["name"]'
	done
}

# part FUNCTION ARGUMENTS...: in a directory of its own, beside others.
part() {
	mkdir "$all/$*" && cd "$all/$*" || exit 99
	(
		work=$PWD
		"$@"
	) >log 2>&1 &
	parts+=("$!" "$*")
}

parts=()
failed=0
part glib
part openmp gcc
part openmp clang
part qt 5
part qt 6
part cxx
part guards
cd "$all" || exit 99
for ((i = 0; i < ${#parts[@]}; i += 2)); do
	wait "${parts[i]}" || failed=1
	sed "s/^/${parts[i + 1]}: /" "${parts[i + 1]}/log"
done
[ $failed = 0 ] || exit 1

[ -e tried ] || {
	echo "skipped: no library with locks of its own could be used"
	exit 77
}
