# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that cannot be attached to: one line that says why, exit status 2, and the process goes on. And
some that seem so, but can. What is not installed, or takes root, is left out and said so.
"""
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(os.environ.get("top_builddir") or os.getcwd())
MUTRACE = os.path.abspath(os.environ.get("MUTRACE") or os.path.join(BUILD, "mutrace"))
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
CAP_SYS_PTRACE = 1 << 19
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000
ROOT = os.getuid() == 0 and shutil.which("setpriv")
ASKED = "executing", "scopes"  # make check-attach, make check-vm
LATER = []  # to be looked at when all else is done
SPACES = ROOT and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef GO
__asm__(".section .note.go.buildid,\"a\",@note\n.long 4,4,4\n.asciz \"Go\"\n.balign 4\n.long 0\n.previous");
#endif
int prctl(int, ...); /* without the kernel's headers, which may not be there for 32 bit */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *works(void *unused)
{
	for (;;) {
		pthread_mutex_lock(&mutex);
		usleep(1000);
		pthread_mutex_unlock(&mutex);
	}
	return unused;
}
static int answers(struct dl_phdr_info *info, size_t size, void *data)
{
	char c;
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) == 1) {
		puts("done");
		fflush(stdout);
	}
	return 1;
}
static void *answers_apart(void *unused)
{
	usleep(10000);
	answers(NULL, 0, NULL);
	exit(0);
}
int main(int argc, char **argv)
{
	pthread_t id;
	if (getenv("MAY_BE_TRACED") || (argc > 1 && strcmp(argv[1], "open") == 0))
		prctl(0x59616d61, -1L) /* PR_SET_PTRACER, all */;
	if (argc > 2 && strcmp(argv[1], "on") == 0) { /* executes itself for ever */
		usleep(atoi(argv[2]) * 1000);
		execl("/proc/self/exe", argv[0], "on", argv[2], NULL);
	}
	if (argc > 1 && strcmp(argv[1], "loader") == 0)
		return dl_iterate_phdr(answers, NULL) != 1; /* which it holds meanwhile */
	for (int i = 2; i < argc; i++)
		dlopen(argv[i], RTLD_NOW);
	pthread_create(&id, NULL, works, NULL);
	if (argc > 1 && strcmp(argv[1], "headless") == 0) { /* its main thread ends */
		pthread_create(&id, NULL, answers_apart, NULL);
		pthread_exit(NULL);
	}
	if (argc > 1 && strcmp(argv[1], "closed") == 0)
		prctl(4, 0L) /* PR_SET_DUMPABLE */;
	else if (argc > 1 && strcmp(argv[1], "full") == 0)
		while (dup(0) >= 0)
			;
	return answers(NULL, 0, NULL) != 1;
}
"""


def check(right, *told):
    if not right:
        raise SystemExit("FAILED: " + " ".join(map(str, told)))


def until(wanted, why, seconds=30):
    deadline = time.time() + seconds
    while not wanted():
        check(time.time() < deadline, why)
        time.sleep(0.01)


def skipped(what):
    print("left out: " + what)


class Target:
    def __init__(self, *command, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        **options)
        check(self.process.stdout.readline() == "ready\n", "not ready:", command)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        if kind is None:
            check(self.process.poll() is None, "it has ended:", self.process.args)
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            check(self.process.stdout.readline() == "done\n", "it does not go on:", self.process.args)
        self.process.kill()
        self.process.wait()


def attach(pid, before=(), **options):
    return subprocess.run([*before, MUTRACE, "attach", "--duration=0.05", str(pid)], capture_output=True,
                          text=True, timeout=120, **options)


def refused(pid, *words, before=(), **options):
    r = attach(pid, before, **options)
    check(r.returncode == 2 and r.stderr.count("\n") == 1 and all(w in r.stderr for w in words), words, r)


def can(pid, before=(), **options):
    r = attach(pid, before, **options)
    check(r.returncode == 0 and "acquisitions" in r.stderr, r)


