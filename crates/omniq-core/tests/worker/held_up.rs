//! Ends of runs that other sessions hold up, though not by a lock on the row of the task itself.

use std::sync::Arc;

use omniq_core::*;
use tokio::sync::Barrier;

use crate::support::*;

fn locked(text: &str) -> Error {
    Error::timeout(text).with_sqlstate("55P03")
}

fn undone(text: &str) -> Error {
    Error::timeout(text).with_sqlstate("57014")
}

/// The server rolls back each statement that includes this one end. The other ends of its batch are written, and so are
/// later ones. This end is written when the fault is over, without another run.
#[tokio::test]
async fn an_end_that_is_undone_time_and_again_holds_up_no_other() {
    for make in [locked as fn(&str) -> Error, undone] {
        let rig = Rig::new();
        let together = rig.backend.enqueue_many(vec![task("together"); 5]).await.unwrap();
        let held = together[2];
        rig.queue.undo(Some((held, make)));
        let (runs, barrier) = (Counter::default(), Arc::new(Barrier::new(together.len())));
        let counted = runs.clone();
        let worker = rig
            .worker()
            .concurrency(together.len())
            .register("together", move |(): (), _| {
                counted.add();
                let barrier = Arc::clone(&barrier);
                async move {
                    barrier.wait().await;
                    Ok::<_, Failure>(())
                }
            })
            .register("behind", |(): (), _| async { Ok::<_, Failure>(()) })
            .build()
            .unwrap();
        let handle = worker.handle();
        let running = tokio::spawn(worker.run());
        for id in together.iter().filter(|id| **id != held) {
            assert_eq!(rig.result(*id).await.status, ResultStatus::Completed);
        }
        for id in rig.backend.enqueue_many(vec![task("behind"); 20]).await.unwrap() {
            assert_eq!(rig.result(id).await.status, ResultStatus::Completed);
        }
        assert_eq!(rig.task(held).await.state, TaskState::Running);
        rig.queue.undo(None);
        assert_eq!(rig.result(held).await.status, ResultStatus::Completed);
        handle.stop();
        soon(running).await.unwrap().unwrap();
        assert_eq!((runs.get(), rig.left().await), (together.len(), 0));
        assert_eq!(rig.kinds(held).await, ["enqueued", "started", "completed"]);
    }
}
