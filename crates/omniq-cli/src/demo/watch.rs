//! Waits until the queue is empty, updates the progress and replaces workers that die.

use std::time::{Duration, Instant};

use omniq::{Backend, QueueStats};

use super::crew::Crew;
use super::feed::{Counts, Feed};
use super::progress::Progress;
use super::round::Round;
use super::stop::Stop;
use crate::fail::Result;

const PAUSE: Duration = Duration::from_millis(150);
/// Reading the counts of a long queue takes a while. The pause after it is this many times as long, so that reading
/// takes only a small share of the time; but no pause exceeds [`LONGEST_PAUSE`].
const SHARE: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Done,
    Interrupted,
}

/// The state of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub found: u64,
    pub done: u64,
    /// How many of them were done before this call of the command.
    pub done_before: u64,
    pub failed: u64,
    /// Whether all files have been found.
    pub all_found: bool,
}

pub async fn until_done(
    backend: &Backend,
    round: &Round,
    feed: &mut Feed,
    crew: &mut Crew,
    progress: &mut Progress<'_>,
    stop: &mut Stop,
) -> Result<End> {
    loop {
        // Read in this order: a task that is placed before the queue is read is in the counts.
        let ended = feed.has_ended();
        let Counts { found, placed, done_before } = feed.counts();
        let looked = Instant::now();
        let queues = tokio::select! {
            queues = look(backend, progress) => queues?,
            () = stop.asked() => return Ok(End::Interrupted),
        };
        let cost = looked.elapsed();
        feed.check().await?;
        let queue = queues.into_iter().find(|queue| queue.name == round.queue()).unwrap_or_default();
        let left = left(&queue);
        let done = placed.saturating_sub(left);
        progress.at(Tally { found, done, done_before, failed: queue.dead, all_found: ended });
        if ended && left == 0 {
            return Ok(End::Done);
        }
        tokio::select! {
            () = stop.asked() => return Ok(End::Interrupted),
            death = crew.death() => {
                let (language, status) = death?;
                progress.note(&format!("A worker process in {language} has ended ({status}); another one takes its place."));
                crew.replace(language, status).await?;
            }
            () = tokio::time::sleep((cost * SHARE).clamp(PAUSE, LONGEST_PAUSE)) => {}
        }
    }
}

/// The figures of all queues. It waits out an outage of the database, as workers do.
async fn look(backend: &Backend, progress: &Progress<'_>) -> Result<Vec<QueueStats>> {
    let mut away = false;
    loop {
        match backend.queue().queues().await {
            Err(error) if error.is_transient() => {
                if !away {
                    progress.note(&format!("The database is away ({error}); waiting for it."));
                }
                away = true;
                tokio::time::sleep(PAUSE).await;
            }
            answer => return Ok(answer?),
        }
    }
}

fn left(queue: &QueueStats) -> u64 {
    queue.ready + queue.scheduled + queue.running
}
