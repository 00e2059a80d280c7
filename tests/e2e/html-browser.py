#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of --html in a browser, used as a person would: sort, filter, choose, zoom, search, keys alone,
dark, print, narrow. No error may be in the console, and nothing may be requested. Skips without Chromium and
selenium."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    print("skipped: there is no selenium for python3")
    sys.exit(77)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    print("skipped: there is no chromium, or no chromedriver")
    sys.exit(77)
BUILD = os.environ.get("top_builddir") or os.getcwd()
MUTRACE = os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace")
WORKLOADS = os.path.join(BUILD, "tests/workloads")
INFLATE = "delete window.DecompressionStream"


def pages(work):
    """Records two programs and writes their pages: one of few locks, one of many, and a comparison."""
    def mutrace(*arguments):
        r = subprocess.run([MUTRACE, *arguments], cwd=work, capture_output=True, text=True)
        assert r.returncode == 0, (arguments, r.stderr)

    many = os.path.join(WORKLOADS, "html-many")
    mutrace("-o", "few", "--per-instance", "--html=few.html", many, "40", "3")
    mutrace("--html=moment.html", "--when-waiting=100:touch go", os.path.join(WORKLOADS, "hang"), "go")
    mutrace("-o", "many", "--per-instance", "--html=many.html", many, "1000", "3")
    mutrace("-o", "other", os.path.join(WORKLOADS, "truth"))
    mutrace("diff", "--html=diff.html", "other", "few")
    mutrace("--html=two.html", "sh", "-c", '"$0" 1 1; "$0" 2 1', many)


class Browser:
    def __init__(self):
        o = Options()
        o.binary_location = CHROMIUM
        for a in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                  "--disable-extensions", "--hide-scrollbars",
                  "--disable-background-networking", "--no-first-run"):
            o.add_argument(a)
        o.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.d = webdriver.Chrome(service=Service(DRIVER), options=o)

    def js(self, text, *arguments):
        return self.d.execute_script(text, *arguments)

    def cdp(self, name, **arguments):
        return self.d.execute_cdp_cmd(name, arguments)

    def size(self, width, height):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=False)

    def open(self, path):
        self.d.get("about:blank")
        self.d.get("file://" + path)
        self.until("return document.documentElement.dataset.ready")

    def until(self, text):
        for _ in range(400):
            if self.js(text):
                return
            self.js("return new Promise(done => setTimeout(done, 25))")
        raise AssertionError("never so: " + text)

    def keys(self, *keys):
        for key in keys:
            self.d.switch_to.active_element.send_keys(key)

    def click(self, css):
        self.d.find_element(By.CSS_SELECTOR, css).click()

    def check_quiet(self):
        """Nothing in the console, nothing requested but the page."""
        assert not self.d.get_log("browser"), self.d.get_log("browser")
        for line in self.d.get_log("performance"):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                assert url.startswith("file://") and url.split("#")[0].endswith(".html"), url


def rows(b):
    return b.js("""return [...document.querySelectorAll('#lock-rows tr[data-at]')]
        .map(r => r.title.split('\\n')[0])""")


def chosen(b):
    return b.js("return document.querySelector('#lock h2').innerText")


def test_frame(b):
    """It fits a screen; each thing that can be used has a name; the names of things are text."""
    assert b.js("return document.documentElement.scrollHeight <= innerHeight && "
                "document.documentElement.scrollWidth <= innerWidth"), "1280x900 scrolls"
    unnamed = b.js("""return [...document.querySelectorAll(
            'button, input, select, [role=img], [role=tree], table, section')]
        .filter(e => !(e.getAttribute('aria-label') || e.innerText)).map(e => e.outerHTML.slice(0, 200))""")
    assert not unnamed, unnamed
    assert b.js("""return [...document.querySelectorAll('[aria-controls]')]
        .every(e => $(e.getAttribute('aria-controls')))""")
    assert b.js("return document.querySelectorAll('img, a[href], iframe, object, link').length") == 0
    assert "of the thread time" in b.js("return document.querySelector('h1').innerText")
    assert b.js("""return [...document.querySelectorAll('section')]
        .every(s => s.getBoundingClientRect().bottom <= innerHeight)""")


