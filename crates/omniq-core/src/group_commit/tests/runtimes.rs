//! Callers in several runtimes: one that is not driven holds up no other, and one that ends takes no request of others with it.

use tokio::runtime::Runtime;

use super::*;

const PATIENT: Rule = Rule { patience: Some(Duration::from_millis(30)), ..RULE };

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What is written within a moment, by the runtime that is driven now.
async fn written(group: &Arc<GroupCommit<Kept>>) -> Vec<usize> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    batches(group).concat()
}

#[test]
fn a_write_that_is_not_driven_holds_up_no_other() {
    let group = group(PATIENT);
    let (idle, driven) = (runtime(), runtime());
    group.writer().permits.add_permits(10);
    // Its flush is spawned, and never polled.
    idle.block_on(async { group.add(1) });
    driven.block_on(async {
        group.add(2);
        assert_eq!(written(&group).await, [2]);
    });
    idle.block_on(settle());
    assert_eq!(batches(&group).concat(), [2, 1]);
}

#[test]
fn a_flush_that_gathers_and_is_not_driven_holds_up_no_other() {
    let group = group(Rule { turns: 8, ..PATIENT });
    let (idle, driven) = (runtime(), runtime());
    group.writer().permits.add_permits(10);
    // The write is over when this ends, and its flush waits for its next turn.
    idle.block_on(async {
        group.add(1);
        while batches(&group).is_empty() {
            tokio::task::yield_now().await;
        }
    });
    assert!(group.lock().in_flight[0].gathers);
    driven.block_on(async {
        group.add(2);
        assert_eq!(written(&group).await, [1, 2]);
    });
}

#[test]
fn a_timer_that_is_not_driven_holds_up_no_other() {
    let group = group(PATIENT);
    let (idle, driven) = (runtime(), runtime());
    idle.block_on(async {
        group.add(1);
        tokio::task::yield_now().await;
        // Waits for the write of the first, and starts a timer.
        group.add(2);
    });
    assert_eq!(group.lock().timed, [idle.handle().id()]);
    group.writer().permits.add_permits(10);
    driven.block_on(async {
        group.add(3);
        assert_eq!(written(&group).await, [2, 3]);
    });
}

#[test]
fn a_runtime_that_ends_takes_no_request_of_others_with_it() {
    let calls = Calls::new(Doubles(AtomicBool::new(false)), Rule { turns: 8, ..RULE });
    let (ending, other) = (runtime(), runtime());
    // The first call is in flight when its runtime ends; the second waits for it.
    ending.block_on(async {
        let first = calls.call(2);
        tokio::select! {
            biased;
            _ = first => unreachable!("it needs two turns"),
            () = std::future::ready(()) => {}
        }
    });
    std::thread::scope(|scope| {
        let second = scope.spawn(|| other.block_on(calls.call(4)));
        while calls.0.lock().items.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(ending);
        assert_eq!(second.join().unwrap().unwrap(), 8);
    });
}
