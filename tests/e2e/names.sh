#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Nothing in the text reads alike that is not the same. Names are shortened from the inside, as far as they
# stay different; stacks are shown to where they differ, and to the first code of the program itself.
# Paragraphs keep to the width that there is; on a terminal places are links.
. "$(dirname "$0")/lib.sh"

need "${CXX:-c++}" "${CC:-cc}"
source=$top_srcdir/tests/workloads/alike.cc
common="-g -O1 -fno-optimize-sibling-calls -I$top_srcdir -pthread"
# shellcheck disable=SC2086 # options
${CXX:-c++} $common -DLIBRARY -fPIC -shared -o libdeep.so "$source" || exit 99
# shellcheck disable=SC2086,SC2016
${CXX:-c++} $common -o alike "$source" -L. -ldeep -Wl,-rpath,'$ORIGIN' || exit 99
expect 0 "$mutrace" --json=json -o kept ./alike
check_json json '[t.get("entry", "")[:6] for t in p["thread_list"] if t["tid"] != p["pid"]] == ["waiter"]'
flat() { # each paragraph in one line
	awk '/^ {10,}[^ #0-9]/ { sub(/^ +/, " "); line = line $0; next }
		{ print line; line = $0 } END { print line }'
}
flat <err >flat
cp err rows

# Template arguments where nothing else tells rows apart, callers where they do.
for row in 'mutex in Cache<AccountWithALongName, int>::fill alike.cc:[0-9]+' \
	'mutex in Cache<OrderWithALongName, int>::fill alike.cc:[0-9]+' \
	'mutex in make_mutex alike.cc:[0-9]+ < for_reading' \
	'mutex in make_mutex alike.cc:[0-9]+ < for_writing'; do
	[ "$(grep -cE "^ +[0-9]+ +$row +mutex " err)" = 1 ] || fail "row: $row"
done
[ -z "$(sed -nE 's/^ +[0-9]+  +(.*[^ ]) +(mutex|rwlock) .*/\1/p' err | sort | uniq -d)" ] ||
	fail "two rows read alike"

# Elements of arrays and members of structures; elements also where no debug information tells of them.
${CXX:-c++} -O1 "-I$top_srcdir" -pthread -o plain "$source" -L. -ldeep -Wl,-rpath,'$ORIGIN' || exit 99
expect 0 "$mutrace" --json=plain.json ./plain
cat >size.c <<'C'
#include <pthread.h>
#include <stdio.h>
int main(void)
{
	return printf("%#zx %#zx\n", 4 * sizeof(pthread_mutex_t), sizeof(long)) < 0;
}
C
${CC:-cc} -o size size.c || exit 99
read -r four_mutexes word < <(./size)
check_json plain.json 'lock("row_locks[0]") and lock("row_locks[4]") and lock("cache+'"$word"'")' \
	'lock("row_locks[4]")["identity"].endswith("row_locks+'"$four_mutexes"'")'
grep -q "define HAVE_LIBDW 1" "$top_builddir/config.h" 2>/dev/null &&
	check_json json 'lock("row_locks[0]") and lock("row_locks[4]") and lock("cache.mutex")' \
		'lock("cache.parts[2].lock")["kind"] == "rwlock"' 'lock("kept") and lock("library_lock")' \
		'lock("cache.mutex")["identity"].endswith("cache+'"$word"'")'

# Python's global lock is a condition in _PyRuntime, and contention.
cat >gil.py <<'END'
import threading
def spin():
    for i in range(300000):
        pass
all = [threading.Thread(target=spin) for i in range(3)]
for t in all: t.start()
for t in all: t.join()
END
expect 0 "$mutrace" --json=gil.json /usr/bin/python3 gil.py
if grep -q _PyRuntime gil.json || grep -q "Python's GIL" gil.json; then
	check_json gil.json 'cond("Python\x27s GIL")["mutex"] == "Python\x27s GIL (mutex)"' \
		'p["headline"]["lock_wait_ns"] >= cond("Python\x27s GIL")["wait_ns"]["total"]' \
		'sum(t["wait_ns"] for t in p["thread_list"]) == p["headline"]["lock_wait_ns"]'
	grep -q "Waiting for work.*GIL" err && fail "waiting for the GIL is no idleness"
fi

