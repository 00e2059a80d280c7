#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of functions, lines and variables: every frame must be the one that addr2line -i -f -C gives.

Built with libdw, we know more than addr2line about files that dwz has been over, split DWARF and clang's
DWARF 5. There every frame must be the one that addr2line gives for the same code with ordinary debug
information.

Builds the fixture of tests/fixtures/names* in many ways, asks symtool (src/symbols/symbolize.h) and addr2line
about every instruction of every function, and compares all frames. addr2line is asked for each address twice
and its second answer counts: its first one about an inlined function without a linkage name is the name of
the function around it.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

srcdir = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
builddir = os.environ.get("top_builddir", os.getcwd())
fixtures = os.path.join(os.path.abspath(srcdir), "tests/fixtures")
symtool = os.environ.get("SYMTOOL", os.path.join(builddir, "tests/unit/symtool"))
cc = os.environ.get("CC", "cc").split()
cxx = os.environ.get("CXX", "c++").split()
env = dict(os.environ, LC_ALL="C", HOME="/nonexistent")
for name in ("DEBUGINFOD_CACHE_PATH", "XDG_CACHE_HOME"):
    env.pop(name, None)
checked = {"frames": 0, "inlined": 0, "files": 0}
with open(os.path.join(builddir, "config.h")) as config:
    with_libdw = "#define HAVE_LIBDW 1" in config.read()


def is_clang(compiler=cc):
    """Without libdw no definitions of variables are found then, and there may be no plugin for -flto."""
    return "clang" in subprocess.check_output(compiler + ["--version"], universal_newlines=True)


class Broken(Exception):
    """The test itself cannot be set up."""


def run(*command, stdin=None, extra=None):
    p = subprocess.run([str(c) for c in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True, errors="replace", env=dict(env, **(extra or {})))
    if p.returncode:
        raise Broken("%s: status %d\n%s" % (" ".join(map(str, command)), p.returncode, p.stderr))
    return p.stdout


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def records(output):
    """What addr2line -a -i -f -C prints, as [(address, [(function, place)])]."""
    result = []
    for line in output.splitlines():
        if re.fullmatch("0x([0-9a-f]{8}){1,2}", line):
            result.append((int(line, 16), []))
        else:
            result[-1][1].append(re.sub(r" \(discriminator \d+\)$", "", line))
    return [(address, list(zip(lines[::2], lines[1::2]))) for address, lines in result]


def same_words(frame):
    """Leaves out in what form each says that it does not know, and versions of exported symbols."""
    function, place = frame
    place = re.sub(r":0$", ":?", place)
    if place.startswith(":"):
        place = "??" + place
    return re.sub(r"@@?[A-Z].*", "", function), place


def functions(path, dynamic=False):
    """[(start, end, name)] of the functions that have a size."""
    result = []
    for line in run("nm", "-S", "--defined-only", *(["-D"] if dynamic else []), path).splitlines():
        m = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) [tTwWiu] (.*)", line)
        if m:
            start = int(m.group(1), 16)
            result.append((start, start + int(m.group(2), 16), m.group(3)))
    return result


def addresses_of(path):
    """Every instruction of every function."""
    ranges = sorted(functions(path))
    result = []
    at = 0
    for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        m = re.match(r"\s*([0-9a-f]+):\t", line)
        if not m:
            continue
        address = int(m.group(1), 16)
        while at < len(ranges) and ranges[at][1] <= address:
            at += 1
        if at < len(ranges) and ranges[at][0] <= address:
            result.append(address)
    return result


def hexes(addresses):
    return "".join("%x\n" % a for a in addresses)


def expected(path, addresses):
    twice = [a for address in addresses for a in (address, address)]
    return records(run("addr2line", "-a", "-i", "-f", "-C", "-e", path, stdin=hexes(twice)))[1::2]


def ask(path, addresses, *options, extra=None):
    return records(run(symtool, *options, path, stdin=hexes(addresses), extra=extra))


