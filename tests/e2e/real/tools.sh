# SPDX-License-Identifier: GPL-3.0-or-later
# Tools that do a job and end, for real.sh: the same result with mutrace as without.

input() {
	[ -e input ] || /usr/bin/python3 - "$megabytes" <<'PY' || exit 99
import random, sys
random.seed(1)
words = [bytes(random.choices(b"abcdefghijklmnop", k=random.randint(2, 9))) for _ in range(5000)]
with open("input", "wb") as f:
    while f.tell() < int(sys.argv[1]) << 20:
        f.write(b" ".join(random.choices(words, k=20000)) + b"\n")
PY
}

compressor() { # SUFFIX COMMAND...: writes input.SUFFIX
	local suffix=$1
	shift
	input
	"$@" || fail "$1 without mutrace"
	mv "input.$suffix" plain
	expect 0 "$mutrace" --json=json "$@"
	cmp -s plain "input.$suffix" || fail "output of $* differs"
	check_json json 'len(p["locks"]) >= 1' 'sum(l["acquired"] or 0 for l in p["locks"]) > 10' \
		'p["complete"] and p["lost_events"] == 0' \
		'all(l["acquired"] is None or l["acquired"] >= l["contended"] for l in p["locks"])' \
		'all(l["contended"] >= 0 for l in p["locks"])'
}

try_pbzip2() {
	for threads in 2 8; do
		compressor bz2 pbzip2 -k -f -p$threads input
		# Debian's has no debug information: places are named by function or by offset, never not at
		# all.
		check_json json 'sum(c["waits"] for c in p["conditions"]) > 0' \
			'all(f.get("function") or f.get("offset") for l in p["locks"] for w in l["waiters"] for f in w["stack"])'
	done
}

try_xz() {
	compressor xz xz -T4 -k -f --block-size=1MiB -1 input
}

try_python3() {
	cat >threads.py <<'PY'
import threading
lock = threading.Lock()
total = 0
def work():
    global total
    for i in range(20000):
        with lock:
            total += i
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)
PY
	expect 0 "$mutrace" --json=json python3 threads.py
	[ "$(cat out)" = "$((8 * 20000 * 19999 / 2))" ] || fail "python's result"
	check_json json 'p["threads"] >= 9' \
		'sum(x.get("waits", 0) for x in p["conditions"]) + sum(l["acquired"] or 0 for l in p["locks"]) > 100'
}

# same COMMAND...: stdout and status are the same with mutrace as without; the report is in json.
same() {
	"$@" >plain 2>plain.err
	status=$?
	expect $status "$mutrace" --json=json "$@"
	cmp -s plain out || fail "output differs: $*"
}

try_git() {
	git -c init.defaultBranch=main init -q repo
	(
		cd repo || exit 99
		for i in 1 2 3 4 5 6 7 8; do
			seq $((i * 1000)) $((i * 4000)) >"file$i"
			git add . && git -c user.name=x -c user.email=x@example.org commit -qm "$i" || exit 99
		done
	) || exit 99
	expect 0 "$mutrace" --json=json git -C repo -c pack.threads=4 -c gc.autoDetach=false repack -q -a -d \
		-f
	expect 0 git -C repo fsck --strict
	check_json json 'sum(l["acquired"] or 0 for q in d["processes"] for l in q["locks"]) > 10'
	rm -rf repo
}

try_ffmpeg() {
	same ffmpeg -nostdin -v error -threads 4 -f lavfi -i testsrc=duration=2:size=640x360:rate=25 \
		-threads 4 -c:v libx264 -preset veryfast -f md5 -
	check_json json 'p["threads"] >= 4' 'sum(l["acquired"] or 0 for l in p["locks"]) > 100'
}

