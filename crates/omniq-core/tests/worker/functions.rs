//! Functions as handlers: extractors, states, errors of any type, task definitions and retry rules. Issue 14.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use omniq_core::*;

use crate::support::*;

#[derive(Debug, Clone, PartialEq)]
struct Pool(&'static str);

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
}

/// An extractor of the user.
struct Caller(String);

impl FromContext for Caller {
    fn from_context(context: &Context) -> Result<Self, Failure> {
        let caller = context.task().metadata.get("caller").and_then(|caller| caller.as_str());
        caller
            .map(|caller| Self(caller.to_owned()))
            .ok_or_else(|| Failure::fatal("no_caller", "nothing is named"))
    }
}

#[tokio::test]
async fn a_function_takes_what_it_names() {
    async fn all(
        (a, b): (i64, i64),
        State(pool): State<Pool>,
        Metadata(Tenant { tenant }): Metadata<Tenant>,
        Caller(caller): Caller,
        id: TaskId,
        context: Context,
        task: Task,
    ) -> Result<String, Failure> {
        assert_eq!((id, context.id()), (task.id, task.id));
        assert_eq!(context.state::<Pool>(), Some(&pool));
        Ok(format!("{} {tenant} {caller} {}", a + b, pool.0))
    }
    async fn none() -> Result<&'static str, io::Error> {
        Ok("nothing")
    }
    fn blocking(text: String, State(number): State<u64>) -> Result<String, String> {
        Ok(format!("{text} {number}"))
    }
    fn blocking_none() -> Result<u8, io::Error> {
        Ok(7)
    }
    let rig = Rig::new();
    let tasks = [
        NewTask::new("all", &(1, 2)).unwrap().metadata("tenant", "t").metadata("caller", "c"),
        task("none"),
        NewTask::new("blocking", "text").unwrap(),
        task("blocking_none"),
        NewTask::new("all", &(1, 2)).unwrap().metadata("caller", "c"),
        NewTask::new("all", &(1, 2)).unwrap().metadata("tenant", "t"),
        NewTask::new("all", "text").unwrap(),
    ];
    let ids = rig.backend.enqueue_many(tasks.to_vec()).await.unwrap();
    let worker = rig.worker().state(Pool("pool")).state(5_u64);
    let worker = worker.function("all", all).function("none", none);
    let worker = worker.function("blocking", blocking).function("blocking_none", blocking_none);
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    let text = |place: usize| {
        let results = rig.results.clone();
        let id = ids[place];
        async move {
            results.wait(id, PATIENCE).await.unwrap().value.unwrap().decode::<serde_json::Value>().unwrap()
        }
    };
    assert_eq!(text(0).await, "3 t c pool");
    assert_eq!(text(1).await, "nothing");
    assert_eq!(text(2).await, "text 5");
    assert_eq!(text(3).await, 7);
    for (place, kind) in [(4, "bad_metadata"), (5, "no_caller"), (6, "bad_arguments")] {
        let result = rig.result(ids[place]).await;
        assert_eq!((result.error.unwrap().kind.as_str(), result.attempt), (kind, 1));
    }
}

#[tokio::test]
async fn a_state_that_is_missing_or_given_twice_fails_the_build() {
    async fn needs(_: (), _: TaskId, State(_): State<Pool>) -> Result<(), Failure> {
        Ok(())
    }
    let rig = Rig::new();
    let error = rig.worker().function("needs", needs).build().unwrap_err();
    assert!(error.is_config());
    assert!(error.message().contains("function \"needs\" takes State<"), "{error}");
    assert!(error.message().contains("Pool>, and the worker has none: give it one by .state("), "{error}");
    let twice = rig.worker().state(Pool("a")).state(Pool("b")).function("needs", needs).build().unwrap_err();
    assert!(twice.message().contains("two states of type"), "{twice}");
    rig.worker().state(Pool("a")).function("needs", needs).build().unwrap();
}

#[derive(Debug)]
enum Own {
    Busy(Duration),
    Gone,
    Odd,
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "own {self:?}")
    }
}

impl StdError for Own {}