def alike(frame):
    """Leaves out what marks a clone: libbfd names a function by the piece of it that it was asked about
    first."""
    function, place = same_words(frame)
    return re.sub(r"\.(constprop|isra|part|cold|lto_priv)(\.\d+)?| \[clone [^]]*\]", "", function), place


def are_alike(frames, others):
    pairs = list(zip(map(alike, frames), map(alike, others)))
    return len(frames) == len(others) and all((f in g or g in f) and p == q for (f, p), (g, q) in pairs)


def compare_code(what, want, got):
    """The same code with other debug information: as many frames, the same places, the functions' own
    names."""
    if [address for address, _ in want] != [address for address, _ in got]:
        fail("%s: other addresses" % what)
    for (address, frames), (_, got_frames) in zip(want, got):
        if not are_alike(frames, got_frames):
            fail("%s: %s\n  ordinary debug information %s\n  we                         %s" % (
                what, address, frames, got_frames))
        checked["frames"] += len(frames)
        checked["inlined"] += len(frames) - 1
    checked["files"] += 1


def compare(what, want, got):
    if len(want) != len(got):
        fail("%s: %d answers for %d addresses" % (what, len(got), len(want)))
    for (address, frames), (got_address, got_frames) in zip(want, got):
        if address != got_address or list(map(same_words, frames)) != list(map(same_words, got_frames)):
            fail("%s: %s\n  addr2line %s\n  we        %s" % (what, address, frames, got_frames))
        checked["frames"] += len(frames)
        checked["inlined"] += len(frames) - 1
    checked["files"] += 1


def build(name, flags, cplusplus=True, compilers=None, link=()):
    """Builds the fixture as a program of this name."""
    c_compiler, cxx_compiler = compilers or (cc, cxx)
    if is_clang(c_compiler) and not any(f.startswith("-gdwarf") for f in flags):
        flags = ["-gdwarf-4"] + flags  # of clang's DWARF 5 addr2line does not tell all
    objects = []
    sources = ["names.c"] + (["names.cc", "names-main.cc"] if cplusplus else ["names-main.c"])
    for source in sources:
        compiler = cxx_compiler if source.endswith(".cc") else c_compiler
        objects.append("%s-%s.o" % (name, source))
        run(*compiler, *flags, "-I", fixtures, "-c", os.path.join(fixtures, source), "-o", objects[-1])
    run(*(cxx_compiler if cplusplus else c_compiler), *flags, *objects, "-pthread", *link, "-o", name)
    return os.path.abspath(name)


def build_id(path):
    m = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", path))
    if not m:
        raise Broken("no build id in " + path)
    return m.group(1)


def as_compiled():
    variants = [
        ("O0", ["-O0", "-g"]),
        ("O1", ["-O1", "-g"]),
        ("O2", ["-O2", "-g"]),
        ("O2-nofp", ["-O2", "-g", "-fomit-frame-pointer"]),
        ("O3", ["-O3", "-g"]),
        ("O2-lto", ["-O2", "-g", "-flto"]),
        ("O2-dwarf4", ["-O2", "-gdwarf-4"]),
        ("O2-dwarf5", ["-O2", "-gdwarf-5"]),
        ("O2-dwarf4-types", ["-O2", "-gdwarf-4", "-fdebug-types-section"]),
        ("O2-z", ["-O2", "-g", "-gz"]),
        ("O2-sections", ["-O2", "-g", "-ffunction-sections", "-Wl,--gc-sections"]),
        ("O2-nopie", ["-O2", "-g", "-fno-pie", "-no-pie"]),
        ("g1", ["-O2", "-g1"]),
        ("g0", ["-O2", "-g0"]),
    ]
    if is_clang():
        variants = [v for v in variants if "-flto" not in v[1] and "-gdwarf-5" not in v[1]]
    for name, flags in variants:
        for cplusplus in (False, True):
            path = build(name + ("-cxx" if cplusplus else "-c"), flags, cplusplus)
            addresses = addresses_of(path)
            if len(addresses) < 100:
                raise Broken("%s has %d instructions only" % (path, len(addresses)))
            compare(name, expected(path, addresses), ask(path, addresses))
    if shutil.which("clang") and shutil.which("clang++"):
        for flags in (["-O0", "-gdwarf-4"], ["-O2", "-gdwarf-4"]):
            try:
                path = build("clang" + "".join(flags), flags, compilers=(["clang"], ["clang++"]))
            except Broken as e:  # found no C++ library, for one
                print("without clang:", e)
                break
            addresses = addresses_of(path)
            compare(path, expected(path, addresses), ask(path, addresses))
        if with_libdw and os.path.exists("clang-O2-gdwarf-4"):
            plain = os.path.abspath("clang-O2-gdwarf-4")
            addresses = addresses_of(plain)
            path = build("clang5", ["-O2", "-gdwarf-5"], compilers=(["clang"], ["clang++"]))
            compare_code("clang's DWARF 5", expected(plain, addresses), ask(path, addresses))
            variables(path, clang=True)


