//! Enqueues a task for each file found, except for those that the run already has.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omniq::{Backend, NewTask, TaskFilter, TaskId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::file::FilePath;
use super::find::{self, Found, Skipped};
use super::hash::FUNC;
use super::round::{Ids, Round};
use crate::fail::Result;

/// How long a chunk is retried while the database is away, or while another demo enqueues the same files.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
const PAGE: u32 = 5000;
/// How many chunks the walk may be ahead: enough to know the number of files early, with bounded memory.
const AHEAD: usize = 200;

pub struct Feed {
    shared: Arc<Shared>,
    task: Option<JoinHandle<Result<()>>>,
}

/// How many files were found, are in the queue or done, and were done before.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub found: u64,
    pub placed: u64,
    pub done_before: u64,
}

#[derive(Default)]
struct Shared {
    found: AtomicU64,
    /// Files that are known to be in the queue, or done.
    placed: AtomicU64,
    done_before: AtomicU64,
    ended: AtomicBool,
    ids: Mutex<Vec<TaskId>>,
    skipped: Mutex<Skipped>,
}

impl Feed {
    pub fn start(backend: Backend, round: &Round, folder: PathBuf) -> Self {
        let shared = Arc::new(Shared::default());
        let source = Source {
            backend,
            queue: round.queue().to_owned(),
            ids: round.ids(),
            queued: HashSet::new(),
            look_first: round.resumed,
            compare: round.resumed,
            shared: Arc::clone(&shared),
        };
        Self { shared, task: Some(tokio::spawn(source.work(folder))) }
    }

    pub fn counts(&self) -> Counts {
        let Shared { found, placed, done_before, .. } = &*self.shared;
        let [found, placed, done_before] =
            [found, placed, done_before].map(|count| count.load(Ordering::Acquire));
        Counts { found, placed, done_before }
    }

    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Returns the error that ended the task, if there was one.
    pub async fn check(&mut self) -> Result<()> {
        match self.task.take_if(|task| task.is_finished()) {
            Some(task) => task.await.unwrap_or_else(|error| {
                Err(crate::fail::Failure::new(
                    crate::fail::Exit::Failure,
                    format!("enqueueing broke off: {error}"),
                ))
            }),
            None => Ok(()),
        }
    }

    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub fn found(&self) -> MutexGuard<'_, Vec<TaskId>> {
        self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn skipped(&self) -> Skipped {
        self.shared.skipped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Source {
    backend: Backend,
    queue: String,
    ids: Ids,
    /// The ids that the queue held when it was last read.
    queued: HashSet<TaskId>,
    /// Whether the queue must be read before the next chunk.
    look_first: bool,
    /// Whether there may be tasks and results of this run already.
    compare: bool,
    shared: Arc<Shared>,
}

impl Source {
    async fn work(mut self, folder: PathBuf) -> Result<()> {
        let (to, mut from) = mpsc::channel(AHEAD);
        let shared = Arc::clone(&self.shared);
        let walk = tokio::task::spawn_blocking(move || find::walk(&folder, &shared.found, &to));
        while let Some(found) = from.recv().await {
            match found {
                Found::Files(files) => self.place(files).await?,
                Found::Done(skipped) => {
                    *self.shared.skipped.lock().unwrap_or_else(PoisonError::into_inner) = skipped;
                    self.shared.ended.store(true, Ordering::Release);
                }
            }
        }
        walk.await.map_err(|error| std::io::Error::other(format!("the walk broke off: {error}")))?;
        Ok(())
    }

    async fn place(&mut self, files: Vec<PathBuf>) -> Result<()> {
        let count = files.len() as u64;
        let files: Vec<_> = files.into_iter().map(|path| (self.ids.of(&path), path)).collect();
        self.shared
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(files.iter().map(|(id, _)| *id));
        let begun = Instant::now();
        while let Err(error) = self.try_to_place(&files).await {
            if !(error.is_duplicate() || error.is_transient()) || begun.elapsed() > PATIENCE {
                return Err(error.into());
            }
            // Another demo of the same folder was faster, or it is unknown whether the chunk has arrived: read the queue again.
            self.look_first = true;
            tokio::time::sleep(PAUSE).await;
        }
        self.shared.placed.fetch_add(count, Ordering::AcqRel);
        Ok(())
    }

    async fn try_to_place(&mut self, files: &[(TaskId, PathBuf)]) -> omniq::Result<()> {
        if self.look_first {
            self.look_at_queue().await?;
            (self.look_first, self.compare) = (false, true);
        }
        let missing = self.missing(files).await?;
        self.backend.enqueue_many(missing).await.map(drop)
    }

    /// Tasks for the files that are neither in the queue nor done. The queue was read first, so a task that has left it
    /// since then has a result by now.
    async fn missing(&self, files: &[(TaskId, PathBuf)]) -> omniq::Result<Vec<NewTask>> {
        let mut missing: Vec<_> = files.iter().filter(|(id, _)| !self.queued.contains(id)).collect();
        if self.compare {
            let ids: Vec<TaskId> = missing.iter().map(|(id, _)| *id).collect();
            let results = self.backend.require_results()?.get_many(&ids).await?;
            let mut has_none = results.iter().map(Option::is_none);
            missing.retain(|_| has_none.next().unwrap_or(true));
            let done = (ids.len() - missing.len()) as u64;
            self.shared.done_before.fetch_add(done, Ordering::AcqRel);
        }
        let task = |(id, path): &(TaskId, PathBuf)| {
            let task = NewTask::new(FUNC, &FilePath::from(path.as_path()))?;
            Ok(task.id(*id).queue(&self.queue))
        };
        missing.into_iter().map(task).collect()
    }

    async fn look_at_queue(&mut self) -> omniq::Result<()> {
        let queue = Some(self.queue.clone());
        let mut filter = TaskFilter { queue, limit: Some(PAGE), ..TaskFilter::default() };
        loop {
            let page = self.backend.queue().list(&filter).await?;
            self.queued.extend(page.iter().map(|task| task.id));
            filter.after = page.last().map(|task| task.id);
            if page.len() < PAGE as usize {
                return Ok(());
            }
        }
    }
}