def state(pid, line):
    with open("/proc/%d/status" % pid) as f:
        return next(text.split()[1] for text in f if text.startswith(line))


def compiled(name, compiler, *flags):
    path = os.path.join(WORK, name)
    r = subprocess.run([*compiler, "-w", "-O1", "-pthread", *flags, "-o", path, "-x", "c", "-"], input=SOURCE,
                       text=True, capture_output=True)
    os.path.exists(path) and os.chmod(path, 0o755)
    return path if r.returncode == 0 else skipped("%s: %s" % (name, r.stderr[:200]))


def test_unsafe():
    """Its only thread holds the loader's lock. That is known after seconds only: the end of main() looks."""
    target = Target(PROGRAM, "loader")
    command = subprocess.Popen([MUTRACE, "attach", str(target.pid)], stderr=subprocess.PIPE, text=True)

    def ended():
        with target:
            said = command.communicate(timeout=120)[1]
            check(command.returncode == 2 and said.count("\n") == 1, command.returncode, said)
            check("no thread came to a place" in said, said)
    LATER.append(ended)


def test_programs():
    """Other C libraries, and none."""
    kinds = [("static", CC, ["-static"], "is statically linked"),
             ("go", CC, ["-DGO"], "is a Go program"),
             ("narrow", CC, ["-m32"], "is a 32-bit program"),
             ("musl", ["musl-gcc"], [], "uses musl")]
    for name, compiler, flags, words in kinds:
        program = shutil.which(compiler[0]) and compiled(name, compiler, *flags)
        if program:
            with Target(program) as target:
                refused(target.pid, words, "PROGRAMS WITHOUT" if name != "narrow" else "64-bit")


def test_debugged():
    """By gdb."""
    if not shutil.which("gdb"):
        return skipped("gdb")
    with Target(PROGRAM) as target:
        gdb = subprocess.Popen(["gdb", "-nx", "-q", "-iex", "set debuginfod enabled off", "-iex",
                                "set auto-load off", "-p", str(target.pid)], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: state(target.pid, "TracerPid") != "0", "gdb")
        refused(target.pid, "is traced by process %d" % gdb.pid)
        gdb.stdin.close()  # it detaches
        gdb.wait(60)


def test_confined():
    """By filters of one thread or all, which allow what is needed or do not. They kill if touched."""
    program = os.path.join(BUILD, "tests/workloads/filtered")
    with open("/proc/self/uid_map") as f:
        all_users = f.read().split() == ["0", "0", "4294967295"]
    # the system shows filters to us: CAP_SYS_ADMIN, and no filter of our own
    reads = all_users and state(os.getpid(), "Seccomp:") == "0" and (
        int(state(os.getpid(), "CapEff:"), 16) >> 21) & 1 == 1
    for name, where in (("openat", "thread"), ("mmap", "thread"), ("memfd_create", "thread"),
                        ("getcwd", "thread"), ("munmap", "all"), ("restart_syscall", "all"),
                        ("restart_syscall", "sleeper")):
        with Target(program, name, where) as target:
            refused(target.pid, "confined by a seccomp filter", *["forbids %s()," % name][:reads])
    for name, where in (("nothing", "all"), ("a failing memfd_create", "thread"),
                        ("a logged openat", "thread"), ("a written and executed mmap", "all"),
                        ("a set-user-ID openat", "all")) * reads:
        with Target(program, name, where) as target:
            can(target.pid)
    with Target(program, "a written mprotect", "thread") as target:
        refused(target.pid, "confined by a seccomp filter")
    with Target(program, "strict", "thread") as target:
        refused(target.pid, "confined by seccomp's strict mode")


def test_numbers():
    with Target(PROGRAM) as target:
        thread = max(map(int, os.listdir("/proc/%d/task" % target.pid)))
        can(thread)  # it is meant for its process
    for text in "", "0", "1x", "x", "99999999999", "+1", "0x10":
        refused(text, "one process is wanted")
    refused("$$", "is this command itself", before=["sh", "-c", 'exec "$0" "$1" "$2" $$'])