def split(plain):
    """Debug information in .dwo files, which only libdw reads."""
    addresses = addresses_of(plain)
    path = build("split", ["-O2", "-g", "-gsplit-dwarf"])
    if not with_libdw:
        print("without libdw: split debug information is not tested")
        return
    if addresses_of(path) != addresses:
        raise Broken("-gsplit-dwarf changes the code")
    compare_code("split debug information", expected(plain, addresses), ask(path, addresses))
    variables(path)
    pack = shutil.which("llvm-dwp") or shutil.which("dwp")
    if pack and subprocess.run([pack, "-e", path, "-o", path + ".dwp"],
                               stderr=subprocess.DEVNULL).returncode == 0:
        os.mkdir("away")
        parts = [file for file in os.listdir(".") if file.startswith("split-") and file.endswith(".dwo")]
        for file in parts:
            os.rename(file, "away/" + file)
        version = run("pkg-config", "--modversion", "libdw").strip()
        if [int(n) for n in version.split(".")] >= [0, 191]:
            compare_code("a .dwp file", expected(plain, addresses), ask(path, addresses))
        else:
            print("libdw %s does not read .dwp files" % version)
        os.unlink(path + ".dwp")
        os.mkfifo(path + ".dwp")
        ask(path, addresses[:1])  # ends
        os.unlink(path + ".dwp")
        for file in parts:
            os.rename("away/" + file, file)
    # without the .dwo files, and with FIFOs in their place, there are lines and symbols
    for file in os.listdir("."):
        if file.startswith("split-") and file.endswith(".dwo"):
            os.unlink(file)
            os.mkfifo(file)
    few = addresses[::20]
    compare("a FIFO as .dwo file", expected(path, few), ask(path, few))


def link_time():
    """Variables of a program optimised at link time: libbfd does not find their definitions."""
    if is_clang() or not with_libdw:
        return
    variables(os.path.abspath("O2-lto-cxx"))


def other_ways(path):
    """One by one, without a child, loaded elsewhere."""
    addresses = addresses_of(path)
    want = expected(path, addresses)
    compare("in process", want, ask(path, addresses, "--in-process"))
    compare("loaded high", want, ask(path, addresses, "--base=7f1234560000"))
    compare("with its build id", want, ask(path, addresses, "--build-id=" + build_id(path)))
    few = addresses[::7]
    compare("one by one", expected(path, few), ask(path, few, "--one-by-one"))


def shared_library():
    run(*cc, "-O2", "-g", "-fPIC", "-shared", "-I", fixtures, os.path.join(fixtures, "names.c"), "-o",
            "libnames.so")
    path = os.path.abspath("libnames.so")
    addresses = addresses_of(path)
    compare("shared library", expected(path, addresses), ask(path, addresses))
    main = re.search(r"^([0-9a-f]+) T names_c_work$", run("nm", path), re.M)
    plt = [int(m.group(1), 16) for m in re.finditer(r"^([0-9a-f]+) <pthread_mutex_lock@plt>:",
            run("objdump", "-d", path),
                                                    re.M)]
    if not main or not plt:
        raise Broken("no names_c_work or no stub for pthread_mutex_lock in " + path)
    got = ask(path, plt)[0][1]
    if got[0][0] != "pthread_mutex_lock@plt":
        fail("a stub is called %s" % got)


