# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that a program, a file or a session can choose reaches the terminal as it is: names of programs,
arguments, threads, functions, locks, files, sessions, members of JSON. Looked at: every output that mutrace
has.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.dom.minidom

build = os.path.abspath(os.environ.get("top_builddir", "."))
mutrace = os.path.abspath(os.environ.get("MUTRACE") or os.path.join(build, "mutrace"))
cc = os.environ.get("CC", "cc").split()
for variable in ("LD_PRELOAD", "MUTRACE_SESSION"):
    os.environ.pop(variable, None)
EVIL = "\033[31m\033]0;title\007\r\u009b2J\u202e"

SOURCE = r"""
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>
pthread_mutex_t evil_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t *made;
static pthread_mutex_t store;
static volatile int held;
void evil_hold(void)
{
	pthread_mutex_lock(&evil_lock);
	held = 1;
	usleep(100000);
	pthread_mutex_unlock(&evil_lock);
}
void evil_wait(void)
{
	pthread_mutex_lock(&evil_lock);
	pthread_mutex_unlock(&evil_lock);
}
static void *run(void *data)
{
	prctl(PR_SET_NAME, "\033[31mT\n\233");
	while (!held)
		usleep(1000);
	evil_wait();
	return data;
}
int main(void)
{
	pthread_t t;
	made = &store;
	pthread_mutex_init(made, 0);
	pthread_mutex_lock(made);
	pthread_mutex_unlock(made);
	pthread_create(&t, 0, run, 0);
	evil_hold();
	pthread_join(t, 0);
	pthread_mutex_unlock(made); /* misuse */
	return 0;
}
"""


def fail(what):
    print("FAILED: %s" % what)
    raise SystemExit(1)


def clean(text, what):
    for i, c in enumerate(text):
        if (ord(c) < 32 and c not in "\n\t") or 0x7f <= ord(c) < 0xa0 or c == "\u202e":
            fail("%s has %r: %r" % (what, c, text[max(0, i - 100):i + 40]))
    return text


def run(what, *command, status=0, cwd=None):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd)
    out, err = (x.decode("utf-8") for x in (p.stdout, p.stderr))
    if p.returncode != status:
        fail("%s: status %d, %s" % (what, p.returncode, err[-2000:]))
    return clean(out, what + ", stdout"), clean(err, what + ", stderr")


def content(path, what):
    with open(path, encoding="utf-8") as f:
        return clean(f.read(), what)


def build_program(directory, flags, rename):
    folder = os.path.join(directory, "src" + EVIL)
    os.mkdir(folder)
    source, obj = os.path.join(folder, "evil%s.c" % EVIL), os.path.join(folder, "evil.o")
    program = os.path.join(directory, "prog%s\n" % EVIL)
    with open(source, "w") as f:
        f.write(SOURCE)
    subprocess.check_call(cc + flags + ["-O1", "-fno-optimize-sibling-calls", "-pthread", "-c", source, "-o",
            obj])
    if rename:
        for name in ("evil_lock", "evil_hold", "evil_wait"):
            subprocess.check_call(["objcopy", "--redefine-sym", name + "=" + name + EVIL + "\n", obj])
    subprocess.check_call(cc + ["-pthread", obj, "-o", program])
    return program


def look(work, flags, rename):
    directory = tempfile.mkdtemp(dir=work)
    program = build_program(directory, flags, rename)
    kept = os.path.join(directory, "kept" + EVIL)
    files = {name: os.path.join(directory, name) for name in ("json", "csv", "folded")}
    options = ["--%s=%s" % (name, path) for name, path in files.items()]
    _, err = run("mutrace", mutrace, "-o", kept, *options, program, "argument" + EVIL)
    if "evil" not in err or "misuse" not in err:
        fail("the report shows nothing: %s" % err)
    for name, path in files.items():
        text = content(path, name)
        if "evil" not in text:
            fail("%s shows nothing: %s" % (name, text))
    document = json.load(open(files["json"]))
    # who parses it gets what was there
    if document["processes"][0]["arguments"] != [program, "argument" + EVIL]:
        fail("arguments in JSON: %r" % document["processes"][0]["arguments"])
    for options in ([], ["-d"], ["--all", "--per-instance"]):
        run("report " + " ".join(options), mutrace, "report", *options, kept)
    run("report of many", mutrace, "report", kept, kept)
    run("diff", mutrace, "diff", "--all", files["json"], kept)
    run("diff in JSON", mutrace, "diff", "--json=-", files["json"], kept)
    for what in ("baseline", "json"):
        base = os.path.join(directory, "base" + EVIL)
        if what == "baseline":
            run("baseline", mutrace, "check", "--write-baseline=" + base, kept)
            content(base, "baseline")
        else:
            base = files["json"]
        junit, github = os.path.join(directory, "junit.xml"), os.path.join(directory, "github")
        run("check by " + what, mutrace, "check", "--baseline=" + base, "--limit=wait-max=1ns",
                "--junit=" + junit,
            "--github=" + github, kept, status=1)
        xml.dom.minidom.parseString(content(junit, "JUnit"))
        content(github, "annotations")


def errors(work):
    """What is said about files and options with such names."""
    evil = os.path.join(work, EVIL + "\n")
    run("no program", mutrace, evil, status=127)
    run("no session", mutrace, "report", evil, status=2)
    run("no session", mutrace, "diff", evil, evil, status=2)
    run("no such option", mutrace, "--x" + EVIL, "true", status=2)
    run("no such limit", mutrace, "check", "--limit=" + EVIL + "=1", "--", "true", status=2)
    with open(evil, "w") as f:
        f.write('{"\\u001b[31m": ' + EVIL)
    run("no JSON", mutrace, "diff", evil, evil, status=2)
    with open(evil, "w") as f:
        json.dump({"mutrace-baseline": 1, "locks": {EVIL: {"name": EVIL}}}, f)
    run("half a baseline", mutrace, "diff", evil, evil, status=2)
    with open(evil, "w") as f:
        json.dump({"mutrace-baseline": 1, "locks": {EVIL: {"name": EVIL, "kind": EVIL, "acquired": 5000}}}, f)
    good = os.path.join(work, "good")
    with open(good, "w") as f:
        json.dump({"mutrace-baseline": 1, "locks": {}}, f)
    run("an evil baseline", mutrace, "diff", "--all", good, evil)
    run("an evil baseline", mutrace, "check", "--baseline=" + good, "--limit=acquired=1", "--github=-", evil,
            status=1)
    with open(evil, "w", encoding="utf-8") as f:
        f.write('rules:\n  - lock: "\\e[31m"\n    "\\e[31m": 5\n')
    run("evil limits", mutrace, "check", "--limits=" + evil, "--", "true", status=2)


def main():
    work = tempfile.mkdtemp()
    try:
        look(work, ["-g"], False)
        look(work, ["-g0"], True)
        errors(work)
    finally:
        shutil.rmtree(work)
    print("no output steers the terminal")


if shutil.which("objcopy") is None:
    print("skipped: no objcopy")
    sys.exit(77)
main()
