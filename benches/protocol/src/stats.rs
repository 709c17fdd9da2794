//! The counts of a worker program: handler runs, the time of every hundredth, and latencies.

use std::io::BufRead;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::pause::pause;
use crate::{now, say, setting};

const EVERY: u64 = 100;

static COUNT: AtomicU64 = AtomicU64::new(0);
static WANTED: AtomicU64 = AtomicU64::new(0);
static SLEEP_US: AtomicU64 = AtomicU64::new(0);
static SEEN: Mutex<Seen> = Mutex::new(Seen { marks: Vec::new(), latencies: Vec::new() });

struct Seen {
    marks: Vec<u64>,
    latencies: Vec<u64>,
}

/// The body of every handler: counts, then sleeps for `SLEEP_MS` where that is set.
pub async fn handle(enqueued_at: u64) {
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    if enqueued_at > 0 || count.is_multiple_of(EVERY) {
        let now = now();
        let mut seen = SEEN.lock().expect("no handler panics");
        if enqueued_at > 0 {
            seen.latencies.push(now.saturating_sub(enqueued_at));
        }
        if count.is_multiple_of(EVERY) {
            seen.marks.push(now);
        }
    }
    if count == WANTED.load(Ordering::Relaxed) {
        say(&format!("REACHED {}", now()));
    }
    let sleep = SLEEP_US.load(Ordering::Relaxed);
    if sleep > 0 {
        pause(Duration::from_micros(sleep)).await.expect("a timer can be had");
    }
}

/// Prints READY, so call it right before the worker is run. A line on standard input ends the program, after the counts.
pub fn serve(wanted: u64) {
    WANTED.store(wanted, Ordering::Relaxed);
    SLEEP_US.store((setting("SLEEP_MS", 0.0) * 1e3) as u64, Ordering::Relaxed);
    let ready = now();
    say(&format!("READY {ready}"));
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        let count = COUNT.load(Ordering::Relaxed);
        let seen = SEEN.lock().expect("no handler panics");
        let (marks, latencies) = (&seen.marks, &seen.latencies);
        say(&format!(
            "{{\"count\": {count}, \"ready\": {ready}, \"every\": {EVERY}, \"marks\": {marks:?}, \"latencies\": {latencies:?}}}"
        ));
        std::process::exit(0);
    });
}