try_node() {
	cat >workers.js <<'JS'
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
if (isMainThread) {
	let sum = 0, left = 4;
	for (let n = 0; n < 4; n++)
		new Worker(__filename, { workerData: n }).on("message", (v) => {
			sum += v;
			if (--left === 0)
				console.log(sum);
		});
} else {
	let sum = 0;
	for (let i = 0; i < 1e6; i++)
		sum = (sum + i * (workerData + 1)) % 1000003;
	parentPort.postMessage(sum);
}
JS
	same node workers.js
	check_json json 'p["threads"] >= 8' 'sum(l["acquired"] or 0 for l in p["locks"]) > 100'
}

try_java() {
	cat >Counting.java <<'JAVA'
public class Counting {
	private static long total;

	private static synchronized void add(long n) {
		total += n;
	}

	public static void main(String[] arguments) throws Exception {
		Thread[] threads = new Thread[8];
		for (int t = 0; t < threads.length; t++)
			(threads[t] = new Thread(() -> {
				for (int i = 0; i < 100000; i++)
					add(i);
			})).start();
		for (Thread t : threads)
			t.join();
		System.out.println(total);
	}
}
JAVA
	same java Counting.java
	check_json json 'p["threads"] >= 8' 'sum(l["acquired"] or 0 for l in p["locks"]) > 100'
}

# A build: many short processes, one readable report.
try_make() {
	mkdir -p build
	for i in $(seq 60); do
		echo "int f$i(int x) { return x * $i; }" >build/f$i.c
	done
	printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\n%%.o: %%.c\n\tcc -O1 -c -o $@ $<\n' \
		>build/Makefile
	expect 0 "$mutrace" --json=json make -s -C build -j4
	[ "$(ls build/*.o | wc -l)" = 60 ] || fail "not all objects were built"
	[ "$(wc -l <err)" -le 80 ] || fail "a report of $(wc -l <err) lines"
	rm -rf build
}

# This very tree: what was built works.
try_tree() {
	mkdir -p tree
	(cd tree && "$top_srcdir/configure" -q >/dev/null) || exit 99
	expect 0 "$mutrace" --json=json make -s -C tree -j4
	[ "$(wc -l <err)" -le 200 ] || fail "a report of $(wc -l <err) lines"
	check_json json 'any(q["program"].endswith("/make") for q in d["processes"])'
	mv err report
	expect 0 tree/mutrace "$workloads/truth"
	says "200 /       400"
	mv report err
	rm -rf tree
}

try_chromium() {
	echo '<p id=a>x</p><script>document.getElementById("a").textContent = 6 * 7</script>' >page.html
	# shellcheck disable=SC2046
	same chromium --headless $([ "$(id -u)" != 0 ] || echo --no-sandbox) --disable-gpu \
		--user-data-dir="$work/profile" --dump-dom "file://$work/page.html"
	grep -q '<p id="a">42</p>' out || fail "the page"
}

# Other people's mallocs, preloaded and linked.
try_jemalloc() {
	local library
	library=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
	[ -n "$library" ] || return 0
	LD_PRELOAD=$library expect 0 "$mutrace" --json=json "$workloads/truth"
	check_json json 'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
		'p["lost_events"] == 0'
	LD_PRELOAD=$library same /usr/bin/python3 -c 'import threading; print(threading.active_count())'
	check_json json \
		'p["locks"] and any("jemalloc" in f.get("module", "") for q in d["processes"] for l in q["locks"]
		for f in (l.get("created_at") or []) + (l.get("first_used_at") or []))'
}

try_tcmalloc() {
	${CC:-cc} -D_GNU_SOURCE -I"$top_srcdir" -g -O1 -o with-tcmalloc \
		"$top_srcdir/tests/workloads/truth.c" \
		-Wl,--no-as-needed -ltcmalloc_minimal -lpthread 2>/dev/null || return 0
	expect 0 "$mutrace" --json=json ./with-tcmalloc
	check_json json 'lock("guilty_lock")["acquired"] == 400 and lock("guilty_lock")["contended"] == 200' \
		'p["lost_events"] == 0'
}