def test_headless():
    with Target(PROGRAM, "headless") as target:
        until(lambda: state(target.pid, "State:") == "Z", "its main thread goes on")
        refused(target.pid, "the main thread of process %d has ended" % target.pid)


def test_unsettled():
    """One thread has had no processor since the last time; also where the system does not tell so exactly."""
    if not SPACES:
        return skipped("a system without schedstat")
    libc = ctypes.CDLL(None)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    with Target(PROGRAM) as target:
        can(target.pid)
        thread = max(map(int, os.listdir("/proc/%d/task" % target.pid)))
        check(libc.ptrace(PTRACE_SEIZE, thread, None, None) == 0, "ptrace")
        check(libc.ptrace(PTRACE_INTERRUPT, thread, None, None) == 0, "ptrace")
        os.waitpid(thread, WALL)
        without = ("for f in /proc/%d/schedstat /proc/%d/task/*/schedstat; do mount --bind /dev/null $f; "
                   'done; exec "$@"') % (target.pid, target.pid)
        refused(target.pid, "its thread %d has had no processor since" % thread,
                before=["unshare", "-m", "sh", "-c", without, "-"])
        libc.ptrace(PTRACE_DETACH, thread, None, None)
        can(target.pid)


def test_profiled():
    """Under mutrace, or attached to, already."""
    with Target(MUTRACE, "-o", os.path.join(WORK, "session"), PROGRAM) as under:
        children = open("/proc/%d/task/%d/children" % (under.pid, under.pid)).read().split()
        program = next(c for c in children if os.readlink("/proc/%s/exe" % c) == PROGRAM)
        refused(program, "was started under mutrace already")
    os.kill(int(program), signal.SIGKILL)


def test_executing():
    """It executes something all the time."""
    for ms in "0", "3":
        process = subprocess.Popen([PROGRAM, "on", ms])
        for _ in range(10):
            r = attach(process.pid)
            check(r.returncode == 0 or (r.returncode == 2 and r.stderr.count("\n") == 1), r)
            check(process.poll() is None, "it has ended:", process.poll())
        process.kill()
        process.wait()


def limited(which, value):
    return lambda: resource.setrlimit(which, (value, value))


def test_limits():
    """Of the process, and of the command."""
    with Target(PROGRAM, "full", preexec_fn=limited(resource.RLIMIT_NOFILE, 64)) as target:
        refused(target.pid, "the loader of process", "cannot open")
    with Target(PROGRAM, preexec_fn=limited(resource.RLIMIT_FSIZE, 4096)) as target:
        refused(target.pid, "cannot record into", "File too large")
    with Target(PROGRAM, preexec_fn=limited(resource.RLIMIT_MEMLOCK, 0)) as target:
        can(target.pid)
        refused(target.pid, "cannot", preexec_fn=limited(resource.RLIMIT_NOFILE, 6))
    with Target(PROGRAM) as target:  # so much that it just runs
        mapped = int(open("/proc/%d/statm" % target.pid).read().split()[0]) * resource.getpagesize()
        resource.prlimit(target.pid, resource.RLIMIT_AS, (mapped + 65536, mapped + 65536))
        refused(target.pid, "the loader of process", "failed to map")


def test_variables():
    """No room is left for the variables of threads that a library brings."""
    source = """static __thread char room[%d] __attribute__((tls_model("initial-exec")));
char *at(void) { return room; }"""
    files = []
    for size, n in (1024, 4), (128, 8), (16, 8), (4, 4):
        first = os.path.join(WORK, "room%d" % size)
        subprocess.run([*CC, "-shared", "-fPIC", "-o", first, "-x", "c", "-"], input=source % size, text=True,
                       check=True)
        files += [shutil.copy(first, "%s.%d" % (first, i)) for i in range(n)]
    with Target(PROGRAM, "loads", *files) as target:
        refused(target.pid, "the loader of process", "static TLS block")