def test_table(b):
    first = rows(b)[0]
    assert chosen(b) == first, (chosen(b), first)
    assert b.js("return document.querySelector('#lock-rows th').innerText").startswith("in ")
    b.click("#sort-name")
    names = rows(b)
    assert b.js("return $('sort-name').parentNode.getAttribute('aria-sort')") == "ascending"
    assert b.js("return document.activeElement.id") == "sort-name", "sorting loses the focus"
    b.keys(Keys.ENTER)
    assert b.js("return $('sort-name').parentNode.getAttribute('aria-sort')") == "descending"
    assert rows(b) != names
    b.click("#sort-contended")
    waits = b.js("return table.list.map(l => l.contended)")
    assert waits == sorted(waits, reverse=True) and waits[0] > 0
    b.keys("/")
    assert b.js("return document.activeElement.id") == "filter"
    name = b.js("return table.list[table.list.length - 1].label")
    b.keys(name.split()[-1])
    assert 1 <= len(rows(b)) < b.js("return P.locks.length"), "the filter"
    assert " of " in b.js("return $('lock-count').innerText")
    b.keys(Keys.ESCAPE)
    assert b.js("return table.list.length === P.locks.filter(lock_used).length")


def test_table_keys(b):
    """By keys alone: to the last of a thousand rows, of which only those in sight exist."""
    b.js("document.querySelector('#lock-rows [tabindex=\"0\"]').focus()")
    before = chosen(b)
    b.keys(Keys.DOWN)
    assert chosen(b) != before
    b.keys(Keys.END)
    last = b.js("return lock_name(table.list[table.list.length - 1])")
    assert chosen(b) == last and b.js("return +document.activeElement.dataset.at === table.list.length - 1")
    box = b.js("""const r = document.activeElement.getBoundingClientRect();
        const o = $('rows').getBoundingClientRect();
        return r.top >= o.top && r.bottom <= o.bottom + 1""")
    assert box and len(rows(b)) < 100, "the row is not in sight, or all rows exist"
    b.keys(Keys.HOME, Keys.UP)
    assert chosen(b) == b.js("return lock_name(table.list[0])")


def test_icicle(b):
    boxes = "return document.querySelectorAll('#icicle .box').length"
    n = b.js(boxes)
    assert n >= 3
    b.js("icicle.boxes.find(x => x.depth === 2).box.click()")
    assert b.js("return icicle.zoom") and b.js("return document.activeElement.classList.contains('box')")
    assert b.js("return document.querySelectorAll('#icicle .box.dim').length") == 2
    b.keys(Keys.UP)
    assert b.js("return document.activeElement.dataset.depth") == "1"
    b.keys(Keys.ESCAPE)
    assert b.js("return icicle.zoom") is None and b.js(boxes) == n
    b.js("$('search').focus()")
    b.keys(*b.js("return short_name(frames(table.selected.waiters[0].stack)[0])"))
    assert b.js("return document.querySelectorAll('#icicle .box.hit').length") > 0
    assert "is in or below" in b.js("return $('icicle-words').innerText")
    b.js("$('search').value = icicle.search = ''; $('tab-waiters').focus()")
    b.keys(Keys.ARROW_RIGHT)
    assert b.js("return icicle.view") == "holders"
    assert b.js("return document.activeElement.id") == "tab-holders"
    b.click("#only")
    assert b.js("return $('only').getAttribute('aria-pressed')") == "true" and b.js(boxes) >= 2
    b.click("#only")


