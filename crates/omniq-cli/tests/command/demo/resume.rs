//! Interrupted and killed demos: nothing is lost, and nothing that had finished is done again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::Client;

use super::figures::stored;
use super::tree;
use crate::support::{Bench, Ran, folder, until};

const FILES: usize = 4000;

/// A demo that is at work.
struct Midst {
    bench: Bench,
    folder: TempDir,
    demo: Child,
    witness: Client,
}

impl Midst {
    /// Slow enough to be interrupted at work: each worker reads one file at a time.
    async fn begin(workers: &str) -> Self {
        let (bench, folder) = (Bench::new().await, folder());
        tree::many(folder.path(), FILES);
        let demo = bench
            .command(&["demo", "--workers", workers, "--concurrency", "1"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let witness = bench.db.client().await;
        let midst = Self { bench, folder, demo, witness };
        while midst.finished().await.len() < 50 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        midst
    }

    /// When each finished task finished. Empty before the tables exist.
    async fn finished(&self) -> BTreeMap<String, String> {
        let sql = "select task_id::text, finished_at::text from omniq.results where func = 'hash_file'";
        let rows = self.witness.query(sql, &[]).await.unwrap_or_default();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.demo.id().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("the demo is there");
    }

    async fn workers(&self) -> Vec<i32> {
        let rows =
            self.witness.query("select name from omniq.workers order by id", &[]).await.expect("workers");
        let pid = |name: String| name.rsplit(':').next().and_then(|pid| pid.parse().ok()).expect("host:pid");
        rows.iter().map(|row| pid(row.get(0))).collect()
    }

    async fn number(&self, sql: &str) -> i64 {
        self.witness.query_one(sql, &[]).await.expect("a number").get(0)
    }

    /// Resumes the demo, and checks that all results exist and that the earlier ones were left alone.
    async fn go_on(&self, before: &BTreeMap<String, String>, gone: Option<PathBuf>) {
        assert!((50..FILES).contains(&before.len()), "not in the midst: {} are done", before.len());
        let ran = Ran::of(self.bench.command(&["demo", "--json"]).arg(self.folder.path())).good();
        let report = ran.json();
        assert_eq!(report["resumed"], true, "{report}");
        let failed = report["failed"].as_array().expect("a list");
        assert_eq!(failed.len(), usize::from(gone.is_some()), "{report}");
        assert_eq!(report["files"], FILES - failed.len());
        assert_eq!(stored(&self.bench), tree::sums(&self.folder.path().canonicalize().expect("a folder")));
        let after = self.finished().await;
        assert_eq!(after.len(), FILES);
        for (id, time) in before {
            assert_eq!(after.get(id), Some(time), "{id} was done again");
        }
        let twice = "select count(*) from (select task_id from omniq.events where kind = 'completed'
                     group by task_id having count(*) > 1) t";
        assert_eq!(self.number(twice).await, 0);
        if let Some(gone) = gone {
            let gone = gone.to_str().expect("a plain name");
            assert!(failed[0]["error"].as_str().expect("words").contains(gone), "{report}");
        }
        // A finished run is not resumed.
        let again = Ran::of(self.bench.command(&["demo", "--json"]).arg(self.folder.path())).good().json();
        assert_eq!(again["resumed"], false);
    }

    /// A file whose task waits, by the path in its payload.
    async fn waiting_file(&self) -> PathBuf {
        let sql = "select convert_from(payload, 'UTF8')::json->>'path' from omniq.task_list where state = 'ready' limit 1";
        PathBuf::from(self.witness.query_one(sql, &[]).await.expect("a waiting task").get::<_, String>(0))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_after_ctrl_c_the_demo_goes_on_where_it_was() {
    let mut midst = Midst::begin("2").await;
    midst.signal(Signal::INT);
    let demo = std::mem::replace(&mut midst.demo, idle());
    let ran = Ran::from(demo.wait_with_output().expect("it ends")).fails_with(130, "goes on from here");
    assert_eq!(ran.stdout, "");
    assert_eq!(
        midst.number("select count(*) from omniq.tasks where worker is not null").await,
        0,
        "not handed back"
    );
    assert_eq!(midst.number("select count(*) from omniq.workers").await, 0, "a worker is left");
    let gone = midst.waiting_file().await;
    std::fs::remove_file(&gone).expect("the file is removed");
    let before = midst.finished().await;
    midst.go_on(&before, Some(gone)).await;
    // No task was begun twice either: at the interruption, each had not begun or was finished first.
    assert_eq!(midst.number("select max(attempt)::bigint from omniq.results").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_after_kill_9_of_the_demo_its_workers_end_and_it_goes_on_where_it_was() {
    let mut midst = Midst::begin("2").await;
    let workers = midst.workers().await;
    midst.signal(Signal::KILL);
    midst.demo.wait().expect("it has ended");
    until("the workers end with the demo", || workers.iter().all(|pid| !is_ours(*pid)));
    let before = midst.finished().await;
    midst.go_on(&before, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_a_killed_worker_is_replaced_and_nothing_is_lost() {
    let mut midst = Midst::begin("2").await;
    let victim = midst.workers().await[0];
    kill_process(Pid::from_raw(victim).expect("a pid"), Signal::KILL).expect("the worker is there");
    let demo = std::mem::replace(&mut midst.demo, idle());
    let ran = Ran::from(demo.wait_with_output().expect("it ends")).good();
    assert!(ran.stderr.contains("another one takes its place"), "{ran:?}");
    assert_eq!(stored(&midst.bench), tree::sums(&midst.folder.path().canonicalize().expect("a folder")));
    assert_eq!(midst.number("select count(*) from omniq.tasks").await, 0);
}

/// Whether this process is still a worker of the demo. Its pid may belong to another process by now.
fn is_ours(pid: i32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"demo-worker")
}

/// A child that takes the place of the one that is waited for.
fn idle() -> Child {
    std::process::Command::new("true").spawn().expect("true runs")
}

impl Drop for Midst {
    fn drop(&mut self) {
        let _ = self.demo.kill();
        let _ = self.demo.wait();
    }
}