# The Java machine's threads wait for monitors at conditions that these make.
cat >vm.cc <<'END'
#include <pthread.h>
#include <time.h>
namespace os {
struct PlatformEvent {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	__attribute__((noinline)) PlatformEvent()
	{
		pthread_mutex_init(&mutex, 0);
		pthread_cond_init(&cond, 0);
	}
};
}
int main()
{
	os::PlatformEvent e;
	timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	pthread_mutex_lock(&e.mutex);
	pthread_cond_timedwait(&e.cond, &e.mutex, &soon);
	pthread_mutex_unlock(&e.mutex);
}
END
if ${CXX:-c++} -g -O1 -pthread -o vm vm.cc 2>err; then
	expect 0 "$mutrace" --all --json=vm.json ./vm
	grep -qE "^  Waiting for work.*: condition of a Java monitor or park\(\) " err || fail "Java"
	grep -q "1 thread also waited .* in Java monitors and park()" err || fail "Java's waits"
	check_json vm.json 'p["conditions"][0]["name"] == "a Java monitor or park()"'
fi

# Classes that wrap a lock, names that many programs have, and namespaces that do not fit. PostgreSQL waits
# for locks at a semaphore that others post.
cat >wrapped.cc <<'END'
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>
struct Mutex {
	pthread_mutex_t m;
	__attribute__((noinline)) Mutex() { pthread_mutex_init(&m, 0); }
	__attribute__((noinline)) void take() { pthread_mutex_lock(&m), pthread_mutex_unlock(&m); }
};
struct Store {
	Mutex m;
	__attribute__((noinline)) Store() {}
};
namespace a_very_long_outer_namespace { namespace another_long_inner_namespace { namespace {
struct KeeperOfAllTheThingsThatAreKept {
	pthread_mutex_t m;
	__attribute__((noinline)) KeeperOfAllTheThingsThatAreKept() { pthread_mutex_init(&m, 0); }
};
} } }
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static volatile int waiter;
extern "C" __attribute__((noinline)) void PGSemaphoreLock() { sem_wait(&sem); }
extern "C" __attribute__((noinline)) void LWLockAcquire() { PGSemaphoreLock(); __asm__ volatile(""); }
static void *other(void *)
{
	waiter = gettid();
	LWLockAcquire();
	return 0;
}
static void *idle(void *)
{
	pthread_mutex_lock(&lock);
	waiter = gettid();
	pthread_cond_wait(&cond, &lock);
	return 0;
}
static void start(pthread_t *thread, void *(*function)(void *))
{
	char path[64], state = 0;
	waiter = 0;
	pthread_create(thread, 0, function, 0);
	while (!waiter)
		usleep(1000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", waiter);
	for (FILE *f; state != 'S' && (f = fopen(path, "r")); usleep(1000))
		state = fscanf(f, "%*d %*s %c", &state) == 1 ? state : 0, fclose(f);
}
int main()
{
	Store store;
	a_very_long_outer_namespace::another_long_inner_namespace::KeeperOfAllTheThingsThatAreKept keeper;
	pthread_t thread;
	store.m.take();
	pthread_mutex_lock(&keeper.m);
	pthread_mutex_unlock(&keeper.m);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	sem_init(&sem, 0, 0);
	start(&thread, idle);
	start(&thread, other);
	sem_post(&sem);
	pthread_join(thread, 0);
	return 0;
}
END
if ${CXX:-c++} -g -O1 -fno-optimize-sibling-calls -pthread -o wrapped wrapped.cc 2>err; then
	expect 0 "$mutrace" --all --json=wrapped.json ./wrapped
	grep -qE "^ +[0-9]+  mutex in Store::Store wrapped.cc:[0-9]+ " err || fail "a class that wraps a lock"
	grep -qE "^ +[0-9]+  lock \(wrapped.cc\) " err || fail "which lock"
	grep -qE "^ +[0-9]+  cond \(wrapped.cc\) +1 " err || fail "a wait that has not ended"
	grep -qE "Longest wait: .*, by other \([0-9]+\) for sem \(wrapped.cc\), which" err ||
		fail "the longest wait"
	grep -qE " KeeperOfAllTheThingsThatAreKept::KeeperOfAllTheThingsThatAreKept wrapped.cc:[0-9]+ " err ||
		fail "class and method are cut"
	check_json wrapped.json 'p["locks"][0]["kind"] == "semaphore"' 'p["locks"][0]["role"] == "lock"' \
		'p["locks"][0]["cost_ns"] == p["locks"][0]["unknown_ns"]'
fi

# Eight equal frames, and then left() or right().
at='alike.cc:[0-9]+'
for way in left right; do
	grep -qE "^    (waited|      ) +[0-9]+ %  keep .* < keep $at < $way $at < \.\. \(1, max" flat ||
		fail "the waits of $way"
done
# 30 frames of a library, and the program's first, which is the last that was recorded.
grep -qE "^    waited +100 %  dig .* < dig $at < \.\. < asks_library $at < \(cut\) \(1" flat ||
	fail "the program's own frame"
check_json json 'functions(lock("library_lock")["waiters"][0]["stack"])[-1] == "asks_library()"' \
	'len(lock("library_lock")["waiters"][0]["stack"]) > 30'
expect 0 "$mutrace" --frames=3 ./alike
flat <err | grep -qE "waited +100 %  keep $at < keep $at < keep $at < \(cut\)" ||
	fail "a cut is not said"
expect 0 "$mutrace" --frames=100 ./alike
grep -q "(cut)" err && fail "a cut that is none"

# Paragraphs, and tables that are not cut.
for width in 60 80 110; do
	COLUMNS=$width "$mutrace" report kept >out 2>err || fail "report"
	grep -vE '^  +(#|[0-9]+) ' out | awk -v w=$width 'length($0) > w' | grep . && fail "wider than $width"
	grep -q 'Cache<AccountWithALongName, int>::fill alike.cc:' out || fail "a name that is cut at $width"
done

# Links: on a terminal with colours, and only there.
/usr/bin/python3 - "$mutrace" "$work/kept" "$work" <<'PY' || fail "links"
import os, pty, re, sys
mutrace, kept, work = sys.argv[1:]

def terminal(columns, *options, **environment):
    import fcntl, struct, termios
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.environ["TERM"] = "xterm"
        os.environ.update(environment)
        os.execv(mutrace, [mutrace, "report", *options, kept])
    text = b""
    while True:
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    assert os.waitpid(pid, 0)[1] == 0, text
    text = text.decode().replace("\r\n", "\n")
    return re.sub("[^\n]*\r", "", text)  # without how far it has got

text = terminal(120)
links = re.findall("\033]8;;([^\033]*)\033\\\\alike.cc:(\\d+)\033]8;;\033\\\\", text)
assert links and all(re.fullmatch(r"file://[^/]*/.*/alike\.cc#%s" % line, url) for url, line in links), links
assert "vscode://file/" in terminal(120, "--links=vscode")
assert "x:/" in terminal(120, "--links=x:{path}")
for options, environment in ((["--links=none"], {}), ([], {"TERM": "dumb"}), ([], {"NO_COLOR": "1"})):
    assert "\033]8" not in terminal(120, *options, **environment)
for columns in (80, 100, 140):
    plain = re.sub("\033]8;;[^\033]*\033\\\\|\033\\[[0-9;]*m", "", terminal(columns))
    long = [line for line in plain.split("\n") if len(line) > columns and not re.match(r" +(#|\d+) ", line)]
    assert not long, long
    rows = [re.split(r"  +", line)[2] for line in plain.split("\n") if re.match(r" +\d+  ", line)]
    assert len(rows) >= 9 and len(set(rows)) == len(rows), rows
PY

# Code that a process makes while it runs has the names that it writes for perf, if the file is its own.
${CC:-cc} -g -O1 -fno-optimize-sibling-calls -fno-omit-frame-pointer -pthread -o jit \
	"$top_srcdir/tests/workloads/jit.c" || exit 99
"$mutrace" -o made --json=json ./jit >out 2>err
got=$?
map=$(cat out)
if [ $got = 0 ]; then
	check_json json 'functions(lock("jit_lock")["users"][0]["stack"])[:3] == ["work", "serve", "main"]' \
		'lock("jit_lock")["users"][0]["stack"][1]["file"] == "/app/server.js"' \
		'lock("jit_lock")["users"][0]["stack"][1]["line"] == 12'
	touch -d 2020-01-01 "$map"
	expect 0 "$mutrace" report --json=json made
	check_json json '[f.get("function") for f in lock("jit_lock")["users"][0]["stack"]][1] is None'
	rm -f "$map"
	mkfifo "$map"
	expect 0 timeout 60 "$mutrace" report --json=json made
	rm -f "$map"
elif [ $got != 77 ]; then
	fail "exit status $got of a program that makes code"
fi

# A title that a program has given itself is no path, though paths may be in it.
# shellcheck disable=SC2016 # the inner shell's
expect 0 "$mutrace" bash -c 'exec -a "nginx: master process /etc/n.conf" ./alike'
says 'mutrace: alike (PID'
exit 0
