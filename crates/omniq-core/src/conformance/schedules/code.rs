//! C22: schedules that stand in the code of applications.

use super::*;
use crate::conformance::ScheduleFixture;

async fn worker(queue: &Arc<dyn TaskQueue>) -> WorkerId {
    queue.register_worker(&WorkerInfo::new(["default"])).await.unwrap()
}

async fn names(schedules: &Arc<dyn ScheduleStorage>) -> String {
    let listed = schedules.list(&ScheduleFilter::default()).await.unwrap();
    listed.into_iter().map(|saved| saved.schedule.name).collect::<Vec<_>>().join("")
}

/// What a worker declares is saved, and what no live worker of its application declares any more is removed.
pub async fn c22_what_leaves_the_code_is_removed(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    schedules.save(hourly("z")).await.unwrap();
    let old = worker(&queue).await;
    schedules.declare(old, "shop", vec![hourly("a"), hourly("b")]).await.unwrap();
    let before = known(&schedules, "b").await;
    assert_eq!((before.app.as_deref(), names(&schedules).await.as_str()), (Some("shop"), "abz"));
    schedules.declare(old, "shop", vec![hourly("a"), hourly("b")]).await.unwrap();
    assert_eq!(known(&schedules, "b").await, before);

    // Both versions of the code are at work, so all of their schedules go on.
    let new = worker(&queue).await;
    schedules.declare(new, "shop", vec![hourly("b").overlap(false), hourly("c")]).await.unwrap();
    assert_eq!((schedules.remove_undeclared().await.unwrap(), names(&schedules).await.as_str()), (0, "abcz"));
    let changed = known(&schedules, "b").await;
    assert_eq!((changed.version, changed.next_at), (before.version + 1, before.next_at));

    queue.deregister_worker(old).await.unwrap();
    assert_eq!((schedules.remove_undeclared().await.unwrap(), names(&schedules).await.as_str()), (1, "bcz"));

    // Without a worker everything stays, so that missed ticks are known when one comes back.
    queue.deregister_worker(new).await.unwrap();
    assert_eq!((schedules.remove_undeclared().await.unwrap(), names(&schedules).await.as_str()), (0, "bcz"));
    let other = worker(&queue).await;
    schedules.declare(other, "mail", vec![hourly("m")]).await.unwrap();
    assert_eq!(names(&schedules).await, "bcmz");
    let next = worker(&queue).await;
    schedules.declare(next, "shop", Vec::new()).await.unwrap();
    assert_eq!(names(&schedules).await, "mz");
}

/// A declaration touches neither the ticks nor the pause of a schedule that is as it was.
pub async fn c22_a_declared_schedule_stays_paused(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let first = worker(&queue).await;
    schedules.declare(first, "shop", vec![hourly("a")]).await.unwrap();
    let due = known(&schedules, "a").await.next_at.unwrap();
    tick_at(&schedules, "a", due).await;
    schedules.pause("a").await.unwrap();
    let paused = known(&schedules, "a").await;
    let second = worker(&queue).await;
    schedules.declare(second, "shop", vec![hourly("a")]).await.unwrap();
    assert_eq!(known(&schedules, "a").await, paused);
    schedules.declare(second, "shop", vec![hourly("a").overlap(false)]).await.unwrap();
    assert!(known(&schedules, "a").await.paused_at.is_some());
}

/// A name belongs to one application, or to run time.
pub async fn c22_a_name_that_is_taken_is_a_conflict(fixture: &dyn ScheduleFixture) {
    let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
    let worker = worker(&queue).await;
    schedules.save(hourly("run")).await.unwrap();
    schedules.declare(worker, "shop", vec![hourly("code")]).await.unwrap();
    let errors = [
        (
            schedules.save_many(vec![hourly("new"), hourly("code").overlap(false)]).await.unwrap_err(),
            "\"shop\"",
        ),
        (
            schedules.declare(worker, "shop", vec![hourly("new"), hourly("run")]).await.unwrap_err(),
            "run time",
        ),
        (
            schedules.declare(worker, "mail", vec![hourly("new"), hourly("code")]).await.unwrap_err(),
            "\"shop\"",
        ),
    ];
    for (error, word) in errors {
        assert!(error.is_conflict() && error.message().contains(word), "{error:?}");
    }
    assert_eq!(names(&schedules).await, "coderun");
    let gone = schedules.declare(WorkerId(1_000_000), "shop", vec![hourly("new")]).await.unwrap_err();
    assert!(gone.is_claim_lost(), "{gone:?}");
    assert!(known(&schedules, "code").await.schedule.overlap);
}

/// Workers that start and stop at the same time: what one declares is there as long as it lives.
pub async fn c22_what_a_live_worker_declares_is_there(fixture: &dyn ScheduleFixture) {
    let mut workers = Vec::new();
    for number in 0..6 {
        let (queue, schedules) = (fixture.queue().await, fixture.schedules().await);
        workers.push(tokio::spawn(async move {
            for round in 0..8 {
                let worker = worker(&queue).await;
                // The versions of the code change from worker to worker.
                let declared =
                    [format!("s{}", (number + round) % 4), format!("s{}", (number + 2 * round) % 4 + 4)];
                let code = declared.iter().map(|name| hourly(name).overlap(number % 2 == 0)).collect();
                schedules.declare(worker, "shop", code).await.unwrap();
                for name in &declared {
                    assert!(schedules.get(name).await.unwrap().is_some(), "{name} is declared");
                }
                schedules.remove_undeclared().await.unwrap();
                for name in &declared {
                    assert!(schedules.get(name).await.unwrap().is_some(), "{name} is declared");
                }
                queue.deregister_worker(worker).await.unwrap();
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
}
