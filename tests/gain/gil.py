#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python program whose lock can really be changed, for gain.py: gil.py CASE [A=CHANGE]. The lock of
threading is A; the interpreter's own lock is no lock that a program can change.
"""
import queue
import sys
import threading
import time

lock_a = threading.Lock()
factor = 1.0
split = False
for text in sys.argv[2:]:
    split = text == "A=split"
    factor = 1.0 if split else float(text[2:])


def rest(ms):
    if ms > 0:
        time.sleep(ms / 1000)


def burn(ms):
    x = 1
    for _ in range(int(ms * 12000)):
        x = x * 5 & 1023
    return x


def in_lock(act, ms):
    if split:
        act(ms)
        return
    with lock_a:
        act(ms * factor)


def sleeps(_):
    for _ in range(40):
        rest(5)
        in_lock(rest, 3)


def computes(_):
    for _ in range(25):
        burn(4)
        in_lock(rest, 6)


jobs = queue.Queue()


def takes(_):
    while jobs.get() is not None:
        rest(4)
        in_lock(rest, 3)


CASES = {"py-sleeps": (sleeps, 5), "py-computes": (computes, 3), "py-queue": (takes, 4)}
run, count = CASES[sys.argv[1]]
begin = time.monotonic()
for i in range(120):
    jobs.put(i)
for i in range(count):
    jobs.put(None)
threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(f"{time.monotonic() - begin:.4f}")
