#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Locks of GLib, of the OpenMP runtimes and of the C++ library: exact, named, with waiter and holder; and no
# symbol of theirs appears in a program that has not loaded them.
. "$(dirname "$0")/lib.sh"

workloads_of=$top_srcdir/tests/workloads
tried=0

# made COMPILER ARGUMENTS...: a program was made; else this part is passed by.
made() {
	"$@" -g -O1 -fno-optimize-sibling-calls -pthread 2>"$work/compiler" && tried=$((tried + 1))
}

if pkg-config --exists glib-2.0 2>"$work/compiler" &&
	made "${CC:-cc}" -o glib "$workloads_of/glib.c" $(pkg-config --cflags --libs glib-2.0); then
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
	for what in nested rwlock; do
		expect 0 "$mutrace" --json="$work/json" ./glib $what
		check_json "$work/json" \
			'len(p["locks"]) == 1 and p["locks"][0]["made_by"] == "glib"' \
			'p["locks"][0]["contended"] == 200 and p["locks"][0]["acquired"] == 400' \
			'p["locks"][0]["named_by"] == "creation"' \
			'p["locks"][0]["name"].startswith("take ")' \
			'functions(p["locks"][0]["waiters"][0]["stack"]) == ["take", "waiter"]'
	done
	expect 0 "$mutrace" --json="$work/json" ./glib bit
	check_json "$work/json" 'lock("bits")["contended"] == 200 and lock("bits")["role"] == "lock"' \
		'lock("bits")["acquired"] is None and lock("bits")["made_by"] == "glib"'
	# A condition is no contention, and its mutex is free meanwhile.
	expect 0 "$mutrace" --json="$work/json" ./glib condition
	check_json "$work/json" \
		'lock("guard")["acquired"] == 600 and lock("guard")["hold_ns"]["total"] < 200 * 200000' \
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
	futex=$(printf '#include <sys/syscall.h>\nSYS_futex\n' | "${CC:-cc}" -E -P -x c - | tail -n 1)
	sed -i "s/FUTEX/$futex/" late.py
	if [ -r /proc/self/syscall ] &&
		python3 -c 'import ctypes; ctypes.CDLL("libgobject-2.0.so.0")' 2>"$work/err"; then
		expect 0 "$mutrace" --json="$work/json" python3 late.py
		mine="[l for l in p['locks'] if l['address'] == '$(cat "$work/out")']"
		check_json "$work/json" \
			"[(l['contended'], l['made_by']) for l in $mine] == [(200, 'glib')]" \
			"[len(l['holders']) for l in $mine] == [1]"
	fi
fi

for compiler in gcc clang; do
	made $compiler -fopenmp -o openmp "$workloads_of/openmp.c" || continue
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
	expect 0 "$mutrace" --json="$work/json" ./openmp barrier
	check_json "$work/json" \
		'p["locks"][0]["made_by"] == "openmp" and p["locks"][0]["kind"] == "barrier"' \
		'p["locks"][0]["contended"] == 200 and p["locks"][0]["acquired"] == 400' \
		'functions(p["locks"][0]["waiters"][0]["stack"])[0] == "barrier"'
	says "came last"
done

# Locks that are futexes underneath: what waited is exact.
others() {
	local name=$1 maker=$2 variable=$3
	shift 3
	made "${CXX:-c++}" -fPIC -D$name -o others "$workloads_of/others.cc" "$@" || return 0
	expect 0 "$mutrace" --json="$work/json" ./others
	check_json "$work/json" \
		'p["lost_events"] == 0 and len([l for l in p["locks"] if l["contended"]]) == 1' \
		"p['locks'][0]['contended'] == 200 and p['locks'][0]['role'] == 'lock'" \
		"p['locks'][0]['made_by'] == '$maker' and p['locks'][0]['acquired'] is None" \
		"p['locks'][0]['name'].startswith('$variable')" \
		'functions(p["locks"][0]["waiters"][0]["stack"])[0].startswith("take")' \
		'functions(p["locks"][0]["waiters"][0]["stack"])[1].startswith("waiter")' \
		'functions(p["locks"][0]["holders"][0]["stack"])[0].startswith("give")'
}
others QT qt accounts -std=c++17 $(pkg-config --cflags --libs Qt5Core 2>"$work/err")
others QT qt accounts -std=c++17 $(pkg-config --cflags --libs Qt6Core 2>"$work/err")
others ABSL abseil take -std=c++17 $(pkg-config --cflags --libs absl_synchronization 2>"$work/err")
others TBB tbb take -std=c++17 -ltbb
others CXX20 futex accounts -std=c++20

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

[ $tried -gt 0 ] || {
	echo "skipped: no library with locks of its own could be used"
	exit 77
}
