// SPDX-License-Identifier: GPL-3.0-or-later
// Rust's locks with a known load: 200 waits for a holder that is seen to hold while the waiter is seen asleep.
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::{mpsc, Condvar, Mutex, Once, RwLock};
use std::time::Duration;
use std::{env, fs, thread};

const ROUNDS: i32 = 200;
static STEP: AtomicI32 = AtomicI32::new(0);
static GOING: AtomicI32 = AtomicI32::new(0);
static DONE: AtomicI32 = AtomicI32::new(0);
static WAITER: AtomicI32 = AtomicI32::new(0);

mod bank {
    pub static ACCOUNTS: std::sync::Mutex<i32> = std::sync::Mutex::new(0);
}
static RATES: RwLock<i32> = RwLock::new(0);
static READY: Condvar = Condvar::new();
static FLAG: Mutex<bool> = Mutex::new(false);
static SETUP: Once = Once::new();

fn sleep_us(n: u64) {
    thread::sleep(Duration::from_micros(n));
}

fn tid() -> i32 {
    fs::read_link("/proc/thread-self").unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
}

fn asleep(tid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{}/stat", tid)).unwrap();
    stat[stat.rfind(')').unwrap() + 2..].starts_with('S')
}

/* The holder, until the waiter sleeps. */
fn hold(i: i32) {
    STEP.store(i + 1, SeqCst);
    while GOING.load(SeqCst) < i + 1 {
        sleep_us(20)
    }
    while !asleep(WAITER.load(SeqCst)) {
        sleep_us(20)
    }
    sleep_us(500);
}

extern "C" {
    fn raise(signal: i32) -> i32;
}

/* After so many rounds the process is killed, as in rounds.h. */
fn await_done(i: i32) {
    while DONE.load(SeqCst) < i + 1 {
        sleep_us(20)
    }
    if env::var("KILLED_AFTER").map_or(false, |n| n == (i + 1).to_string()) {
        unsafe { raise(9) };
    }
}

/* The waiter, before it waits. */
fn before(i: i32) {
    while STEP.load(SeqCst) < i + 1 {
        sleep_us(20)
    }
    GOING.store(i + 1, SeqCst);
}

#[inline(never)]
fn rust_holder(what: &str) {
    for i in 0..ROUNDS {
        match what {
            "mutex" => {
                let mut g = bank::ACCOUNTS.lock().unwrap();
                *g += 1;
                hold(i);
                drop(g); // HELD HERE
            }
            "rwlock" => {
                let g = RATES.write().unwrap();
                hold(i);
                drop(g);
            }
            _ => {
                hold(i);
                let mut g = FLAG.lock().unwrap();
                *g = true;
                READY.notify_one();
                drop(g);
            }
        }
        await_done(i);
    }
}

#[inline(never)]
fn rust_waiter(what: &str) {
    WAITER.store(tid(), SeqCst);
    for i in 0..ROUNDS {
        before(i);
        match what {
            "mutex" => *bank::ACCOUNTS.lock().unwrap() += 1, // WAITS HERE
            "rwlock" => assert!(*RATES.read().unwrap() == 0),
            _ => {
                let mut g = FLAG.lock().unwrap();
                while !*g {
                    g = READY.wait(g).unwrap();
                }
                *g = false;
            }
        }
        DONE.store(i + 1, SeqCst);
    }
}

#[inline(never)]
fn parked() {
    WAITER.store(tid(), SeqCst);
    for i in 0..ROUNDS {
        before(i);
        thread::park();
        DONE.store(i + 1, SeqCst);
    }
}

fn main() {
    let what = env::args().nth(1).unwrap();
    let name = what.clone();
    match what.as_str() {
        "park" => {
            let t = thread::spawn(parked);
            for i in 0..ROUNDS {
                hold(i);
                t.thread().unpark();
                await_done(i);
            }
            t.join().unwrap();
        }
        "once" => {
            let t = thread::spawn(|| {
                WAITER.store(tid(), SeqCst);
                before(0);
                SETUP.call_once(|| {});
            });
            SETUP.call_once(|| hold(0));
            t.join().unwrap();
        }
        "channel" => {
            let (tx, rx) = mpsc::channel::<i32>();
            let t = thread::spawn(move || {
                WAITER.store(tid(), SeqCst);
                for i in 0..ROUNDS {
                    before(i);
                    rx.recv().unwrap();
                    DONE.store(i + 1, SeqCst);
                }
            });
            for i in 0..ROUNDS {
                hold(i);
                tx.send(i).unwrap();
                await_done(i);
            }
            t.join().unwrap();
        }
        _ => {
            let t = thread::spawn(move || rust_waiter(&name));
            rust_holder(&what);
            t.join().unwrap();
        }
    }
}
