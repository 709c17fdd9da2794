//! What a worker logs of its start and of the ends of runs.

use omniq_core::*;
use omniq_testkit::Log;
use tracing::Level;

use crate::support::*;

/// The lines of this thread's log from now on.
fn logged(level: Level) -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(move || writer.clone());
    (log, tracing::subscriber::set_default(subscriber.finish()))
}

fn lines(log: &Log, word: &str) -> Vec<String> {
    log.text().lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
}

/// Runs a task that fails and one that does not; returns the id of the first.
async fn life(rig: &Rig, shown: Option<LoggedErrors>) -> TaskId {
    let id = rig.add(task("fails").max_retries(0).queue("mail")).await;
    rig.add(task("says").queue("mail")).await;
    let worker = rig.worker().queues(["mail"]).concurrency(3).register("fails", |(): (), _| async {
        Err::<(), _>(Failure::error("Kind", "the reason,\nin two lines").trace("caused by: a cause"))
    });
    let worker = worker.register("says", |(): (), _| async {
        tracing::warn!(target: "shop", "said by a handler");
        Ok::<_, Failure>(())
    });
    let worker = shown.into_iter().fold(worker, WorkerBuilder::log_errors).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    id
}

#[tokio::test]
async fn starts_and_ends_of_runs_are_one_line_each() {
    let rig = Rig::new();
    let (log, _guard) = logged(Level::DEBUG);
    let id = life(&rig, None).await;
    let [start] = &lines(&log, "worker started")[..] else { panic!("one start") };
    for part in ["queues=mail", "functions=fails, says", "concurrency=3", "database=memory:"] {
        assert!(start.contains(part), "{start}");
    }
    assert!(start.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))), "{start}");
    let [failed] = &lines(&log, "Kind")[..] else { panic!("one failure: {:#?}", lines(&log, "")) };
    let parts = ["WARN", "task failed for good: Kind: the reason,\\nin two lines", "func=\"fails\""];
    for part in [&parts[..], &["queue=\"mail\"", "attempt=1", "caused by: a cause"]].concat() {
        assert!(failed.contains(part), "{failed}");
    }
    assert!(failed.contains(&format!("task={id}")), "{failed}");
    let [completed] = &lines(&log, "run completed")[..] else { panic!("one success") };
    assert!(completed.contains("DEBUG") && completed.contains("func=\"says\""), "{completed}");
    let [stopped] = &lines(&log, "worker stopped")[..] else { panic!("one end") };
    assert!(stopped.contains("done=1 failed=1"), "{stopped}");
}

#[tokio::test]
async fn a_handlers_lines_carry_its_run_at_each_level() {
    let rig = Rig::new();
    let (log, _guard) = logged(Level::WARN);
    life(&rig, None).await;
    let [said] = &lines(&log, "said by a handler")[..] else { panic!("one line") };
    for part in ["task=", "func=\"says\"", "queue=\"mail\"", "attempt=1"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(lines(&log, "caused by"), [""; 0], "without the level info there is no trace");
}

#[tokio::test]
async fn a_setting_says_what_is_shown_of_errors() {
    for (shown, message, trace) in [
        (LoggedErrors::Type, false, false),
        (LoggedErrors::Message, true, false),
        (LoggedErrors::Trace, true, true),
    ] {
        let rig = Rig::new();
        let level = if trace { Level::WARN } else { Level::INFO };
        let (log, _guard) = logged(level);
        life(&rig, Some(shown)).await;
        assert_eq!(lines(&log, "failed for good: Kind").len(), 1);
        assert_eq!(lines(&log, "the reason").len(), usize::from(message), "{shown:?}");
        assert_eq!(lines(&log, "caused by").len(), usize::from(trace), "{shown:?}");
    }
    assert!("all".parse::<LoggedErrors>().unwrap_err().is_config());
}