def separate(path):
    """Debug information elsewhere: the answers are as if it were in place."""
    addresses = addresses_of(path)
    want = expected(path, addresses)
    ident = build_id(path)
    by_id = "debug/.build-id/%s/%s.debug" % (ident[:2], ident[2:])
    os.makedirs(os.path.dirname(by_id))
    os.makedirs("bin/.debug")
    run("objcopy", "--only-keep-debug", path, by_id)
    run("objcopy", "--strip-all", path, "bin/stripped")
    stripped = os.path.abspath("bin/stripped")
    debug = "--debug-dir=" + os.path.abspath("debug")
    compare("by build id", want, ask(stripped, addresses, debug))
    compare("of a deleted program", want,
            ask("/nonexistent/program", addresses, debug, "--build-id=" + ident))

    for how in ("zlib", "zlib-gnu", "zstd"):
        p = subprocess.run(["objcopy", "--compress-debug-sections=" + how, path, "compressed"],
                           stderr=subprocess.DEVNULL)
        if p.returncode == 0:  # not every objcopy knows each
            compressed = os.path.abspath("compressed")
            compare("compressed by " + how, expected(compressed, addresses), ask(compressed, addresses))

    cache = "cache/%s/debuginfo" % ident
    os.makedirs(os.path.dirname(cache))
    shutil.move(by_id, cache)
    compare("debuginfod's cache", want, ask(stripped, addresses, debug,
                                            extra={"DEBUGINFOD_CACHE_PATH": os.path.abspath("cache")}))
    os.makedirs("home/.cache")
    shutil.move("cache", "home/.cache/debuginfod_client")
    compare("debuginfod's cache at home", want, ask(stripped, addresses, debug,
                                                    extra={"HOME": os.path.abspath("home")}))
    compare("debuginfod's cache by XDG_CACHE_HOME", want,
            ask(stripped, addresses, debug, extra={"XDG_CACHE_HOME": os.path.abspath("home/.cache")}))

    # by debuglink, with and without build ids; one whose checksum is wrong does not count
    original = "home/.cache/debuginfod_client/%s/debuginfo" % ident
    shutil.copy(original, "names.debug")
    run("objcopy", "--add-gnu-debuglink=names.debug", stripped)
    for place in ("bin/names.debug", "bin/.debug/names.debug",
            "debug" + os.path.dirname(stripped) + "/names.debug"):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy(original, place)
        compare("by debuglink, " + place, want, ask(stripped, addresses, debug))
        os.unlink(place)
    run("objcopy", "--remove-section=.note.gnu.build-id", stripped, "bin/anonymous")
    run("objcopy", "--remove-section=.note.gnu.build-id", original, "names.debug")
    run("objcopy", "--remove-section=.gnu_debuglink", "bin/anonymous")
    run("objcopy", "--add-gnu-debuglink=names.debug", "bin/anonymous")
    shutil.copy("names.debug", "bin/names.debug")
    compare("by debuglink's checksum", want, ask(os.path.abspath("bin/anonymous"), addresses, debug))
    with open("bin/names.debug", "ab") as f:
        f.write(b"x")
    got = ask(os.path.abspath("bin/anonymous"), addresses, debug)
    if any(":?" not in frames[0][1] for _, frames in got):
        fail("a debug file with another checksum is used")
    os.unlink("bin/names.debug")

    # below a sysroot, where absolute links of the host do not lead
    root = os.path.abspath("root")
    os.makedirs(root + "/opt/app")
    os.makedirs(root + "/usr/lib/debug/.build-id/" + ident[:2])
    shutil.copy("bin/stripped", root + "/opt/app/stripped")
    shutil.copy(original, root + "/usr/lib/debug/.build-id/%s/%s.debug" % (ident[:2], ident[2:]))
    compare("sysroot", want, ask("/opt/app/stripped", addresses, "--sysroot=" + root, "--build-id=" + ident))

    if shutil.which("dwz"):
        for name in ("dwz1", "dwz2"):
            shutil.copy(path, name)
        try:
            run("dwz", "-m", "common.debug", "-r", "dwz1", "dwz2")
        except Broken as e:  # it does not know all that clang writes
            print("without dwz:", e)
            return
        moved = os.path.abspath("dwz1")
        if with_libdw:
            compare_code("with a part moved away by dwz", want, ask(moved, addresses))
            shutil.copy(path, "dwz3")
            run("dwz", "dwz3")
            compare_code("made smaller by dwz", want, ask(os.path.abspath("dwz3"), addresses))
        else:  # libbfd gets less out of such files than out of others
            compare("with a part moved away by dwz", expected(moved, addresses), ask(moved, addresses))
        os.unlink("common.debug")
        for address, frames in ask(moved, addresses):
            if not frames[0][0] or frames[0][0] == "??":
                fail("%s has no name when dwz's file is missing" % address)


