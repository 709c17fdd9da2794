//! Panics of handlers: caught, logged, and without harm to other runs.

use omniq_core::*;

use crate::support::*;

fn explode(what: &str) {
    panic!("{what} exploded");
}

async fn error_of(handler: Handler) -> TaskError {
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(1).backoff(at_once())).await;
    let worker = rig.worker().handler("f", handler).build().unwrap();
    soon(worker.run_until_idle()).await.unwrap();
    assert_eq!(rig.task(id).await.attempt, 2, "a panic is retried like any error");
    rig.result(id).await.error.unwrap()
}

fn check(error: &TaskError, message: &str) {
    assert_eq!(error.kind, "panic");
    assert!(error.message.starts_with(message), "{}", error.message);
    assert!(error.message.contains("panics.rs:"), "{}", error.message);
    let trace = error.trace.as_deref().unwrap();
    assert!(trace.contains("explode"), "{trace}");
    assert!(!trace.contains("tokio::runtime"), "the frames of the runtime are cut off: {trace}");
}

#[tokio::test]
async fn a_panic_in_a_later_poll_is_reported_with_place_and_trace() {
    let error = error_of(Handler::new(|(): (), _| async {
        tokio::task::yield_now().await;
        explode("the poll");
        Ok::<_, Failure>(())
    }));
    check(&error.await, "the poll exploded");
}

#[tokio::test]
async fn so_is_one_before_the_first_poll_and_one_on_a_thread() {
    let early = error_of(Handler::new(|(): (), _| {
        explode("the call");
        async { Ok::<_, Failure>(()) }
    }));
    check(&early.await, "the call exploded");
    let blocking = error_of(Handler::blocking(|(): (), _| {
        explode("the thread");
        Ok::<_, Failure>(())
    }));
    check(&blocking.await, "the thread exploded");
}

#[tokio::test]
async fn a_panic_while_a_run_is_dropped_does_not_keep_it_from_being_booked() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            explode("the drop");
        }
    }
    let rig = Rig::new();
    let id = rig.add(task("f").max_retries(0).timeout(std::time::Duration::from_millis(20))).await;
    let worker = rig.worker().register("f", |(): (), _| async {
        let _bomb = Bomb;
        std::future::pending::<Result<(), Failure>>().await
    });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(rig.result(id).await.error.unwrap().kind, "timeout");
}
