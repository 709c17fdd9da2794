//! C17: the tasks of a lost worker.

use std::time::Duration;

use jiff::Timestamp;

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::*;

const SHORT: Duration = Duration::from_millis(300);

/// A lost worker's tasks come back, the attempt counted; its late settlement changes nothing.
pub async fn c17_lost_worker_tasks_come_back_and_late_finish_is_refused(fixture: &dyn QueueFixture) {
    let (queue, other) = (fixture.queue().await, fixture.queue().await);
    let id = add(&queue, [1]).await[0];
    let doomed = worker(&queue, SHORT).await;
    let task = queue.claim(doomed, &from("default")).await.unwrap().remove(0);

    let found = lost(&other).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].worker.as_str(), &found[0].task), ("tester", &task));
    assert_eq!(state(&queue, id).await, Some(TaskState::Running), "held until somebody settles it");
    assert_eq!(rescue(&other, &found).await, [Settled::Done]);
    assert_eq!(rescue(&queue, &found).await, [Settled::Lost], "a second rescuer comes too late");

    let again = take(&other).await;
    assert_eq!((again.id, again.attempt), (id, 2));
    assert_eq!(again.error.as_ref().unwrap().kind, "worker_lost");
    for refused in [
        queue.complete(&task).await,
        queue.discard(&task).await,
        queue.release(&task).await,
        queue.fail(&task, boom()).await.map(drop),
        queue.snooze(&task, HOUR).await,
        queue.retry_later(&task, HOUR, None).await,
    ] {
        let error = refused.unwrap_err();
        assert!(error.is_claim_lost(), "{error:?}");
    }
    assert_eq!(queue.get(id).await.unwrap().as_ref(), Some(&again));
    other.complete(&again).await.unwrap();
}

/// A lost worker cannot extend its lease or claim again.
pub async fn c17_a_lost_worker_stays_lost(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..2).await;
    let doomed = worker(&queue, SHORT).await;
    queue.claim(doomed, &from("default")).await.unwrap();
    let found = lost(&queue).await;
    let mut heartbeats = queue.heartbeat_connection();
    assert!(!heartbeats.heartbeat(doomed, None).await.unwrap().alive);
    let error = queue.claim(doomed, &from("default")).await.unwrap_err();
    assert!(error.is_claim_lost(), "{error:?}");
    assert_eq!(lost(&queue).await, found, "listed until it is settled");
    rescue(&queue, &found).await;
    assert_eq!(queue.lost(100).await.unwrap(), []);
    assert!(!heartbeats.heartbeat(doomed, None).await.unwrap().alive);
    assert!(!heartbeats.heartbeat(WorkerId(i64::MAX), None).await.unwrap().alive);
}

/// A worker with a valid lease is not lost; the list is about as long as requested.
pub async fn c17_only_ended_leases_are_lost(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..6).await;
    let living = worker(&queue, HOUR).await;
    let kept = queue.claim(living, &from("default").limit(2)).await.unwrap();
    let doomed = worker(&queue, SHORT).await;
    queue.claim(doomed, &from("default").limit(4)).await.unwrap();
    let found = lost(&queue).await;
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|lost| lost.task.claim.unwrap().worker == doomed));
    // Tasks of one segment come together.
    assert!((3..=4).contains(&queue.lost(3).await.unwrap().len()));
    assert!(queue.heartbeat_connection().heartbeat(living, None).await.unwrap().alive);
    queue.complete_many(&kept).await.unwrap();
}

/// The heartbeat in the background extends a lease far beyond its span.
pub async fn c17_heartbeats_keep_the_lease(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, [1]).await;
    let mut info = WorkerInfo::new(["default"]);
    info.lease = Duration::from_secs(2);
    let mut lease = queue.start_lease(&info).await.unwrap();
    let task = queue.claim(lease.worker(), &from("default")).await.unwrap().remove(0);
    pause(3500).await;
    assert!(lease.is_held());
    assert_eq!(queue.lost(100).await.unwrap(), []);
    lease.stop();
    assert_eq!(lost(&queue).await[0].task, task);
}

/// A holder that cannot renew its lease gives it up by itself.
pub async fn c17_the_holder_learns_of_the_loss(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let mut info = WorkerInfo::new(["default"]);
    info.lease = Duration::from_secs(1);
    let lease = queue.start_lease(&info).await.unwrap();
    let mut news = lease.state();
    assert!(lease.is_held());
    queue.deregister_worker(lease.worker()).await.unwrap();
    news.wait_for(|state| *state == LeaseState::Lost).await.unwrap();
    assert!(!lease.is_held());
}

/// A task that kills its worker each time ends as a dead letter.
pub async fn c17_a_killing_task_ends_as_a_dead_letter(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).max_retries(1)).await.unwrap();
    for attempt in 1..=2 {
        let doomed = worker(&queue, Duration::from_millis(100)).await;
        let task = queue.claim(doomed, &from("default")).await.unwrap().remove(0);
        assert_eq!(task.attempt, attempt);
        rescue(&queue, &lost(&queue).await).await;
    }
    let task = queue.get(id).await.unwrap().unwrap();
    assert_eq!((task.state, task.attempt), (TaskState::Dead, 2));
    assert_eq!(task.error.unwrap().kind, "worker_lost");
}

