//! The history: each actor's calls and their answers, and the begin and end of each run, with times. An actor appends
//! JSON lines to a file of its own. A line is one `write`, so it survives any end of its process.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::{self, Nanos};
use crate::fallible::Fallible;

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    pub at: Nanos,
    /// The process, with the number of its life: `rust-1#3`.
    pub who: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A call is made.
    Asked { op: u64, call: Call },
    /// A call has returned.
    Answered { op: u64, answer: Answer },
    /// A run begins. `v`: the version of its arguments.
    Begun { run: Uuid, task: Uuid, n: u64, v: u64, attempt: u32, func: String },
    /// A run ends: `value`, `error`, `snooze`, `discard`; `stopped` if it was broken off.
    Ended { run: Uuid, how: String },
    /// The nemesis caused a fault until this time, on `target` if it concerned one process.
    Fault { fault: String, target: Option<String>, until: Nanos, note: String },
}

/// A call to the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Call {
    /// Tasks with the numbers from `first` on. `ids`: those that the caller chose. `inside`: in a transaction with rows
    /// of `orders`.
    Enqueue {
        first: u64,
        count: u64,
        spec: Spec,
        ids: Vec<Uuid>,
        inside: bool,
    },
    Cancel {
        ids: Vec<Uuid>,
    },
    Delete {
        ids: Vec<Uuid>,
    },
    Retry {
        ids: Vec<Uuid>,
    },
    Update {
        id: Uuid,
        v: u64,
    },
    Get {
        id: Uuid,
    },
    Purge {
        queue: String,
    },
}

/// What the tasks of one call have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub func: String,
    pub queue: String,
    pub max_retries: u32,
    /// How many attempts fail.
    pub fails: u32,
    /// Whether they may expire.
    pub ttl: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Ids {
        ids: Vec<Uuid>,
    },
    Done,
    /// One word for each id: `done`, `requested`, `not_found`.
    Each {
        each: Vec<String>,
    },
    /// The task, or `None` if there is none.
    Task {
        found: Option<Found>,
    },
    Count {
        count: u64,
    },
    /// An error that means that nothing was done.
    Refused {
        kind: String,
        message: String,
    },
    /// An error that leaves open whether it was done.
    Unknown {
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub id: Uuid,
    pub n: u64,
    pub v: u64,
}

/// The arguments of every task.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Arguments {
    pub n: u64,
    pub v: u64,
    /// How long a run takes.
    pub ms: u64,
    pub fails: u32,
    pub payer: i32,
    pub payee: i32,
    pub amount: i64,
}

/// Appends to the file of one actor.
#[derive(Debug)]
pub struct Writer {
    who: String,
    file: File,
    ops: AtomicU64,
}

impl Writer {
    pub fn open(folder: &Path, who: &str) -> Fallible<Self> {
        let path = folder.join(format!("{who}.jsonl"));
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { who: who.to_owned(), file, ops: AtomicU64::new(0) })
    }

    pub fn write(&self, what: What) {
        self.write_at(clock::now(), what);
    }

    pub fn write_at(&self, at: Nanos, what: What) {
        let line = Line { at, who: self.who.clone(), what };
        let mut text = serde_json::to_string(&line).expect("plain data");
        text.push('\n');
        // Without its history, a run proves nothing.
        (&self.file).write_all(text.as_bytes()).expect("the history can be written");
    }

    /// Logs a call before it is made. The returned number is for [`answered`](Self::answered).
    pub fn asked(&self, call: Call) -> u64 {
        let op = self.ops.fetch_add(1, Ordering::Relaxed);
        self.write(What::Asked { op, call });
        op
    }

    pub fn answered(&self, op: u64, answer: Answer) {
        self.write(What::Answered { op, answer });
    }
}

/// The lines of all files in a folder, by time.
pub fn read(folder: &Path) -> Fallible<Vec<Line>> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            let line = serde_json::from_str(line)
                .map_err(|error| format!("{}:{}: {error}", path.display(), number + 1));
            lines.push(line?);
        }
    }
    lines.sort_by_key(|line: &Line| line.at);
    Ok(lines)
}

/// Whether the call was carried out, as far as an error of the library tells.
pub fn error(error: &omniq::Error) -> Answer {
    let message = error.to_string();
    let of = |kind: &str| Answer::Refused { kind: kind.to_owned(), message: message.clone() };
    match error {
        _ if error.is_unavailable() => Answer::Unknown { message },
        _ if error.is_duplicate() => of("duplicate"),
        _ if error.is_not_found() => of("not_found"),
        _ if error.is_conflict() => of("conflict"),
        _ if error.is_pool_timeout() => of("pool_timeout"),
        _ => of(error.sqlstate().unwrap_or("other")),
    }
}
