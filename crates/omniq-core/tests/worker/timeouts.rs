//! Runs that take too long.

use std::time::Duration;

use omniq_core::*;

use crate::support::*;

const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn an_async_run_is_dropped_at_its_deadline_and_retried() {
    let rig = Rig::new();
    let id = rig.add(task("f").timeout(SHORT).max_retries(1).backoff(at_once())).await;
    let dropped = Counter::default();
    let counter = dropped.clone();
    let worker = rig.worker().register("f", move |(): (), context: Context| {
        let guard = OnDrop(counter.clone());
        async move {
            assert!(context.deadline().unwrap() <= std::time::Instant::now() + SHORT);
            let _guard = guard;
            std::future::pending::<Result<(), Failure>>().await
        }
    });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(dropped.get(), 2);
    let result = rig.result(id).await;
    assert_eq!((result.status, result.attempt), (ResultStatus::Failed, 2));
    assert_eq!(result.error.unwrap().kind, "timeout");
}

#[tokio::test]
async fn a_blocking_run_is_signalled_and_keeps_its_slot_until_it_returns() {
    let rig = Rig::new();
    let slow = rig.add(task("slow").timeout(SHORT).max_retries(0)).await;
    let next = rig.add(task("next")).await;
    let returned = Counter::default();
    let (slow_counter, next_counter) = (returned.clone(), returned.clone());
    let worker = rig
        .worker()
        .concurrency(1)
        .register_blocking("slow", move |(): (), context: Context| {
            while !context.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(context.stop_reason(), Some(StopReason::Timeout));
            std::thread::sleep(SHORT);
            slow_counter.add();
            Ok::<_, Failure>("too late")
        })
        .register("next", move |(): (), _| {
            let before = next_counter.get();
            async move { Ok::<_, Failure>(before) }
        });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    let result = rig.result(slow).await;
    assert_eq!((result.status, result.value), (ResultStatus::Failed, None));
    assert_eq!(result.error.unwrap().kind, "timeout");
    assert_eq!(rig.result(next).await.value.unwrap().decode::<usize>().unwrap(), 1);
}

#[tokio::test]
async fn a_run_in_time_has_no_trouble_with_its_timeout() {
    let rig = Rig::new();
    let id = rig.add(task("f").timeout(PATIENCE)).await;
    let worker = rig.worker().register("f", |(): (), _| async { Ok::<_, Failure>(1) });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    assert_eq!(rig.result(id).await.status, ResultStatus::Completed);
}

#[tokio::test]
async fn a_cooperative_run_is_signalled_never_dropped_and_keeps_its_slot_until_it_answers() {
    let rig = Rig::new();
    let slow = rig.add(task("slow").timeout(SHORT).max_retries(0)).await;
    let next = rig.add(task("next")).await;
    let returned = Counter::default();
    let (slow_counter, next_counter) = (returned.clone(), returned.clone());
    let told = Handler::cooperative(move |context: Context| {
        let counter = slow_counter.clone();
        async move {
            assert_eq!(context.cancelled().await, StopReason::Timeout);
            tokio::time::sleep(SHORT).await;
            counter.add();
            Ok(Some(Payload::json("too late")?))
        }
    });
    let worker = rig.worker().concurrency(1).handler("slow", told).register("next", move |(): (), _| {
        let before = next_counter.get();
        async move { Ok::<_, Failure>(before) }
    });
    soon(worker.build().unwrap().run_until_idle()).await.unwrap();
    let result = rig.result(slow).await;
    assert_eq!((result.status, result.value), (ResultStatus::Failed, None));
    assert_eq!(result.error.unwrap().kind, "timeout");
    assert_eq!(rig.result(next).await.value.unwrap().decode::<usize>().unwrap(), 1);
}