/// What wraps an error, as most libraries of errors do.
#[derive(Debug)]
struct Wrapped(Own);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn errors_of_any_type_are_kept_with_type_message_and_causes() {
    let rig = Rig::new();
    let worker = rig
        .worker()
        .function("text", || async { Err::<(), _>("plain".to_owned()) })
        .function("str", || Err::<(), _>("literal"))
        .function("boxed", || async {
            Err::<(), Box<dyn StdError + Send + Sync>>(Box::new(Wrapped(Own::Gone)))
        })
        .function("own", || async { Err::<(), _>(Wrapped(Own::Odd)) })
        .function("task_error", || Err::<(), _>(TaskError::new("mine", "said")))
        .function("failure", || async { Err::<(), _>(Failure::fatal("worse", "dead")) })
        .function("enum", || Err::<(), _>(Own::Gone))
        .function("anyhow", || async { Err::<(), _>(anyhow::anyhow!(Own::Gone).context("of anyhow")) })
        .function("eyre", || Err::<(), _>(eyre::eyre!(Own::Gone).wrap_err("of eyre")))
        .register("closure", |(): (), _| async move { Ok(std::fs::read("/no/such/file").map(|_| ())?) });
    let expected = [
        ("text", "error", "plain"),
        ("str", "error", "literal"),
        ("boxed", "error", "wrapped"),
        ("own", "functions::Wrapped", "wrapped"),
        ("task_error", "mine", "said"),
        ("failure", "worse", "dead"),
        ("enum", "functions::Own", "own Gone"),
        ("anyhow", "anyhow::Error", "of anyhow"),
        ("eyre", "eyre::Report", "of eyre"),
        ("closure", "std::io::error::Error", "No such file or directory (os error 2)"),
    ];
    let tasks: Vec<_> = expected.iter().map(|(func, ..)| task(func).max_retries(0)).collect();
    let ids = rig.backend.enqueue_many(tasks).await.unwrap();
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    for (id, (func, kind, message)) in ids.into_iter().zip(expected) {
        let error = rig.result(id).await.error.unwrap();
        assert!(error.kind.ends_with(kind), "{func}: {}", error.kind);
        assert_eq!(error.message, message, "{func}");
        assert_eq!(error.trace.is_some(), ["boxed", "own", "anyhow", "eyre"].contains(&func), "{func}");
    }
}

fn rule(error: &RunError<'_>, context: &Context) -> Verdict {
    assert_eq!(context.attempt(), 1);
    match error.find::<Own>() {
        Some(Own::Busy(wait)) => Verdict::RetryIn(*wait),
        Some(Own::Gone) => Verdict::Dead,
        _ if error.kind() == "fixed" && error.message() == "by name" => Verdict::Dead,
        _ => Verdict::Retry,
    }
}

static HOURS: Backoff = Backoff::fixed(Duration::from_secs(3600));
const RULED: TaskDef<u8, ()> = TaskDef::new("ruled")
    .queue("default")
    .priority(3)
    .max_retries(2)
    .backoff(&HOURS)
    .timeout(Duration::from_secs(9))
    .ttl(Duration::from_secs(99))
    .retry_when(rule);

#[tokio::test]
async fn a_retry_rule_decides_by_the_error_and_its_causes() {
    async fn ruled(case: u8) -> Result<(), Failure> {
        Err(match case {
            0 => Own::Busy(Duration::from_secs(60)).into(),
            1 => Wrapped(Own::Gone).into(),
            2 => Own::Odd.into(),
            3 => Failure::error("fixed", "by name"),
            // What says itself what becomes of the task is not asked about.
            4 => Failure::retry_in(Duration::from_secs(60)),
            _ => Failure::fatal("worse", "dead"),
        })
    }
    let rig = Rig::new();
    let call = RULED.call(&0).unwrap();
    assert_eq!((call.priority, call.max_retries, call.backoff), (3, 2, Some(HOURS.clone())));
    assert_eq!((call.timeout, call.ttl), (Some(Duration::from_secs(9)), Some(Duration::from_secs(99))));
    for blocking in [false, true] {
        let tasks = (0..6).map(|case| RULED.call(&case).unwrap());
        let ids = rig.backend.enqueue_many(tasks.collect()).await.unwrap();
        let worker = match blocking {
            true => {
                rig.worker().task(RULED, |case: u8| tokio::runtime::Handle::current().block_on(ruled(case)))
            }
            false => rig.worker().register_task(RULED, |case, _| ruled(case)),
        };
        soon(worker.build().unwrap().run_until_idle()).await.unwrap();
        let expected = [Some(60), None, Some(3600), None, Some(60), None];
        for (id, seconds) in ids.into_iter().zip(expected) {
            let task = rig.task(id).await;
            let wait = task.run_at.duration_since(jiff::Timestamp::now()).as_secs();
            match seconds {
                Some(seconds) => {
                    assert!((seconds - 20..=seconds).contains(&wait), "{wait} instead of {seconds}")
                }
                None => assert_eq!(task.state, TaskState::Dead),
            }
        }
    }
}

