//! C30: the contents of tasks are in no line of a log, error or trace, whatever subscriber a program has and at whatever level; the
//! driver logs, too (issue 12, B3).

use std::error::Error as _;
use std::process::Command;
use std::time::Duration;

use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq::{
    EventFilter, EventKind, ResultFilter, ResultStatus, TaskEvent, TaskFilter, TaskId, TaskResult, TaskUpdate,
};
use omniq_testkit::TestDb;
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

const SECRET: &str = "sesame";
const PATIENCE: Duration = Duration::from_secs(30);

fn task(func: &str) -> NewTask {
    let mut task = NewTask::new(func, &SECRET).unwrap().max_retries(0);
    task.metadata.insert("note".into(), json!(SECRET));
    task
}

/// Prints an error in every form in which programs log it.
fn shown(error: &omniq::Error) {
    let mut causes = vec![format!("{error} {error:?} {error:#?}")];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(format!("{cause} {cause:?}"));
        next = cause.source();
    }
    tracing::error!("{causes:?}");
}

/// Every way of a payload, metadata, a result, an error or an event's data to the database and back.
async fn life(url: &str, prepared: bool) {
    let settings = Settings::builder().url(url).events("postgres").statement_cache(prepared).build().unwrap();
    let backend = AsyncPostgresBackend::with_settings(&settings).await.unwrap();
    let (queue, results, events) = (backend.queue(), backend.results().unwrap(), backend.events().unwrap());
    let worker = Worker::builder(&backend)
        .register("echo", |value: String, _: Context| async move { Ok::<_, Failure>(value) })
        .register("fails", |value: String, _: Context| async { Err::<(), _>(Failure::error("Kind", value)) })
        .register("number", |_: i64, _: Context| async { Ok::<_, Failure>(()) })
        .register("panics", |_: String, _: Context| async {
            if true {
                panic!("no words");
            }
            Ok::<_, Failure>(())
        })
        .build()
        .unwrap();
    let (stop, running) = (worker.handle(), tokio::spawn(worker.run()));
    // The first task finds the worker idle, or nearly so.
    for func in ["echo", "fails", "number", "panics", "echo"] {
        let id = backend.enqueue(task(func)).await.unwrap();
        backend.wait(id, PATIENCE).await.unwrap();
    }
    let many = ["echo", "fails", "number", "panics", "echo"].map(task).to_vec();
    for id in backend.enqueue_many(many).await.unwrap() {
        backend.wait(id, PATIENCE).await.unwrap();
    }
    stop.stop();
    running.await.unwrap().unwrap();

    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    backend.enqueue_in(&mut client, task("mine").queue("mine")).await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    backend.enqueue_in(&mut transaction, task("mine").queue("mine")).await.unwrap();
    transaction.commit().await.unwrap();
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(url).await.unwrap();
    backend.enqueue_in(&mut other, task("mine").queue("mine")).await.unwrap();
    let id = queue.enqueue(task("mine").queue("mine").id(TaskId::new())).await.unwrap();
    let update = TaskUpdate { payload: Some(Payload::json(&SECRET).unwrap()), ..TaskUpdate::default() };
    queue.update(id, update).await.unwrap();
    let claimed = queue.dequeue_many(Dequeue::from(["mine"]).limit(10)).await.unwrap();
    queue.fail(&claimed[0], omniq::TaskError::new("Kind", SECRET)).await.unwrap();
    queue.release(&claimed[1]).await.unwrap();
    queue.list(&TaskFilter::default()).await.unwrap();
    queue.purge(&TaskFilter::default()).await.unwrap();
    let mut result = TaskResult::new(id, ResultStatus::Completed);
    result.value = Some(Payload::json(&SECRET).unwrap());
    results.store(result).await.unwrap();
    results.list(&ResultFilter::default()).await.unwrap();
    let mut event = TaskEvent::new(EventKind::Completed);
    event.data.insert("note".into(), json!(SECRET));
    events.log(event).await.unwrap();
    events.query(&EventFilter::default()).await.unwrap();

    // The server shows a refused row in full, in the details of its report.
    client
        .batch_execute("alter table omniq.tasks add constraint mine check (func <> 'refused') not valid")
        .await
        .unwrap();
    shown(&backend.enqueue(task("refused")).await.unwrap_err());
    shown(&backend.enqueue_in(&mut client, task("refused")).await.unwrap_err());
    shown(&backend.enqueue_in(&mut other, task("refused")).await.unwrap_err());
    client
        .batch_execute("truncate omniq.tasks; alter table omniq.tasks alter column error set not null; set log_parameter_max_length_on_error = -1")
        .await
        .unwrap();
    shown(&backend.enqueue(task("f")).await.unwrap_err());
    shown(&backend.enqueue_many(vec![task("f"), task("g")]).await.unwrap_err());
    shown(&backend.enqueue_in(&mut client, task("f")).await.unwrap_err());
    shown(&backend.enqueue_in(&mut other, task("f")).await.unwrap_err());
    backend.close().await.unwrap();
}

#[tokio::test]
async fn c30_payloads_show_at_no_level() {
    let name = "c30_payloads::c30_payloads_show_at_no_level";
    if let Ok(level) = std::env::var("OMNIQ_TEST_LEVEL") {
        // As a program that logs everything.
        tracing_subscriber::fmt()
            .with_max_level(level.parse::<tracing::Level>().unwrap())
            .with_span_events(FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(std::io::stderr)
            .init();
        let prepared = std::env::var("OMNIQ_TEST_PREPARED").unwrap() == "true";
        return life(&std::env::var("OMNIQ_TEST_DATABASE").unwrap(), prepared).await;
    }
    let forms = [SECRET.to_owned(), SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(), {
        let bytes: Vec<_> = SECRET.bytes().map(|byte| byte.to_string()).collect();
        bytes.join(", ")
    }];
    for (level, prepared) in
        [("error", true), ("warn", true), ("info", true), ("debug", true), ("trace", true), ("trace", false)]
    {
        let db = TestDb::new().await;
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("OMNIQ_TEST_LEVEL", level)
            .env("OMNIQ_TEST_PREPARED", prepared.to_string())
            .env("OMNIQ_TEST_DATABASE", db.url())
            .env("RUST_LOG", "trace")
            // A handler's own message is logged unless this hides it.
            .env("OMNIQ_LOG_ERRORS", "type")
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{log}");
        assert!(log.contains("no words") && log.contains("mine"), "errors and panics are along: {log}");
        let driver = log.contains("executing statement") && log.contains("tokio_postgres");
        assert_eq!(driver, ["debug", "trace"].contains(&level), "{level}: the driver's lines are along");
        // Nor the names of workers' own channels, by which tasks could be handed to them; those of the listener's channels are shorter.
        let channels = log.split(": listen \"omniq_").skip(1).filter_map(|rest| rest.split('"').next());
        let is_listeners = |name: &str| name.trim_end_matches("_ends").len() == 16;
        assert!(channels.into_iter().all(is_listeners), "{level}: {log}");
        let told: Vec<_> = log.lines().filter(|line| forms.iter().any(|form| line.contains(form))).collect();
        assert!(told.is_empty(), "{level}, prepared {prepared}: {:#?}", &told[..told.len().min(10)]);
    }
}