def test_privileged():
    """By its file's set-user-ID bit."""
    if not ROOT or os.statvfs(WORK).f_flag & os.ST_NOSUID or state(os.getpid(), "NoNewPrivs:") == "1":
        return skipped("set-user-ID programs")
    program = shutil.copy(PROGRAM, os.path.join(WORK, "privileged"))
    os.chmod(program, 0o4755)
    with Target(*NOBODY, program) as target:
        refused(target.pid, "has gained privileges when it was executed")
        refused(target.pid, "gained privileges or forbids it; root may", before=NOBODY)


def scope():
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as f:
            return f.read().strip()
    except OSError:
        return "0"


def test_users():
    """Of another user, without the rights."""
    if not ROOT or subprocess.run([*NOBODY, "test", "-x", MUTRACE]).returncode != 0:
        return skipped("other users: it takes root, setpriv, and a place where others find mutrace")
    theirs = [word.replace("65534", "1234") for word in NOBODY]
    with Target(PROGRAM) as root, Target(*theirs, PROGRAM) as other, Target(*NOBODY, PROGRAM) as own:
        refused(root.pid, "belongs to another user", before=NOBODY)
        refused(other.pid, "belongs to another user", before=NOBODY)
        refused(1, "process 1 ", before=NOBODY)
        if int(state(os.getpid(), "CapEff:"), 16) & CAP_SYS_PTRACE:
            refused(root.pid, "CAP_SYS_PTRACE is missing", before=["setpriv", "--bounding-set=-sys_ptrace"])
            can(other.pid)
        if scope() == "0":
            can(own.pid, before=NOBODY)
        else:
            refused(own.pid, "kernel.yama.ptrace_scope is " + scope(), "root may", before=NOBODY)
        # LeakSanitizer, where this is built with it, needs a process, too
        leaks = "ASAN_OPTIONS=%s:detect_leaks=0" % os.environ.get("ASAN_OPTIONS", "")
        refused(own.pid, "cannot make a process", before=["env", leaks, *NOBODY, "prlimit", "--nproc=1"])


def test_scopes():
    """As yama allows. The last of its scopes remains until the next boot."""
    path = "/proc/sys/kernel/yama/ptrace_scope"
    check(ROOT and os.access(path, os.W_OK), "no yama here")
    for n in "0123":
        with open(path, "w") as f:
            f.write(n)
        says = "kernel.yama.ptrace_scope is " + n
        with Target(*NOBODY, PROGRAM) as own, Target(*NOBODY, PROGRAM, "open") as known, Target(
                *NOBODY, PROGRAM, "closed") as closed:
            if n == "0":
                can(own.pid, before=NOBODY)
            elif n != "3":
                refused(own.pid, says, "root may, or", "'sysctl kernel", before=NOBODY)
                refused(closed.pid, "forbids it; root may", before=NOBODY)
            if n in "01":
                can(known.pid, before=NOBODY)
            elif n == "2":
                refused(known.pid, says, before=NOBODY)
                can(own.pid, before=[*NOBODY, "--inh-caps=+sys_ptrace", "--ambient-caps=+sys_ptrace"])
            for target in own, known, closed:
                if n != "3":
                    can(target.pid)
                    continue
                for before in [], NOBODY:
                    refused(target.pid, says, "until the next boot", before=before)


def in_namespace(script, *command):
    """A process that sees other files than we, after what a shell did there."""
    return Target("unshare", "-m", "sh", "-c", script + '; exec "$@"', "-", *command)


def test_namespaces():
    """No room for a session, or no way to the library, where the process lives."""
    if not SPACES:
        return skipped("mount namespaces")
    empty = 'mount -t tmpfs -o ro tmpfs /var/tmp; mount -t tmpfs -o ro tmpfs /tmp && cd / && '
    program = "/dev/shm/attach_refused.%d" % os.getpid()
    with in_namespace('mount -t tmpfs -o size=4k tmpfs /dev/shm', PROGRAM) as target:
        refused(target.pid, "cannot record into", "No space left")
    try:
        shutil.copy(PROGRAM, program)
        with Target("unshare", "-m", "sh", "-c", "exec 3<%s; %s mount -t tmpfs -o ro tmpfs /dev/shm; "
                    "exec /proc/self/fd/3" % (program, empty)) as target:
            refused(target.pid, "no session can be made in", "Read-only")
    finally:
        os.unlink(program)
    libraries = os.path.join(BUILD, ".libs")
    if os.path.isdir(libraries) and "MUTRACE" not in os.environ:
        with in_namespace('mount --bind {0} {0}; mount -o remount,bind,noexec {0}'.format(libraries),
                          PROGRAM) as target:
            can(target.pid)
        with in_namespace("mount -t tmpfs tmpfs " + libraries, PROGRAM) as target:
            can(target.pid)