def test_timeline(b):
    """It is drawn, zooms by keys, and leads to the longest wait."""
    drawn = """const c = $('timeline'), g = c.getContext('2d');
        return g.getImageData(120, 20, c.width - 120, c.height - 20).data.filter(x => x).length"""

    b.click("#tab-timeline")
    assert b.js(drawn) > 100
    span = b.js("return line.to - line.from")
    b.js("$('timeline').focus()")
    b.keys("+", "+")
    assert 3 < span / b.js("return line.to - line.from") < 5
    before = b.js("return line.from")
    b.keys(Keys.ARROW_RIGHT)
    assert b.js("return line.from") > before
    b.keys(Keys.ESCAPE)
    assert b.js("return line.to - line.from") == span
    b.js("const s = $('longest'); s.value = 0; s.dispatchEvent(new Event('change'))")
    assert b.js("return table.selected.id === P.timeline.longest[0].lock")
    assert b.js("return line.hits.some(h => h.s === P.timeline.longest[0] && h.right - h.x > 20)")
    hit = b.js("""const h = line.hits.find(h => h.s === P.timeline.longest[0]);
        const r = $('timeline').getBoundingClientRect();
        $('timeline').dispatchEvent(new MouseEvent('mousemove', { bubbles: true,
            clientX: r.left + (h.x + h.right) / 2, clientY: r.top + h.y + 5 }));
        return $('tip').textContent""")
    assert "waits for" in hit and "ended by" in hit, hit
    b.click("#tab-waiters")


def test_longest(b):
    """Each of the longest waits has its time of day, and leads to itself in the time line."""
    b.click("#tab-waits")
    first = b.js("return document.querySelector('.longest tbody tr').innerText")
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}\s", first), first
    assert b.js("return document.querySelectorAll('.longest tbody tr').length === P.longest_waits.length")
    b.js("document.querySelector('.longest button').focus()")
    b.keys(Keys.ENTER)
    assert b.js("return low.timeline && table.selected.id === P.longest_waits[0].lock")
    assert b.js("""const w = P.longest_waits[0];
        return line.from <= w.start_ns && w.start_ns + w.wait_ns <= line.to""")
    b.click("#tab-waiters")
    b.click("#tab-threads")


def test_moments(b, path):
    """The moments that were kept, with all threads; and which part of the run was recorded."""
    b.open(path)
    b.js("P.window = { begin_ns: 1e7 }; head_show()")
    assert "Recorded from 10.0\u00a0ms on" in b.js("return document.querySelector('#head .sub').innerText")
    b.js("$('tab-moments').focus()")
    b.click("#tab-moments")
    said = b.js("return document.querySelector('#side .cards li').innerText")
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3} .* had waited .* for ", said), said
    b.click("#side summary")
    n = b.js("return P.moments[0].hang.threads.length")
    assert n > 1 and b.js("return document.querySelectorAll('#side details li').length") == n


def test_fit(b):
    """Names are shortened from the inside: what differs stays."""
    for name, length, short in (("Dict::add (libpoppler.so.126+0x1f)", 24, "Dict::add (\u2026+0x1f)"),
                                ("Dict::find (libx.so.6)", 14, "Dict::find (\u2026)"),
                                ("QThreadPoolPrivate::start", 16, "QThreadP\u2026::start"),
                                ("LRUCacheShard<..>::Insert shards.cc:12 \u00d764", 25,
                                 "LRUCacheS\u2026::Insert:12 \u00d764"),
                                ("memcached+0x19a55", 12, "mem\u2026+0x19a55"), ("short", 5, "short"),
                                ("f (\u2026+0x1234567) < main", 12, "f (\u2026\u2026 < main")):
        assert b.js("return fit(arguments[0], arguments[1])", name, length) == short, name


def test_tab_order(b, path):
    """The Tab key leads through all panels in the order of the page, and what has the focus shows it."""
    b.open(path)
    b.d.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    seen = []
    for _ in range(60):
        where = b.js("""const e = document.activeElement, s = e.closest('header, section, details');
            return [s ? s.id : e.tagName, getComputedStyle(e).outlineStyle !== 'none']""")
        if where[0] == "BODY":
            break
        assert where[1], where
        if not seen or seen[-1] != where[0]:
            seen.append(where[0])
        b.keys(Keys.TAB)
    order = [s for s in seen if s in ("head", "locks", "low", "side", "text")]
    assert order == ["head", "locks", "low", "side", "text"], seen


