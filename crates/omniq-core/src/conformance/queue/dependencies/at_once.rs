//! Tasks that run after others, with many callers at the same time.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::*;

const CALLERS: usize = 8;
const TASKS: usize = 300;

/// A random graph: each task but the first of a call waits for one of the call at least, and for some of earlier calls.
fn graph() -> Vec<Vec<NewTask>> {
    let mut calls: Vec<Vec<NewTask>> = Vec::new();
    let mut ids: Vec<TaskId> = Vec::new();
    while ids.len() < TASKS {
        let (mut call, first) = (Vec::new(), ids.len());
        for _ in 0..rand::random_range(2..40) {
            let (mut one, place) = (task(ids.len() as i64).max_retries(0), ids.len());
            let any = |from: usize| ids[rand::random_range(from..place)];
            let mut before = Vec::new();
            if place > first {
                before.push(any(first));
            }
            if place > 0 {
                before.extend((0..rand::random_range(0..3)).map(|_| any(place.saturating_sub(30))));
            }
            if !before.is_empty() {
                one = one.after(before);
                if rand::random_range(0..4) == 0 {
                    one = one.if_failed(IfFailed::Run);
                }
            }
            ids.push(one.own_id());
            call.push(one);
        }
        calls.push(call);
    }
    calls
}

/// Random graphs are enqueued, run, failed and cancelled by many callers at the same time: no task runs before those that it waits for have
/// ended as it asks, and every one ends.
pub async fn c22_many_callers_work_on_random_graphs(fixture: &dyn QueueFixture) {
    let calls = graph();
    let after: HashMap<i64, After> = calls
        .iter()
        .flatten()
        .filter_map(|one| Some((one.payload.decode().unwrap(), one.after.clone()?)))
        .collect();
    let numbers: HashMap<TaskId, i64> =
        calls.iter().flatten().map(|one| (one.id.unwrap(), one.payload.decode().unwrap())).collect();
    let all: Vec<TaskId> = calls.iter().flatten().map(|one| one.id.unwrap()).collect();
    // How each has ended, as was seen by the caller that ended it.
    let ended: Arc<Mutex<HashMap<i64, bool>>> = Arc::default();
    // Before the call that ends it, it counts as ending: what it releases may run before the call has returned.
    let ending: Arc<Mutex<HashMap<i64, HashSet<bool>>>> = Arc::default();
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (queue, calls) = (fixture.queue().await, if caller == 0 { calls.clone() } else { Vec::new() });
        let (ended, ending) = (Arc::clone(&ended), Arc::clone(&ending));
        let (after, numbers, all) = (after.clone(), numbers.clone(), all.clone());
        callers.push(tokio::spawn(async move {
            for call in calls {
                queue.enqueue_many(call).await.unwrap();
            }
            loop {
                if ended.lock().unwrap().len() == all.len() {
                    return;
                }
                let choice = rand::random_range(0..20);
                if choice == 0 {
                    let which = all[rand::random_range(0..all.len())];
                    ending.lock().unwrap().entry(numbers[&which]).or_default().insert(false);
                    if queue.cancel(which).await.unwrap() == Cancelled::Done {
                        ended.lock().unwrap().insert(numbers[&which], false);
                    }
                    continue;
                }
                if choice < 3 {
                    queue.maintain().await.unwrap();
                    let broken = queue.broken(100).await.unwrap();
                    for one in &broken {
                        ending.lock().unwrap().entry(number(&one.task)).or_default().insert(false);
                    }
                    let batch: Vec<Settlement> = broken.iter().map(end_of).collect();
                    let settled = queue.settle(&batch, SettleMode::Each).await.unwrap();
                    let done = broken.iter().zip(settled).filter(|(_, settled)| *settled == Settled::Done);
                    ended.lock().unwrap().extend(done.map(|(one, _)| (number(&one.task), false)));
                    continue;
                }
                let held = take_many(&queue, 1 + rand::random_range(0..5)).await;
                if held.is_empty() {
                    pause(1).await;
                    continue;
                }
                let is_good = rand::random_range(0..12) > 0;
                {
                    let mut ending = ending.lock().unwrap();
                    for one in &held {
                        let number = number(one);
                        for before in after.get(&number).iter().flat_map(|after| &*after.tasks) {
                            let how = ending.get(&numbers[before]);
                            let how = how.unwrap_or_else(|| {
                                panic!("{number} runs before {} has ended", numbers[before])
                            });
                            let wanted = after[&number].if_failed == IfFailed::Run || how.contains(&true);
                            assert!(wanted, "{number} runs, although {} has failed", numbers[before]);
                        }
                        ending.entry(number).or_default().insert(is_good);
                    }
                }
                if is_good {
                    queue.complete_many(&held).await.unwrap();
                } else {
                    queue.fail_many(held.iter().map(|task| (task.clone(), boom())).collect()).await.unwrap();
                }
                ended.lock().unwrap().extend(held.iter().map(|task| (number(task), is_good)));
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let queue = fixture.queue().await;
    let left: Vec<Task> = queue.list(&TaskFilter::default()).await.unwrap();
    assert!(left.iter().all(|task| task.state == TaskState::Dead), "{left:?}");
    fixture.check().await;
}
