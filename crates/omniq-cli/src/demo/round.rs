//! A run of the demo over a folder. Its record is a result of its own, under an id that depends on the folder alone, so
//! that an interrupted run is found again. The id of each file's task depends on the run and the path, so that no file
//! is enqueued twice.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use omniq::{Backend, Payload, ResultStatus, TaskFilter, TaskId, TaskResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::report::Report;
use crate::fail::Result;
use crate::output::ago;

/// The `func` of the record, to tell it from the results of files.
const FUNC: &str = "demo";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    run: TaskId,
    folder: String,
    pub queue: String,
    pub begun: Timestamp,
    finished: Option<Timestamp>,
    files: u64,
    bytes: u64,
    failed: u64,
    wasted: u64,
}

#[derive(Debug)]
pub struct Round {
    id: TaskId,
    record: Record,
    pub resumed: bool,
}

impl Round {
    /// Returns the run that was interrupted, or a new one.
    pub async fn begin(backend: &Backend, folder: &Path, keep: Duration) -> Result<Self> {
        let id = id_of(&[b"omniq demo", folder.as_os_str().as_bytes()]);
        let last = backend.require_results()?.get(id).await?;
        let last: Option<Record> = last.and_then(|result| result.value?.decode().ok());
        match last {
            Some(record) if record.finished.is_none() => return Ok(Self { id, record, resumed: true }),
            Some(record) => {
                // No report would count the dead letters of the last run any more.
                let its = TaskFilter { queue: Some(record.queue), ..TaskFilter::default() };
                backend.queue().purge(&its).await?;
            }
            None => {}
        }
        let run = TaskId::new();
        let record = Record {
            run,
            folder: folder.to_string_lossy().into_owned(),
            queue: queue_name(folder, run),
            begun: Timestamp::now(),
            finished: None,
            files: 0,
            bytes: 0,
            failed: 0,
            wasted: 0,
        };
        let round = Self { id, record, resumed: false };
        round.store(backend, keep).await?;
        Ok(round)
    }

    /// From now on, the next demo of this folder begins a new run.
    pub async fn finish(&mut self, backend: &Backend, report: &Report, keep: Duration) -> Result<()> {
        self.record.finished = Some(Timestamp::now());
        self.record.files = report.files;
        self.record.bytes = report.bytes;
        self.record.failed = report.failed.len() as u64;
        self.record.wasted = report.wasted;
        self.store(backend, keep).await
    }

    /// The record is stored before the first result, with the same time to live. So it expires first, and a run is
    /// never resumed without its results.
    async fn store(&self, backend: &Backend, keep: Duration) -> Result<()> {
        let mut result = TaskResult::new(self.id, ResultStatus::Completed);
        result.queue.clone_from(&self.record.queue);
        FUNC.clone_into(&mut result.func);
        result.value = Some(Payload::json(&self.record)?);
        result.ttl = Some(keep);
        Ok(backend.require_results()?.store(result).await?)
    }

    pub fn queue(&self) -> &str {
        &self.record.queue
    }

    pub fn begun(&self) -> Timestamp {
        self.record.begun
    }

    pub fn age(&self) -> String {
        ago(self.record.begun, Timestamp::now())
    }

    pub fn ids(&self) -> Ids {
        Ids(self.record.run)
    }
}

/// Makes the ids of a run's tasks.
#[derive(Debug, Clone, Copy)]
pub struct Ids(TaskId);

impl Ids {
    pub fn of(self, path: &Path) -> TaskId {
        id_of(&[self.0.as_uuid().as_bytes(), path.as_os_str().as_bytes()])
    }
}

/// A UUID of version 8, made of the bits of a hash.
fn id_of(parts: &[&[u8]]) -> TaskId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().into()
}

/// A queue for each run, with a recognizable name: `demo-share-3f9c1a`.
fn queue_name(folder: &Path, run: TaskId) -> String {
    let name = folder.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(24).collect();
    let mark = format!("{:06x}", (run.as_uuid().as_u128() >> 16) & 0xff_ffff);
    format!("demo-{}-{mark}", name.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_run_and_path_alone() {
        let (one, other) = (Ids(TaskId::new()), Ids(TaskId::new()));
        assert_eq!(one.of(Path::new("/a")), one.of(Path::new("/a")));
        assert_ne!(one.of(Path::new("/a")), one.of(Path::new("/b")));
        assert_ne!(one.of(Path::new("/a")), other.of(Path::new("/a")));
    }

    #[test]
    fn queue_names_are_plain_for_every_folder_name() {
        let run = TaskId::new();
        for folder in ["/usr/share", "/", "/tmp/Über uns\n", "/-"] {
            let name = queue_name(Path::new(folder), run);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
            assert_eq!(
                omniq::port::check_name("queue name", &name).map_err(|error| error.to_string()),
                Ok(())
            );
        }
    }
}