/// A worker that deregisters hands back all its tasks, the attempts not counted.
pub async fn c17_deregister_releases_claims(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..3).await;
    let leaving = worker(&queue, HOUR).await;
    let held = queue.claim(leaving, &from("default").limit(3)).await.unwrap();
    queue.complete(&held[0]).await.unwrap();
    assert_eq!(queue.deregister_worker(leaving).await.unwrap(), 2);
    assert_eq!(queue.deregister_worker(leaving).await.unwrap(), 0);
    assert!(!queue.heartbeat_connection().heartbeat(leaving, None).await.unwrap().alive);
    assert!(queue.complete(&held[1]).await.unwrap_err().is_claim_lost());
    let again = take_many(&queue, 10).await;
    assert_eq!(numbers(&again), [1, 2]);
    assert!(again.iter().all(|task| task.attempt == 1));
}

/// Without a worker process, a dequeue that waits takes back the tasks of a lost worker.
pub async fn c17_a_waiting_dequeue_takes_back_what_was_lost(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = add(&queue, [1]).await[0];
    let doomed = worker(&queue, Duration::from_millis(200)).await;
    assert_eq!(queue.claim(doomed, &from("default")).await.unwrap().len(), 1);
    let other = fixture.queue().await;
    let task = other.dequeue(from("default").timeout(Duration::from_secs(20))).await.unwrap().unwrap();
    assert_eq!((task.id, task.attempt), (id, 2));
    other.complete(&task).await.unwrap();
}

/// A dequeue whose own worker's lease was lost unnoticed starts over with a new one.
pub async fn c17_dequeue_starts_over_after_a_loss(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    add(&queue, 0..2).await;
    let before = take(&queue).await.claim.unwrap().worker;
    queue.deregister_worker(before).await.unwrap();
    let again = take_many(&queue, 2).await;
    assert_eq!(numbers(&again), [0, 1]);
    assert_ne!(again[0].claim.unwrap().worker, before);
    queue.complete_many(&again).await.unwrap();
}

/// Bad worker settings are refused.
pub async fn c17_bad_workers_are_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let good = WorkerInfo::new(["default"]);
    for bad in [
        WorkerInfo { host: "a\nb".to_owned(), ..good.clone() },
        WorkerInfo { funcs: vec![String::new()], ..good.clone() },
        WorkerInfo { name: String::new(), ..good.clone() },
        WorkerInfo { name: "a\0b".to_owned(), ..good.clone() },
        WorkerInfo { queues: vec![String::new()], ..good.clone() },
        WorkerInfo { lease: Duration::ZERO, ..good.clone() },
        WorkerInfo { lease: Duration::from_millis(99), ..good },
    ] {
        let error = queue.register_worker(&bad).await.unwrap_err();
        assert!(error.is_invalid(), "{error:?}");
    }
}

/// Every registered worker is listed with what it has registered, its lease, and the slots of its last heartbeat; a lost
/// one until its tasks were taken back.
pub async fn c17_workers_are_listed(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    assert_eq!(queue.workers().await.unwrap(), []);
    let info = WorkerInfo {
        name: "cook".to_owned(),
        host: "kitchen".to_owned(),
        version: "1.2.3".to_owned(),
        queues: vec!["b".to_owned(), "a".to_owned()],
        funcs: vec!["boil".to_owned(), "fry".to_owned()],
        slots: Some(8),
        lease: HOUR,
    };
    let cook = queue.register_worker(&info).await.unwrap();
    add(&queue, [1]).await;
    let doomed = worker(&queue, SHORT).await;
    queue.claim(doomed, &from("default")).await.unwrap();
    let shown = queue.workers().await.unwrap();
    assert_eq!(shown.iter().map(|shown| shown.id).collect::<Vec<_>>(), [cook, doomed]);
    assert_eq!((&shown[0].info, shown[0].used, shown[0].lost), (&info, None, false));
    assert_near(shown[0].started_at, Timestamp::now());
    assert_near(shown[0].lease_ends_at, Timestamp::now() + HOUR);
    assert_eq!((shown[1].info.name.as_str(), shown[1].info.slots), ("tester", None));

    queue.heartbeat_connection().heartbeat(cook, Some(5)).await.unwrap();
    let found = lost(&queue).await;
    let shown = queue.workers().await.unwrap();
    assert_eq!(
        shown.iter().map(|shown| (shown.used, shown.lost)).collect::<Vec<_>>(),
        [(Some(5), false), (None, true)]
    );
    assert!(shown[1].lease_ends_at < Timestamp::now());
    rescue(&queue, &found).await;
    assert_eq!(queue.lost(100).await.unwrap(), []);
    let names = queue.workers().await.unwrap().into_iter().map(|shown| shown.info.name);
    assert_eq!(names.collect::<Vec<_>>(), ["cook"]);
    queue.deregister_worker(cook).await.unwrap();
    assert_eq!(queue.workers().await.unwrap(), []);
}

/// A lease passes on how many slots are used.
pub async fn c17_a_lease_tells_the_used_slots(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let info = WorkerInfo { lease: SHORT * 2, slots: Some(4), ..WorkerInfo::new(["default"]) };
    let lease = queue.start_lease(&info).await.unwrap();
    lease.tell_used(|| 3);
    loop {
        let shown = queue.workers().await.unwrap();
        if shown[0].used.is_some() {
            assert_eq!((shown[0].used, shown[0].info.slots), (Some(3), Some(4)));
            break;
        }
        pause(20).await;
    }
}