#[cfg(all(feature = "anyhow", feature = "eyre"))]
/// What anyhow and eyre wrap is seen by rules, and says what becomes of the task, as if it were returned bare.
#[tokio::test]
async fn reports_of_anyhow_and_eyre_hide_no_error_from_a_rule() {
    fn own(case: u8) -> Result<(), Own> {
        Err(if case == 0 { Own::Busy(Duration::from_secs(60)) } else { Own::Gone })
    }
    async fn anyhow(case: u8) -> anyhow::Result<()> {
        match case {
            0 | 1 => own(case)?,
            2 => anyhow::Context::context(own(case), "wrapped")?,
            3 => Err(Failure::snooze(Duration::from_secs(60)).into_error())?,
            _ => anyhow::bail!("none of a type"),
        }
        Ok(())
    }
    fn eyre(case: u8) -> eyre::Result<()> {
        match case {
            0 | 1 => own(case)?,
            2 => eyre::WrapErr::wrap_err(own(case), "wrapped")?,
            3 => Err(Failure::snooze(Duration::from_secs(60)).into_error())?,
            _ => eyre::bail!("none of a type"),
        }
        Ok(())
    }
    async fn by_failure(case: u8) -> Result<(), Failure> {
        anyhow(case).await.map_err(Failure::new)
    }
    fn boxed(case: u8) -> Result<(), BoxError> {
        match case {
            0..3 => own(case)?,
            3 => Err(Failure::snooze(Duration::from_secs(60)).into_error())?,
            _ => Err("none of a type")?,
        }
        Ok(())
    }
    let rig = Rig::new();
    let ruled = |handler: Handler| handler.retry_when(rule);
    let handlers = [
        ("anyhow", ruled(Handler::function(anyhow))),
        ("eyre", ruled(Handler::function(eyre))),
        ("by_failure", ruled(Handler::function(by_failure))),
        ("boxed", ruled(Handler::function(boxed))),
    ];
    for (name, handler) in handlers {
        let call = |case: u8| NewTask::new(name, &case).unwrap().backoff(HOURS.clone());
        let ids = rig.backend.enqueue_many((0..5).map(call).collect()).await.unwrap();
        let worker = rig.worker().handler(name, handler).build().unwrap();
        soon(worker.run_until_idle()).await.unwrap();
        for (id, expected) in ids.into_iter().zip([Some((60, 1)), None, None, Some((60, 0)), Some((3600, 1))])
        {
            let task = rig.task(id).await;
            let wait = task.run_at.duration_since(jiff::Timestamp::now()).as_secs();
            match expected {
                Some((seconds, attempt)) => {
                    assert!((seconds - 20..=seconds).contains(&wait), "{name}: {wait} instead of {seconds}");
                    assert_eq!(task.attempt, attempt, "{name}");
                }
                None => assert_eq!(task.state, TaskState::Dead, "{name}"),
            }
        }
    }
}

#[tokio::test]
async fn a_token_tells_what_a_run_has_spawned_to_stop() {
    let rig = Rig::new();
    let (stopped, ended) = (Counter::default(), Counter::default());
    let (stops, ends) = (stopped.clone(), ended.clone());
    let worker =
        rig.worker().function("spawns", move |(): (), token: tokio_util::sync::CancellationToken| {
            let (stops, ends) = (stops.clone(), ends.clone());
            async move {
                tokio::spawn(async move {
                    token.cancelled().await;
                    stops.add();
                });
                tokio::time::sleep(PATIENCE).await;
                ends.add();
                Ok::<_, Failure>(())
            }
        });
    let id = rig.add(task("spawns").max_retries(0).timeout(Duration::from_millis(50))).await;
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(rig.result(id).await.error.unwrap().kind, "timeout");
    stopped.reaches(1).await;
    assert_eq!(ended.get(), 0);
}
