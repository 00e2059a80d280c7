#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Folded stacks, pprof and CSV say what JSON says; pprof's own tool reads the profile where it is installed.
. "$(dirname "$0")/lib.sh"

expect 0 "$mutrace" -o session --json=json --folded=wait --pprof=blocked.pb.gz --csv=csv "$workloads/truth"
expect 0 "$mutrace" report --folded=blocked --folded-of=blocked --pprof=hold.pb.gz --pprof-of=hold session
expect 0 "$mutrace" report --folded=hold --folded-of=hold --pprof=wait.pb.gz --pprof-of=wait session
expect 0 "$mutrace" report --folded=- session
cmp -s out wait || fail "folded stacks of the session are not those of the run, or not alone on stdout"
expect 2 "$mutrace" report --folded=x --folded-of=sleep session
says_only "wait, hold or blocked"
expect 2 "$mutrace" report --csv=/dev/full session
says_only "cannot be written"
expect 2 "$mutrace" --pprof=/nowhere/x "$workloads/truth"
says_only "/nowhere/x"

cat >read.py <<'PY'
import csv, gzip, json, sys

report = json.load(open("json"))
lock = [l for l in report["processes"][0]["locks"] if l["name"] == "guilty_lock"][0]

def folded(path):
    rows = [line.rsplit(" ", 1) for line in open(path).read().splitlines()]
    return {tuple(stack.split(";")): int(n) for stack, n in rows if ";guilty_lock" in stack}

wait, blocked, hold = folded("wait"), folded("blocked"), folded("hold")
assert sum(wait.values()) == lock["wait_ns"]["total"] and sum(blocked.values()) == lock["blocked_ns"]
assert sum(hold.values()) == lock["hold_ns"]["total"] == sum(u["hold_ns"] for u in lock["users"])
assert list(wait) == [("truth", "waiter", "wait_for_lock", "guilty_lock")], wait
assert ("truth", "main", "hold_lock", "guilty_lock") in blocked, blocked

rows = list(csv.DictReader(open("csv", newline="")))
row = [r for r in rows if r["name"] == "guilty_lock"][0]
assert int(row["acquired"]) == 400 and int(row["contended"]) == 200
assert int(row["wait_total_ns"]) == lock["wait_ns"]["total"] and int(row["hold_p99_ns"]) == lock["hold_ns"]["p99"]
assert row["identity"] == lock["identity"] and all(None not in r and None not in r.values() for r in rows)

# A reader of protobuf by the wire format alone.
def fields(data):
    at = 0
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    out = {}
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            value = varint()
        else:
            assert key & 7 == 2, key
            n = varint()
            value = data[at:at + n]
            at += n
        out.setdefault(key >> 3, []).append(value)
    return out

def packed(values):
    if values and isinstance(values[0], int):
        return values
    out = []
    for data in values:
        value = shift = 0
        for byte in data:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                out.append(value)
                value = shift = 0
    return out

def profile(path):
    p = fields(gzip.open(path).read())
    text = [s.decode() for s in p[6]]
    assert text[0] == ""
    types = [text[fields(t)[1][0]] + "/" + text[fields(t)[2][0]] for t in p[1]]
    functions = {f[1][0]: text[f[2][0]] for f in map(fields, p[5])}
    mappings = {m[1][0]: (m[2][0], m[3][0]) for m in map(fields, p[3])}
    locations = {}
    for l in map(fields, p[4]):
        low, high = mappings[l[2][0]]
        assert low <= l[3][0] < high
        locations[l[1][0]] = [functions[fields(line)[1][0]] for line in l.get(4, [])]
    samples = {}
    for s in map(fields, p[2]):
        labels = {text[fields(l)[1][0]]: text[fields(l)[2][0]] for l in s[3]}
        stack = [f for i in packed(s.get(1, [])) for f in locations[i]]
        if labels["lock"] == "guilty_lock":
            assert labels["kind"] == "mutex"
            samples[tuple(stack)] = packed(s[2])
    return types, samples

for path, total, count, first in (("blocked.pb.gz", lock["blocked_ns"], 200, "hold_lock"),
                                  ("wait.pb.gz", lock["wait_ns"]["total"], 200, "wait_for_lock"),
                                  ("hold.pb.gz", lock["hold_ns"]["total"], 400, None)):
    types, samples = profile(path)
    assert types == (["acquisitions/count", "hold/nanoseconds"] if first is None else
                     ["contentions/count", "delay/nanoseconds"]), types
    assert sum(v[0] for v in samples.values()) == count, (path, samples)
    assert sum(v[1] for v in samples.values()) == total
    assert first is None or max(samples, key=lambda s: samples[s][1])[0] == first, samples