def test_looks(b, path):
    """Dark, narrow, printed."""
    light = b.js("return getComputedStyle(document.body).backgroundColor")
    b.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    dark = b.js("return getComputedStyle(document.body).backgroundColor")
    b.click(".meta button")
    assert dark != light and b.js("return getComputedStyle(document.body).backgroundColor") == light
    b.cdp("Emulation.setEmulatedMedia", features=[])
    b.size(360, 740)
    b.open(path)
    assert b.js("return document.documentElement.scrollWidth") <= 360, "360 pixels are too few"
    assert b.js("""return [...document.querySelectorAll('section')]
        .every(s => s.scrollWidth <= s.clientWidth + 1)""")
    b.size(1280, 900)
    b.open(path)
    assert len(b.cdp("Page.printToPDF")["data"]) > 10000
    assert b.js("return table.printing") is False
    b.js("dispatchEvent(new Event('beforeprint'))")
    assert b.js("""return [...document.querySelectorAll('section, svg, #icicle')]
        .every(s => s.scrollWidth <= s.clientWidth + 1 && s.getBoundingClientRect().right <= 700)"""), "paper"
    b.js("dispatchEvent(new Event('afterprint'))")
    assert b.js("return $('lock').getBoundingClientRect().right") > 1000, "the screen again"


def test_many(b, path):
    """Compressed data, with and without the browser's help; and back to what the address says."""
    b.open(path)
    assert b.js("return P.locks.length") == 1000 and b.js("return $('data').dataset.size >= INFLATE_HERE")
    test_table_keys(b)
    wanted = chosen(b)
    address = b.d.current_url
    names = b.js("return P.locks.map(l => l.name + stack_text(l.first_used_at)).join()")
    script = b.cdp("Page.addScriptToEvaluateOnNewDocument", source=INFLATE)["identifier"]
    b.d.get("about:blank")
    b.d.get(address)
    b.until("return document.documentElement.dataset.ready")
    assert b.js("return typeof DecompressionStream") == "undefined" and chosen(b) == wanted
    assert b.js("return P.locks.map(l => l.name + stack_text(l.first_used_at)).join()") == names
    b.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    # No box of the icicle lies over another one's name.
    assert b.js("""return icicle.boxes.every(({ box, width }) =>
        box.getBoundingClientRect().width <= Math.max(1, width))""")


def test_diff(b, path):
    b.open(path)
    assert "New: " in b.js("return document.querySelector('h1').innerText")
    assert b.js("return $('compare').getAttribute('aria-pressed')") == "true"
    assert "before (blue)" in b.js("return $('icicle-words').innerText")
    assert b.js("return document.querySelector('#side table').rows.length") > 2
    b.js("""const s = document.querySelector('.meta select');
        s.value = 0;
        s.dispatchEvent(new Event('change'))""")
    assert "truth" in b.js("return document.querySelector('#head .sub').innerText")


def test_median(b):
    """The median of both sides of a rwlock is told by its place in a bucket."""
    of = """const side = { wait_ns: { total: arguments[1] } };
        return median({ ...side, read: side }, arguments[0], 1, 'wait_ns', 6e7).split(/\\s/).join(' ')"""
    assert b.js(of, [[1e3, 0, 1], [32e6, 10, 0]], 3e8) == "about 60.0 ms", "one bucket"
    assert b.js(of, [[16e6, 2, 0], [32e6, 8, 0]], 3e8) == "about 42.5 ms", "found by its place"


def test_processes(b, path):
    """A run of several processes has one to choose from."""
    b.open(path)
    options = b.js("return [...document.querySelectorAll('.meta option')].map(o => o.innerText)")
    assert len(options) >= 2 and all("html-many (" in o or "sh (" in o for o in options), options


def main():
    with tempfile.TemporaryDirectory() as work:
        pages(work)
        b = Browser()
        try:
            few = os.path.join(work, "few.html")
            b.size(1280, 900)
            b.open(few)
            test_frame(b)
            test_table(b)
            test_icicle(b)
            test_timeline(b)
            test_longest(b)
            test_fit(b)
            test_tab_order(b, few)
            test_looks(b, few)
            test_many(b, os.path.join(work, "many.html"))
            test_moments(b, os.path.join(work, "moment.html"))
            test_diff(b, os.path.join(work, "diff.html"))
            test_median(b)
            test_processes(b, os.path.join(work, "two.html"))
            b.check_quiet()
        finally:
            b.d.quit()


main()
