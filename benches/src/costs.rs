//! `costs`: what each feature costs the server for a task, alone and many at a time.

use std::fs;
use std::time::{Duration, Instant};

use bench_protocol::{database_url, say};
use omniq::port::PlannedTicks;
use omniq::prelude::*;

use crate::Failed;

/// How many tasks each figure is made of.
const TASKS: usize = 4_000;

/// Prints one line of JSON for each figure: microseconds of the server's CPU and of time for a task. The database that the environment names
/// should be empty, and its server on this machine. One connection is used, whose process is measured.
pub(crate) async fn run() -> Result<(), Failed> {
    let url = database_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let backend =
        AsyncPostgresBackend::connect(&format!("{url}{sign}pool_max=1&application_name=omniq_costs")).await?;
    let (witness, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let pids = "select pid from pg_stat_activity where application_name like 'omniq_costs%'";
    let pids: Vec<i32> = witness.query(pids, &[]).await?.iter().map(|row| row.get(0)).collect();
    for many in [1, 100, 1_000] {
        let batch = |from: usize| {
            // Of different metadata, so that each has a row of its own, as a task of a schedule has.
            let tasks =
                (from..from + many).map(|n| NewTask::new("noop", &n).map(|task| task.metadata("n", n)));
            tasks.collect::<Result<Vec<_>, _>>()
        };
        let mut meter = Meter::new(&pids);
        for from in (0..TASKS).step_by(many) {
            let tasks = batch(from)?;
            meter.run(backend.queue().enqueue_many(tasks)).await?;
        }
        meter.say("enqueue, each task in a row of its own", many);
    }
    for (what, round) in [("unique enqueue, the key is free", 0), ("unique enqueue, skipped", 1)] {
        for many in [1, 100, 1_000] {
            let mut meter = Meter::new(&pids);
            for from in (0..TASKS).step_by(many) {
                let task = |n: usize| {
                    let unique = Unique::key(format!("{many} {n}"));
                    NewTask::new("noop", &n).map(|task| task.queue("unique").unique(unique))
                };
                let tasks = (from..from + many).map(task).collect::<Result<Vec<_>, _>>()?;
                let enqueued = meter.run(backend.queue().enqueue_unique_many(tasks)).await?;
                assert!(enqueued.iter().all(|one| one.is_new() == (round == 0)));
            }
            meter.say(what, many);
        }
    }
    let mut meter = Meter::new(&pids);
    for _ in 0..3 * TASKS / 500 {
        witness.batch_execute("update omniq.keys set look_at = now() - interval '1 second'").await?;
        meter.run(backend.queue().maintain()).await?;
    }
    meter.say_of("look at a key by the clean-up", 500, (3 * TASKS / 500) * 5_000);
    let schedules = backend.require_schedules()?;
    let hour = Duration::from_secs(3_600);
    for many in [1, 100] {
        let names: Vec<String> = (0..many).map(|n| format!("{many}-{n}")).collect();
        for name in &names {
            let task = NewTask::new("noop", &())?;
            schedules.save(Schedule::new(name, Timing::every(hour)?, task)?.missed(Missed::All(1))).await?;
        }
        let mut meter = Meter::new(&pids);
        for _ in (0..TASKS).step_by(many) {
            let mut planned: Vec<PlannedTicks> = Vec::with_capacity(many);
            for name in &names {
                let saved = schedules.get(name).await?.ok_or("the schedule is there")?;
                let next = saved.next_at.ok_or("there is a next tick")?;
                planned.extend(saved.plan(next)?);
            }
            let ticks = meter.run(schedules.tick(&planned)).await?;
            assert_eq!(ticks.len(), many);
        }
        meter.say("tick of a schedule, its task enqueued", many);
        let mut meter = Meter::new(&pids);
        for _ in 0..1_000 {
            meter.run(schedules.next_tick(None)).await?;
        }
        meter.say_of("question for the next tick", 1, 1_000);
    }
    backend.close().await?;
    Ok(())
}

/// Sums what some calls cost.
struct Meter<'a> {
    pids: &'a [i32],
    cpu: u64,
    time: Duration,
}

impl<'a> Meter<'a> {
    fn new(pids: &'a [i32]) -> Self {
        Self { pids, cpu: 0, time: Duration::ZERO }
    }

    async fn run<T>(&mut self, call: impl Future<Output = omniq::Result<T>>) -> Result<T, Failed> {
        let (cpu, begun) = (self.cpu_now(), Instant::now());
        let answer = call.await?;
        self.time += begun.elapsed();
        self.cpu += self.cpu_now().saturating_sub(cpu);
        Ok(answer)
    }

    /// Nanoseconds on a processor, by the kernel's own clock.
    fn cpu_now(&self) -> u64 {
        let of = |pid: &i32| -> Option<u64> {
            let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        self.pids.iter().filter_map(of).sum()
    }

    fn say(&self, what: &str, many: usize) {
        self.say_of(what, many, TASKS);
    }

    fn say_of(&self, what: &str, many: usize, tasks: usize) {
        let each = |nanos: u128| nanos as f64 / 1_000.0 / tasks as f64;
        let (server, time) = (each(self.cpu.into()), each(self.time.as_nanos()));
        say(&format!(
            "{{\"what\": {what:?}, \"at_a_time\": {many}, \"server_us\": {server:.1}, \"time_us\": {time:.1}}}"
        ));
    }
}