def test_old():
    """The process has an older C library than the recorder needs: as one that needs a newer one sees it."""
    library = os.path.join(BUILD, ".libs/libmutrace.so")
    if not SPACES or "MUTRACE" in os.environ or not os.path.exists(library):
        return skipped("an older C library")
    with open(library, "rb") as f:
        mark = re.search(rb"@\(#\)libmutrace version [^\n]*\n", f.read()).group().decode()
    versions, libc, fake = (os.path.join(WORK, name) for name in ("versions", "libc.so.6", "fake.so"))
    with open(versions, "w") as f:
        f.write("GLIBC_2.99 { global: later; local: *; };")
    shared = [*CC, "-shared", "-fPIC", "-nostdlib", "-x", "c", "-"]
    subprocess.run([*shared, "-o", libc, "-Wl,-soname,libc.so.6", "-Wl,--version-script=" + versions],
                   input="int later(void) { return 0; }", text=True, check=True)
    source = 'int later(void); const char mark[] = "%s"; int mutrace_attach(void) { return later(); }'
    subprocess.run([*shared, "-o", fake, "-L" + WORK, "-l:libc.so.6"], text=True, check=True,
                   input=source % mark.replace("\n", "\\n"))
    with Target(PROGRAM) as target:
        refused(target.pid, "the loader of process", "version `GLIBC_2.99' not found",
                before=["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$1"; shift; exec "$@"', fake,
                        library])


def test_roots():
    """In a changed root, with its own PID and user namespace or without; another library is planted there."""
    if not SPACES:
        return skipped("roots")
    root = os.path.join(WORK, "root")
    needed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True).stdout.split()
    for path in [word for word in needed if word.startswith("/")]:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    shutil.copy(PROGRAM, root + "/program")
    os.makedirs(root + "/tmp")
    os.chmod(root + "/tmp", 0o1777)
    planted = root + os.path.join(BUILD, ".libs/libmutrace.so")
    os.makedirs(os.path.dirname(planted), exist_ok=True)
    with open(planted, "w") as f:
        f.write("no library")
    for before in [[], ["unshare", "-Urpfm", "--mount-proc"], ["unshare", "-pf"]]:
        with Target(*before, "chroot", root, "/program") as target:
            children = open("/proc/%d/task/%d/children" % (target.pid, target.pid)).read().split()
            can(children[0] if children else target.pid)


def main():
    global WORK, PROGRAM, CC
    if os.uname().machine not in ("x86_64", "aarch64"):
        raise SystemExit(77)
    CC = os.environ.get("CC", "cc").split()
    if not ROOT and scope() != "0":  # nothing keeps root from it
        if scope() != "1":
            print("skipped: kernel.yama.ptrace_scope is %s, so only root can attach" % scope())
            raise SystemExit(77)
        os.environ["MAY_BE_TRACED"] = "1"
    with tempfile.TemporaryDirectory() as WORK:
        os.chmod(WORK, 0o755)
        PROGRAM = compiled("program", CC)
        check(PROGRAM, "no compiler")
        for name, test in list(globals().items()):
            if name.startswith("test_") and (name[5:] in sys.argv[1:] or (
                    len(sys.argv) == 1 and name[5:] not in ASKED)):
                start = time.time()
                test()
                print("%s: %.1f s" % (name, time.time() - start), flush=True)
        for ended in LATER:
            ended()


main()
