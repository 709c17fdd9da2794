//! `omniq` while another session has locked a table.

use std::time::{Duration, Instant};

use crate::support::Bench;

/// Found by a newcomer: the task could not be cancelled, and to show it took for as long as the lock was held.
#[tokio::test(flavor = "multi_thread")]
async fn c19_a_task_is_shown_and_cancelled_while_its_events_are_locked() {
    let bench = Bench::ready().await;
    let enqueue = || bench.run(&["tasks", "enqueue", "add", "[1, 2]"]).good().stdout.trim().to_owned();
    let (one, other) = (enqueue(), enqueue());
    let holder = bench.db.client().await;
    holder.batch_execute("begin; lock table omniq.events").await.expect("a lock");
    let began = Instant::now();
    let shown = bench.run(&["tasks", "show", &one]).good();
    assert!(shown.stdout.contains("add") && shown.stderr.contains("events could not be read"), "{shown:?}");
    assert!(bench.run(&["tasks", "cancel", &one]).good().stdout.contains(&one));
    bench.run(&["tasks", "cancel", "--all", "--queue", "default", "--yes"]).good();
    assert!(began.elapsed() < Duration::from_secs(150), "{:?}", began.elapsed());
    holder.batch_execute("rollback").await.expect("no lock");
    for id in [one, other] {
        let whole = bench.json(&["tasks", "show", &id]);
        assert_eq!(whole["result"]["status"], "cancelled", "{whole}");
    }
}
