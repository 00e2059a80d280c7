#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every lock of a C++ program has a name that people know, no stack begins in the C++ library, and the
# identities are the same in each run and in a later build of the program, whatever races and address
# randomisation do.
. "$(dirname "$0")/lib.sh"

: "${CXX:=g++}"
need "${CXX%% *}"
source=$top_srcdir/tests/workloads/identity.cc
for flags in "-O0" "-O2" "-O2 -DGROWN" "-O0 -DGROWN"; do
	mkdir -p "d$flags"
	$CXX -std=c++17 -g $flags -o "d$flags/shop" "$source" -lpthread || exit 99
	for run in 1 2 3; do
		# a wait in malloc comes by chance
		expect 0 "$mutrace" --no-libc-locks --all --json="$work/$run$flags.json" "$work/d$flags/shop"
		[ "$(grep -cE "left_new identity.cc:[0-9]+ < other_caller " "$work/err")" = 2 ] ||
			fail "rows of one name are not told apart"
	done
done

/usr/bin/python3 - "$work" <<'PY' || fail "see above"
import glob, json, sys
ok = True

def complain(*what):
    global ok
    ok = False
    print(*what)

sets = {}
for path in sorted(glob.glob(sys.argv[1] + "/*.json")):
    p = json.load(open(path))["processes"][0]
    rows = p["locks"] + p["conditions"]
    names = [r["name"] for r in rows]
    # members by their names, if libdw is there
    for wanted in ("counter.lock", "counter.changed", "global", "plain", "nested()::local"):
        offset = {"counter.lock": "counter+0x8", "counter.changed": "counter+0x30"}.get(wanted)
        if wanted not in names and offset not in names:
            complain(path, "has no", wanted, "but", names)
    for r in rows:
        if r["named_by"] == "address":
            complain(path, "no name for", r["identity"])
        for key in ("created_at", "first_used_at"):
            stack = r[key]
            if stack and ("/c++/" in stack[0].get("file", "") or stack[0].get("function", "").startswith("std::")):
                complain(path, r["name"], "begins in the library:", stack[0])
            if stack and stack[-1].get("function") in ("start_thread", "clone", "clone3", "__libc_start_call_main"):
                complain(path, r["name"], "ends in the library:", stack[-1])
    pairs = [r for r in rows if r["name"].startswith("pair_new")]
    if len(pairs) != 2 or any(r["instances"] != 40 or r["acquired"] != 40 or not r["destroyed"] for r in pairs):
        complain(path, "pairs:", [(r["name"], r["instances"], r["acquired"]) for r in pairs])
    stay = [r for r in rows if r["name"].startswith("left_new")]
    if sorted((r["instances"], r["threads"]) for r in stay) != [(1, 1), (1, 1), (4, 4), (4, 4)] or \
       any(r["destroyed"] for r in stay):
        complain(path, "left:", [(r["name"], r["instances"], r["threads"]) for r in stay])
    # without inlining both lock in one place of the C++ library, and cannot be told apart
    local = [r for r in rows if "_local" in r["name"]]
    if "-O2" in path and (sorted(r["name"].split(" ")[0] for r in local) != ["first_local", "second_local"] or
                          any(r["acquired"] != 20 or r["threads"] != 1 for r in local)):
        complain(path, "locals:", [(r["name"], r["acquired"], r["threads"]) for r in local])
    if sum(r["acquired"] for r in local) != 40 or not all(r.get("address_reused") for r in local):
        complain(path, "locals:", [(r["name"], r["acquired"], r.get("address_reused")) for r in local])
    by_name = {r["name"]: r for r in rows}
    if by_name["global"]["type"] != "recursive" or by_name["global"]["acquired"] != 300:
        complain(path, "global:", by_name["global"]["type"], by_name["global"]["acquired"])
    tables = [r for r in rows if r.get("kind") == "rwlock"]
    if len(tables) != 1 or tables[0]["read"]["acquired"] != 100 or tables[0]["acquired"] != 50:
        complain(path, "rwlocks:", [(r["name"], r["acquired"], r["read"]["acquired"]) for r in tables])
    level = "O0" if "-O0" in path else "O2"
    sets.setdefault(level, {})[path] = sorted(r["identity"] for r in rows)
for level, runs in sets.items():
    first = next(iter(runs.values()))
    for path, identities in runs.items():
        if identities != first:
            complain(path, "differs:", sorted(set(identities) ^ set(first)))
        if len(set(identities)) != len(identities):
            complain(path, "has two locks of one identity:", identities)
sys.exit(0 if ok else 1)
PY