def stripped_and_replaced(path, other):
    """Less and less is known, but nothing wrong is said."""
    addresses = addresses_of(path)
    exported = sorted(functions(path, dynamic=True))
    shutil.copy(path, "bare")
    run("strip", "--strip-all", "bare")
    bare = os.path.abspath("bare")
    named = 0
    for address, frames in ask(bare, addresses):
        inside = [name for start, end, name in exported if start <= address < end]
        if len(frames) != 1 or (frames[0][0] == "??") != (not inside):
            fail("stripped: %s is called %s, exported are %s" % (address, frames, inside))
        named += frames[0][0] != "??"
    if not named:
        raise Broken("no exported function was asked for")
    for want, module, options in (("ok", path, []), ("stripped", bare, []), ("missing", "/nonexistent/x", []),
                                  ("replaced", path, ["--build-id=" + build_id(other)]),
                                          ("missing", "/dev/null", []),
                                  ("missing", os.path.dirname(path), []), ("missing", "", [])):
        got = run(symtool, "--state", *options, module).strip()
        if got != want:
            fail("state of %s %s: %s, not %s" % (module, options, got, want))
    # as /proc/PID/exe calls a program that was replaced while it ran: only a build id can tell what lies
    # there now
    few = addresses[::50]
    compare("deleted and put back", expected(path, few),
            ask(path + " (deleted)", few, "--build-id=" + build_id(path)))
    for _, frames in ask(path + " (deleted)", few) + ask(path + " (deleted)", few,
            "--build-id=" + build_id(other)):
        if frames[0][0] != "??":
            fail("a deleted program gave the name %s" % frames[0][0])
    for _, frames in ask(path, addresses, "--build-id=" + build_id(other)):
        if frames[0][0] != "??":
            fail("a replaced file gave the name %s" % frames[0][0])


def fifo():
    """A FIFO where a file should be must not hold us up."""
    os.mkfifo("fifo")
    p = subprocess.run([symtool, os.path.abspath("fifo")], input="1\n", stdout=subprocess.PIPE, timeout=60,
            env=env,
                       universal_newlines=True)
    if p.returncode or "??" not in p.stdout:
        fail("a FIFO as module: status %d, %s" % (p.returncode, p.stdout))


def variable_addresses(path):
    result = {}
    for line in run("nm", path).splitlines():
        m = re.fullmatch(r"([0-9a-f]+) [bBdDuVrR] (.*)", line)
        if m:
            result[m.group(2)] = int(m.group(1), 16)
    return result


def line_of(source, text):
    with open(os.path.join(fixtures, source)) as f:
        for number, line in enumerate(f, 1):
            if text in line:
                return number
    raise Broken("no %s in %s" % (text, source))


