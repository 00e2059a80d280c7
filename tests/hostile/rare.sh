#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every family of calls before our library began, in its time, and when the session has no more room (see
# rare.c): the program sees nothing of it, and what cannot be recorded is counted.
. "$(dirname "$0")/../e2e/lib.sh"

flags="-g -O1 -D_GNU_SOURCE -fno-optimize-sibling-calls"
# shellcheck disable=SC2086
{
	$CC $flags "$top_srcdir/tests/hostile/rare.c" -o rare -lpthread || exit 99
	$CC $flags -DEARLY -shared -fPIC "$top_srcdir/tests/hostile/rare.c" -o rare.so -lpthread || exit 99
}
expect 0 ./rare full

LD_PRELOAD=$work/rare.so expect 0 "$mutrace" --json=json ./rare
check_json json 'p["complete"] and p["lost_events"] == 1' \
	'lock("waiting_lock")["acquired"] >= 2' \
	'sorted(cond("waiting_cond")["misuse"]) == ["destroy-waited", "two-mutexes"]' \
	'all(l["instances"] == 1 for l in p["locks"])'
expect 0 "$mutrace" --session-size=1M --json=json ./rare full
check_json json 'p["complete"] and p["lost_events"] > 8000 and p["damaged_records"] == 0' \
	'lock("waiting_lock")["acquired"] >= 2'
expect 142 "$mutrace" --json=json ./rare relock
check_json json 'lock("relocked")["misuse"] == ["relock"]'

matrace=$(dirname "$mutrace")/matrace
[ -x "$matrace" ] || exit 0
LD_PRELOAD=$work/rare.so expect 0 "$matrace" --also=all ./rare
expect 0 "$matrace" --also=all --rt-threads='rare*' ./rare
# shellcheck disable=SC2086
if $CC $flags "$top_srcdir/tests/hostile/rare-watched.c" -o watched -lpthread -lstdc++ 2>log; then
	expect 0 ./watched
	expect 0 "$matrace" --also=all --rt-threads='watched*' ./watched
	[ "$(cat out)" = "$(printf '1\n2\n3')" ] || fail "what it prints"
fi

# A program in C loads a library in C++, whose operators new and delete were in nobody's sight before.
echo '#include <vector>
static int sum; static __attribute__((constructor)) void begin() { std::vector<int> v(1000, 1); for (int i : v) sum += i; }
extern "C" int total() { return sum; }' >plugin.cc
echo '#include <dlfcn.h>
int main(void) { void *p = dlopen("./plugin.so", RTLD_NOW); return p == 0 || ((int (*)(void))dlsym(p, "total"))() != 1000; }' >loads.c
# shellcheck disable=SC2086
if $CXX $flags -shared -fPIC plugin.cc -o plugin.so 2>log && $CC $flags -w loads.c -o loads -ldl; then
	expect 0 ./loads
	expect 0 "$matrace" --also=all ./loads
fi
