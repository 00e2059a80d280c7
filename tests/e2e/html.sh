#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# --html: the page's policy names the hashes of its style and script, it refers to nothing outside, its data
# are those of the JSON report, and names stay names. html-browser.py uses it in a browser.
. "$(dirname "$0")/lib.sh"
need objcopy "${CC:-cc}"

# A lock and a function that would be markup, and a thread.
cat >odd.c <<'C'
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "tests/workloads/handshake.h"

pthread_mutex_t lock_of_markup = PTHREAD_MUTEX_INITIALIZER;
static atomic_int step, tid;

__attribute__((noinline)) void markup(void)
{
	pthread_mutex_lock(&lock_of_markup);
	pthread_mutex_unlock(&lock_of_markup);
}

static void *thread(void *data)
{
	prctl(PR_SET_NAME, "<img src=x>");
	tid = own_tid();
	step = 1;
	markup();
	return data;
}

int main(void)
{
	pthread_t t;

	pthread_mutex_lock(&lock_of_markup);
	pthread_create(&t, NULL, thread, NULL);
	await_step(&step, 1);
	await_asleep(tid);
	sleep_us(2000);
	pthread_mutex_unlock(&lock_of_markup);
	pthread_join(t, NULL);
	return 0;
}
C
expect 0 ${CC:-cc} -O1 -I"$top_srcdir" -c odd.c
expect 0 objcopy --redefine-sym 'lock_of_markup=</script><img/onerror=alert(1)>' \
	--redefine-sym 'markup=<!--<script>&amp;</pre>' odd.o
expect 0 ${CC:-cc} -o odd odd.o -lpthread
expect 0 "$mutrace" -o session --html=run.html ./odd
expect 0 "$mutrace" report --html=report.html --json=report.json session
expect 0 "$mutrace" report --html=- session
[ "$(head -c 15 out)" = "<!doctype html>" ] || fail "the page is not alone on stdout"
expect 2 "$mutrace" report --html=/dev/full session
says_only "cannot be written"
expect 0 "$mutrace" diff --html=diff.html session report.json
expect 1 "$mutrace" check --html=check.html --baseline=session --limit='acquired=1' session
expect 0 "$mutrace" check --write-baseline=base.json session
expect 0 "$mutrace" diff --html=base.html base.json session

# Many locks: the data are compressed.
expect 0 "$mutrace" -o many --html=many.html --json=many.json --per-instance "$workloads/html-many" 300 4

/usr/bin/python3 - <<'PY' || fail "the page is not as it must be"
import base64, hashlib, json, re, zlib
from html.parser import HTMLParser

class Page(HTMLParser):
    """All elements with their attributes, and the text in each script, style and pre."""
    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.inside = [], [], None
        self.feed(open(path, encoding="utf-8").read())
        self.close()
    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag
        self.texts.append("")
    def handle_endtag(self, tag):
        self.inside = None
    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data
    def all(self, tag):
        return [(a, text) for (t, a), text in zip(self.elements, self.texts) if t == tag]

def data_of(page):
    attributes, text = next(x for x in page.all("script") if x[0].get("id") == "data")
    if attributes["type"] == "application/json":
        return json.loads(text)
    unpacked = zlib.decompress(base64.b64decode(text))
    assert len(unpacked) == int(attributes["data-size"])
    return json.loads(unpacked)

def check_frame(path):
    page = Page(path)
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy, policy
    scripts = [text for a, text in page.all("script") if a.get("id") != "data"]
    styles = [text for _, text in page.all("style")]
    assert len(scripts) == len(styles) == 1
    for kind, text in (("script", scripts[0]), ("style", styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert "%s-src 'sha256-%s'" % (kind, digest) in policy, (path, kind)
        assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)|@import|url\(", text), kind
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text), kind
    assert not [a for _, a in page.elements if {"src", "href", "onerror", "style"} & set(a)], path
    assert {t for t, _ in page.elements} <= set("html head meta title style body div details summary pre footer "
                                                "script".split()), path
    return page

def stack_of(data, number):
    """The frames of a stack, innermost first, as the JSON report has them."""
    frames = []
    while number >= 0:
        around, frame = data["stacks"][2 * number:2 * number + 2]
        function, _, file, line, module, inlined = data["frames"][6 * frame:6 * frame + 6]
        frames.append((data["strings"][function], data["strings"][file], line, data["strings"][module], inlined))
        number = around - 1
    return frames

def as_page(stack):
    name = lambda f: f.get("function") or f["module"].split("/")[-1] + "+" + f["offset"]
    return [(name(f), f.get("file", ""), f.get("line", 0), f.get("module", ""), int(f["inlined"])) for f in stack]

def same(data, a, b):
    """What the page has, and what the report has."""
    if isinstance(b, list) and isinstance(a, int):
        assert stack_of(data, a) == as_page(b), (stack_of(data, a), as_page(b))
    elif isinstance(b, dict):
        assert a.keys() == b.keys(), (a.keys() ^ b.keys())
        for key in b:
            same(data, a[key], b[key])
    elif isinstance(b, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(data, x, y)
    else:
        assert a == b, (a, b)

for path, report in (("report.html", "report.json"), ("many.html", "many.json")):
    data = data_of(check_frame(path))
    for process in data["runs"][0]["processes"]:
        process.pop("timeline") # which the report has not
    same(data, data["runs"][0]["processes"], json.load(open(report))["processes"])
run = check_frame("run.html")
assert any("</script><img/onerror=alert(1)>" in text for _, text in run.all("pre"))
names = json.dumps(data_of(run))
assert "</script><img/onerror=alert(1)>" in names and "<img src=x>" in names
assert [a["type"] for a, _ in Page("many.html").all("script") if a.get("id")] == ["application/zlib"]

# The time line has each wait, and who ended it.
process = data_of(run)["runs"][0]["processes"][0]
lock = process["locks"][0]
line = process["timeline"]
assert line["left_out"] == line["from_ns"] == 0
slices = [t["slices"][i:i + 7] for t in line["threads"] for i in range(0, len(t["slices"]), 7)]
waits = [s for s in slices if s[2] == 1]
assert len(waits) == lock["waits"] == 1 and all(s[3] == lock["id"] for s in slices), slices
assert abs(sum(s[1] for s in waits) - lock["wait_ns"]["total"]) < 1000
by = line["threads"][waits[0][5] - 1]
assert by["name"] == "odd" and by["tid"] == process["pid"], by

diff = data_of(check_frame("diff.html"))
assert [r["side"] for r in diff["runs"]] == ["base", "new"] and diff["comparison"]["locks"][0]["change"] == "same"
check = data_of(check_frame("check.html"))
assert check["verdict"]["verdict"] == "over" and check["verdict"]["findings"]
base = data_of(check_frame("base.html"))
assert [r["side"] for r in base["runs"]] == ["new"] and base["comparison"]["locks"]
PY
