#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the source tree to its measures (CONTRIBUTING.md): widths of lines, lengths of files and functions,
nothing written twice, one spelling of includes and of null pointers, comments that open with their subject.

tests/tree/shape-allowed lists what is not yet so, one a line: a pattern of files, then the name of a check or
"*".
"""
import collections
import fnmatch
import os
import re
import subprocess
import sys

TOP = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
WIDTH = 110  # columns, a tab is 8
FILE = 450  # lines
FUNCTION = 60  # lines between the braces of a function
RUN = 8  # lines that are the same in two files, blank lines and includes left out


def sources():
    """Every source file below the top, by name; what is built lies in folders without a Makefile.am of
    ours."""
    for root in ("src", "wrappers", "include", "inject", "tests", "demo", "examples"):
        for folder, folders, files in os.walk(os.path.join(TOP, root)):
            folders.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h", ".cc", ".def", ".py", ".sh")) and ".pb-c." not in name:
                    yield os.path.relpath(os.path.join(folder, name), TOP)
    yield from ("Makefile.am", "configure.ac", "bootstrap.sh")


def is_c(name):
    return name.endswith((".c", ".h", ".cc"))


def is_ours(name):
    """Code of the product, not of a test."""
    return name.startswith(("src/", "wrappers/", "include/", "inject/"))


def may_be_broken(line, quote):
    """Whether a line of a shell script has a space outside quotes, and the quote that is open at its end."""
    space = False
    i = 0
    while i < len(line):
        c = line[i]
        if c == "\\" and quote != "'":
            i += 1
        elif quote:
            quote = None if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == "#" and line[:i].strip() == "":
            return True, None
        elif c == " " and line[:i].strip() and line[i:].strip() != "\\":
            space = True
        i += 1
    return space, quote


def check_width(name, lines):
    quote = document = None
    for number, line in enumerate(lines, 1):
        columns = len(line.expandtabs(8))
        inside = quote or document
        breakable = True
        if name.endswith(".sh"):  # text in quotes or in a here-document, mostly a program, stays as it is
            if document:
                document = None if line.strip() == document else document
            else:
                breakable, quote = may_be_broken(line, quote)
                begin = re.search(r"<<-?\s*['\"]?(\w+)", line)
                document = begin[1] if begin and not quote and not inside else None
            breakable = breakable and not inside
        if columns > WIDTH and breakable:
            yield number, f"{columns} columns"


def check_file(name, lines):
    if is_c(name) and is_ours(name) and len(lines) > FILE:
        yield len(lines), f"a file of {len(lines)} lines"


def check_function(name, lines):
    start = None
    for number, line in enumerate(lines, 1) if is_c(name) else ():
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > FUNCTION:
                yield start, f"a function of {number - start - 1} lines"
            start = None


def check_null(name, lines):
    for number, line in enumerate(lines, 1) if is_c(name) else ():
        code = re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/|//.*', "", line)
        if re.search(r"[!=]= *NULL\b|\bNULL *[!=]=", code):
            yield number, "a comparison with NULL: write p or !p"


def check_include(name, lines):
    """From the top; what belongs to a test alone lies beside it."""
    for number, line in enumerate(lines, 1) if is_c(name) else ():
        included = re.match(r'#\s*include "([^"]+)"', line)
        if not included or included[1] in ("config.h", "src/render/profile.pb-c.h",
                                                 "src/render/perfetto.pb-c.h"):
            continue
        beside = not is_ours(name) and "/" not in included[1]
        if not beside and not os.path.exists(os.path.join(TOP, included[1])):
            yield number, f"includes {included[1]}: write its path from the top"


def check_words(name, lines):
    """A comment begins with its subject; "What was read is kept" must be read twice."""
    for number, line in enumerate(lines, 1):
        opening = re.match(r"[^\"']*(?:/\*|^\s*\*|#) (What|Who|Whoever|Whether|Where|As long as) [a-z]", line)
        if opening and name != "tests/tree/shape.py":
            yield number, f'a comment that opens with "{opening[1]}"'


def check_log(name, lines):
    """Two tests whose names differ in .sh and .py only write one log, and one result is lost."""
    if name != "Makefile.am":
        return
    listed, known = False, {}
    for number, line in enumerate(lines, 1):
        listed = listed or re.match(r"(\w*tests|TESTS) \+?=", line)
        for test in re.findall(r"\btests/[\w./-]+", line) if listed else []:
            stem = re.sub(r"\.(sh|py)$", "", test)
            if known.setdefault(stem, test) != test:
                yield number, f"{test} writes the log of {known[stem]}"
        listed = listed and line.endswith("\\")


CHECKS = {
    "width": check_width,
    "file": check_file,
    "function": check_function,
    "null": check_null,
    "include": check_include,
    "words": check_words,
    "log": check_log,
}


def repeated(files):
    """Yields each run of RUN lines that stands in two files of the product."""
    kept = {}
    places = collections.defaultdict(list)
    for name, lines in files.items():
        if is_c(name) and is_ours(name):
            text = [(n, line.strip()) for n, line in enumerate(lines, 1)]
            kept[name] = [(n, line) for n, line in text if line and not line.startswith("#include")]
            for i in range(len(kept[name]) - RUN + 1):
                places[tuple(line for _, line in kept[name][i : i + RUN])].append((name, i))
    told = set()
    for same in places.values():
        for name, i in same:
            for other, j in same:
                if name < other and (name, other, i - j) not in told:
                    told.add((name, other, i - j))
                    yield name, kept[name][i][0], f"the same {RUN} lines as {other}:{kept[other][j][0]}"


def main():
    files = {}
    for name in sources():
        with open(os.path.join(TOP, name), encoding="utf-8") as f:
            files[name] = f.read().splitlines()
    if len(files) < 100:
        print(f"only {len(files)} files seen: run it in the right place")
        return 99
    with open(os.path.join(TOP, "tests/tree/shape-allowed"), encoding="utf-8") as f:
        allowed = [line.split() for line in f if line.strip() and not line.startswith("#")]

    found = [(name, number, "repeated", what) for name, number, what in repeated(files)]
    for name, lines in files.items():
        for kind, check in CHECKS.items():
            found += [(name, number, kind, what) for number, what in check(name, lines)]
    wrong = 0
    for name, number, kind, what in sorted(found):
        if not any(fnmatch.fnmatch(name, pattern) and which in (kind, "*") for pattern, which in allowed):
            print(f"{name}:{number}: {what} [{kind}]")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
