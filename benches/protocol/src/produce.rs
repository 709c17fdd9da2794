//! The producers: they make, count and time jobs around a queue's own enqueue call.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Mode, Noop, now, say, setting};

/// Enqueues `count` jobs by `call`, which takes `CHUNK` of them at once.
pub async fn bulk<F, Fut>(count: u64, chunk: u64, mut call: F)
where
    F: FnMut(Vec<Noop>) -> Fut,
    Fut: Future<Output = ()>,
{
    let chunk = setting("CHUNK", chunk);
    let start = now();
    let mut from = 0;
    while from < count {
        let to = (from + chunk).min(count);
        call((from..to).map(|number| Noop::new(number, 0)).collect()).await;
        from = to;
    }
    report(count, start);
}

/// Runs `load`, `single` or `paced`, as the mode says, around the queue's own `call` for one job.
///
/// # Panics
/// For any other mode, which has no such call.
pub async fn produce<F, Fut>(mode: Mode, call: F)
where
    F: Fn(Noop) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    match mode {
        Mode::Load(count) => until_count(count, call).await,
        Mode::Single(callers, seconds) => single(callers, seconds, call).await,
        Mode::Paced(count, ms) => paced(count, ms, call).await,
        Mode::Setup | Mode::Bulk(_) | Mode::RoundTrip(..) | Mode::Work(_) => {
            panic!("{mode:?} does not enqueue one by one")
        }
    }
}

/// Enqueues one by one from this many `callers` at once, for `seconds`.
async fn single<F, Fut>(callers: usize, seconds: f64, call: F)
where
    F: Fn(Noop) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    for caller in 0..callers as u64 {
        call(Noop::new(caller, 0)).await; // connections and prepared statements
    }
    let start = now();
    say(&format!("START {start}"));
    let end = start + (seconds * 1e9) as u64;
    let total = callers_loop(callers, call, move |_| now() < end).await;
    report(total, start);
}

/// Enqueues `count` one by one from 32 callers.
async fn until_count<F, Fut>(count: u64, call: F)
where
    F: Fn(Noop) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let start = now();
    let total = callers_loop(32, call, move |number| number < count).await;
    report(total, start);
}

async fn callers_loop<F, Fut>(
    callers: usize,
    call: F,
    goes_on: impl Fn(u64) -> bool + Clone + Send + 'static,
) -> u64
where
    F: Fn(Noop) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let loops: Vec<_> = (0..callers)
        .map(|_| {
            let (call, next, goes_on) = (call.clone(), next.clone(), goes_on.clone());
            tokio::spawn(async move {
                let mut done = 0;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if !goes_on(number) {
                        return done;
                    }
                    call(Noop::new(number, 0)).await;
                    done += 1;
                }
            })
        })
        .collect();
    let mut total = 0;
    for one in loops {
        total += one.await.expect("a caller ends by itself");
    }
    total
}

/// Enqueues one job each `ms` milliseconds, with the time of its call in it. One job goes before them, to connect.
async fn paced<F, Fut>(count: u64, ms: u64, call: F)
where
    F: Fn(Noop) -> Fut,
    Fut: Future<Output = ()>,
{
    call(Noop::new(0, 0)).await;
    let start = now();
    let mut tick = tokio::time::interval(Duration::from_millis(ms));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0..count {
        tick.tick().await;
        call(Noop::new(number, now())).await;
    }
    report(count, start);
}

/// Enqueues `count` jobs, one each `ms` milliseconds, by a `call` that ends with the job's result, and reports how long each took. One job goes
/// before them, to connect.
pub async fn round_trips<F, Fut>(count: u64, ms: u64, call: F)
where
    F: Fn(Noop) -> Fut,
    Fut: Future<Output = ()>,
{
    call(Noop::new(0, 0)).await;
    let start = now();
    let mut latencies = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(ms));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in 0..count {
        tick.tick().await;
        let begun = now();
        call(Noop::new(number, begun)).await;
        latencies.push(now() - begun);
    }
    let seconds = (now() - start) as f64 / 1e9;
    say(&format!("{{\"jobs\": {count}, \"seconds\": {seconds}, \"latencies\": {latencies:?}}}"));
}

fn report(jobs: u64, start: u64) {
    say(&format!("{{\"jobs\": {jobs}, \"seconds\": {}}}", (now() - start) as f64 / 1e9));
}
