//! The sums over the results of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use omniq::{Backend, ResultFilter, TaskId, TaskResult};

use super::file::Facts;
use super::hash::FUNC;
use crate::fail::Result;

const PAGE: u32 = 5000;

/// Files with the same content.
#[derive(Debug)]
pub struct Group {
    pub sha256: String,
    pub size: u64,
    /// The bytes that would be freed if only one copy were kept. Several names of one file waste nothing.
    pub wasted: u64,
    pub paths: Vec<String>,
}

/// A file whose task failed, or ended in another way than by completion.
#[derive(Debug)]
pub struct Failed {
    pub task: TaskId,
    pub error: String,
}

#[derive(Debug, Default)]
pub struct Report {
    pub files: u64,
    pub bytes: u64,
    pub lines: u64,
    pub failed: Vec<Failed>,
    /// Largest waste first.
    pub groups: Vec<Group>,
    pub wasted: u64,
    pub ids: HashSet<TaskId>,
    /// How many tasks the workers of each language ran, by the prefix of their names.
    pub done_by: BTreeMap<String, u64>,
    /// A task that completed, to suggest to the user.
    pub example: Option<TaskId>,
}

/// The copies of one content while results are read.
#[derive(Default)]
struct Copies {
    paths: Vec<String>,
    inodes: HashSet<(u64, u64)>,
}

/// Of the results that this queue's tasks have left since the run began.
pub async fn read(backend: &Backend, queue: &str, begun: Timestamp) -> Result<Report> {
    let results = backend.require_results()?;
    let mut filter = ResultFilter {
        queue: Some(queue.to_owned()),
        func: Some(FUNC.to_owned()),
        // An hour earlier, so that no result is lost if the clock was set back a little in between.
        since: begun.checked_sub(SignedDuration::from_hours(1)).ok(),
        limit: Some(PAGE),
        ..ResultFilter::default()
    };
    let mut report = Report::default();
    let mut contents: HashMap<(String, u64), Copies> = HashMap::new();
    loop {
        let page = results.list(&filter).await?;
        filter.after = page.last().map(|result| (result.finished_at, result.task_id));
        let is_last = page.len() < PAGE as usize;
        for result in page {
            report.add(result, &mut contents);
        }
        if is_last {
            break;
        }
    }
    report.group(contents);
    Ok(report)
}

impl Report {
    fn add(&mut self, result: TaskResult, contents: &mut HashMap<(String, u64), Copies>) {
        if !self.ids.insert(result.task_id) {
            return;
        }
        if let Some((language, _)) = result.worker.as_deref().and_then(|name| name.split_once(':')) {
            *self.done_by.entry(language.to_owned()).or_default() += 1;
        }
        let facts: Option<Facts> = result.value.as_ref().and_then(|value| value.decode().ok());
        let Some(facts) = facts else {
            let error = result.error.map_or_else(|| result.status.to_string(), |error| error.message);
            self.failed.push(Failed { task: result.task_id, error });
            return;
        };
        self.files += 1;
        self.bytes += facts.size;
        self.lines += facts.lines;
        self.example = Some(result.task_id);
        let copies = contents.entry((facts.sha256, facts.size)).or_default();
        copies.paths.push(facts.file.path);
        copies.inodes.insert((facts.device, facts.inode));
    }

    fn group(&mut self, contents: HashMap<(String, u64), Copies>) {
        let groups = contents.into_iter().filter(|(_, copies)| copies.paths.len() > 1);
        self.groups = groups
            .map(|((sha256, size), Copies { mut paths, inodes })| {
                paths.sort();
                Group { sha256, size, wasted: size * (inodes.len() as u64 - 1), paths }
            })
            .collect();
        self.groups.sort_by(|a, b| b.wasted.cmp(&a.wasted).then_with(|| a.paths.cmp(&b.paths)));
        self.failed.sort_by(|a, b| a.error.cmp(&b.error));
        self.wasted = self.groups.iter().map(|group| group.wasted).sum();
    }
}