def variables(path, where=True, clang=None):
    """Variables by name, offset, and line of definition."""
    clang = is_clang() if clang is None else clang
    at = variable_addresses(path)
    # gcc 16 marks what is local in an anonymous namespace as well
    hidden = [n for n in at if re.fullmatch(r"_ZN4bank12_GLOBAL__N_1L?11hidden_lockE", n)]
    wanted = [
        ("names_global_lock", 8, "names_global_lock", "names.c", "pthread_mutex_t names_global_lock ="),
        ("names_stats", 8 * struct.calcsize("l"), "names_stats", "names.c",
         "struct names_stats names_stats ="),
        ("file_lock", 0, "file_lock", "names.c", "static pthread_mutex_t file_lock"),
        ("many_locks", 5 * 40, "many_locks", "names.c", "static pthread_mutex_t many_locks"),
        ("_ZN4bank11ledger_lockE", 0, "bank::ledger_lock", "names.cc", "std::mutex ledger_lock;"),
        ("_ZN4bankL9book_lockE", 0, "bank::book_lock", "names.cc", "static std::mutex book_lock;"),
        ("_ZN4bank7Account8all_lockE", 0, "bank::Account::all_lock", "names.cc",
                "std::mutex Account::all_lock;"),
        (hidden[0], 0, "bank::(anonymous namespace)::hidden_lock", "names.cc",
         "std::mutex hidden_lock;"),
    ]
    lines = run(symtool, "--variables", path, stdin=hexes(at[w[0]] + w[1] for w in wanted)).splitlines()
    for (symbol, offset, name, source, text), got in zip(wanted, lines):
        want = "%s+0x%x %s:%d" % (name, offset, os.path.join(fixtures, source), line_of(source, text))
        if not where:
            want = "%s+0x%x ??:0" % (name, offset)
        if clang and not with_libdw:
            got, want = got.split(" /")[0].split(" ??")[0], want.split(" /")[0].split(" ??")[0]
        # clang tells the line of the declaration only
        if clang and where and name == "bank::Account::all_lock":
            want = re.sub(r"\d+$", str(line_of(source, "static std::mutex all_lock;")), want)
        if got != want:
            fail("%s: variable is %s, not %s" % (path, got, want))

    # statics in functions: gcc numbers them in C, in C++ their names have the function's
    statics = [(symbol, a) for symbol, a in sorted(at.items())
               if re.fullmatch(r"(audit\.|transfer\.)?lock(\.\d+)?|_ZZN4bank.*E4lock", symbol)]
    got = run(symtool, "--variables", path, stdin=hexes(a for _, a in statics)).splitlines()
    names = sorted(line.split("+0x0 ")[0] for line in got)
    in_c = ["audit()::lock", "transfer()::lock"] if where or clang else ["lock", "lock"]
    if names != sorted(in_c + ["bank::(anonymous namespace)::once()::lock", "bank::visit()::lock"]):
        fail("%s: statics %s are called %s" % (path, statics, got))
    # where nothing is: in the code, far behind
    code = functions(path)[0][0]
    for got in run(symtool, "--variables", path, stdin=hexes([code, 0x7fffffff0000])).splitlines():
        if got != "??":
            fail("no variable is called " + got)


def main():
    for tool in ("addr2line", "objdump", "objcopy", "nm", "strip", "readelf"):
        if not shutil.which(tool):
            print("skipped: no", tool)
            sys.exit(77)
    if not shutil.which(cxx[0]):
        print("skipped: no C++ compiler", cxx[0])
        sys.exit(77)
    if not os.access(symtool, os.X_OK):
        print("no symtool at", symtool)
        sys.exit(99)
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        try:
            as_compiled()
            path = os.path.abspath("O2-cxx")
            other_ways(path)
            shared_library()
            separate(path)
            split(path)
            link_time()
            stripped_and_replaced(build("exporting", ["-O2", "-g"], link=["-rdynamic"]), path)
            fifo()
            variables(path)
            variables(os.path.abspath("O0-cxx"))
            variables(os.path.abspath("g0-cxx"), where=False)
        except Broken as e:
            print("set-up:", e)
            sys.exit(99)
        os.chdir("/")
    print("%(frames)d frames in %(files)d comparisons agree, %(inlined)d of them inlined" % checked)
    if checked["inlined"] < 1000:
        fail("too few inlined frames to mean anything")


main()