PY
/usr/bin/python3 read.py || fail "renderers"

# Names that would break a format: a program whose function has ';' or '"' cannot be made, one whose path has
# can.
mkdir 'a;b"c'
cp "$workloads/truth" 'a;b"c/=x y' || exit 99
expect 0 "$mutrace" --folded=odd --csv=odd.csv 'a;b"c/=x y'
grep -q '^=x y;waiter;wait_for_lock;guilty_lock [0-9]*$' odd || fail "a program's odd name in folded stacks"
/usr/bin/python3 -c '
import csv
assert any(r["program"].endswith("a;b\"c/=x y") for r in csv.DictReader(open("odd.csv", newline="")))' || fail "odd CSV"

# Markdown: names are nothing but text, tables are tables, and the whole text is in it.
cp "$workloads/truth" '<b>|`@x' || exit 99
expect 0 "$mutrace" -o odd-session --markdown=run.md './<b>|`@x'
expect 0 "$mutrace" report --markdown=report.md odd-session
cp out text
expect 0 "$mutrace" report --markdown=- odd-session
cmp out report.md || fail "Markdown on stdout is all there is"
/usr/bin/python3 - <<'PY' || fail "Markdown"
import html, re
document = open("report.md").read()
above, text = re.fullmatch("(.*)<details><summary>The whole report</summary>\n\n<pre>\n(.*)</pre>\n</details>\n", document, re.S).groups()
assert html.unescape(text) == open("text").read()
lines = above.split("\n")
assert html.unescape(lines[0].replace("<!-- -->", "")) == "### mutrace: <b>|`@x", lines[0]
rows = [l for l in lines if l.startswith("|")]
assert len(rows) > 2 and len({r.count("|") for r in rows}) == 1 and re.fullmatch(r"(\|-+:?)+\|", rows[1]), rows
assert any("guilty" in r and "hold&#95;lock" in r for r in rows)
assert not set("<>`@[]*_") & set(re.sub("</?code>|<!-- -->|&#\\d+;", "", above)), above
PY

if command -v go >/dev/null; then
	HOME=$work go tool pprof -top blocked.pb.gz >top 2>&1 || fail "pprof: $(cat top)"
	grep -q 'Type: delay' top && grep -q '100% .*hold_lock' top || fail "pprof: $(cat top)"
	HOME=$work go tool pprof -traces -sample_index=contentions wait.pb.gz >traces 2>&1 ||
		fail "pprof: $(cat traces)"
	grep -q 'lock: *guilty_lock' traces && grep -q '200 *wait_for_lock' traces ||
		fail "pprof: $(cat traces)"
	echo "read by go tool pprof"
fi

# Metrics: each series once, names escaped, histograms that add up, the number of series bounded; the file is
# replaced as a whole.
echo old >metrics.prom && ln metrics.prom before
expect 0 "$mutrace" report --json=metrics.json --openmetrics=metrics.prom session
grep -qx old before || fail "the file was written to, not replaced"
/usr/bin/python3 - <<'PY' || fail "metrics"
import json, re
series = {}
for line in open("metrics.prom"):
    if not line.startswith("#"):
        name, labels, value = re.fullmatch(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)+)\} (\S+)\n', line).groups()
        assert (name, labels) not in series, line
        series[name, labels] = float(value)
locks = json.load(open("metrics.json"))["processes"][0]["locks"]
total = sum(v for (name, _), v in series.items() if name == "mutrace_lock_contended_total")
assert total == sum(l["contended"] for l in locks if l.get("role") != "work") > 0, total
for (name, labels), value in series.items():
    if name == "mutrace_lock_wait_seconds_count":
        buckets = [v for (n, l), v in series.items() if n == "mutrace_lock_wait_seconds_bucket"
                   and l.startswith(labels + ",le=")]
        assert buckets == sorted(buckets) and len(buckets) == 10 and buckets[-1] == value
PY
expect 0 "$mutrace" --openmetrics=odd.prom 'a;b"c/=x y'
if command -v promtool >/dev/null; then
	promtool check metrics <metrics.prom && promtool check metrics <odd.prom || fail "promtool"
fi
