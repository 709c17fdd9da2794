//! The retry by filter, a page at a time.

use super::iterate;
use crate::model::*;
use crate::{Result, verbs};

/// Retries what these filters select, each after the one before it, and returns how many tasks that were. `list` reads a
/// page, and `retry_many` retries its tasks, all or none.
pub(super) async fn by_filters<L, R>(
    filters: Vec<TaskFilter>,
    list: impl Fn(TaskFilter) -> L,
    retry_many: impl Fn(Vec<TaskId>) -> R,
) -> Result<u64>
where
    L: Future<Output = Result<Vec<Task>>>,
    R: Future<Output = Result<()>>,
{
    let mut count = 0;
    for filter in filters {
        let mut next = Some(iterate::from_start(filter));
        while let Some(filter) = next {
            let page = list(filter.clone()).await.map_err(|error| verbs::in_part(count, "retried", error))?;
            next = iterate::next(filter, &page);
            let ids = page.iter().map(|task| task.id).collect();
            retry_unchanged(ids, &mut count, &retry_many).await?;
        }
    }
    Ok(count)
}

/// Retries tasks, and leaves out those that cannot be retried any more. Each time one of them is in the way, halves are tried by themselves.
/// `count` grows by those that were retried.
async fn retry_unchanged<F: Future<Output = Result<()>>>(
    ids: Vec<TaskId>,
    count: &mut u64,
    retry_many: impl Fn(Vec<TaskId>) -> F,
) -> Result<()> {
    let mut open = vec![ids];
    while let Some(mut ids) = open.pop() {
        match retry_many(ids.clone()).await {
            Ok(()) => *count += ids.len() as u64,
            Err(error) if !(error.is_not_found() || error.is_conflict()) => {
                return Err(verbs::in_part(*count, "retried", error));
            }
            Err(_) if ids.len() == 1 => {}
            Err(_) => {
                let half = ids.split_off(ids.len() / 2);
                open.extend([half, ids]);
            }
        }
    }
    Ok(())
}
