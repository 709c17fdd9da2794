//! Long lists, read a page at a time. No transaction is open between two pages.

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::Result;
use crate::model::{
    EventFilter, ResultFilter, SavedSchedule, ScheduleFilter, Task, TaskEvent, TaskFilter, TaskResult,
};

/// The size of a page where the filter names none.
const PAGE: u32 = 1_000;

/// A filter that selects the entries after one that was read.
pub(crate) trait Paged: Clone + Send {
    type Entry: Send;

    fn limit(&mut self) -> &mut Option<u32>;

    fn go_on_after(&mut self, last: &Self::Entry);
}

impl Paged for TaskFilter {
    type Entry = Task;

    fn limit(&mut self) -> &mut Option<u32> {
        &mut self.limit
    }

    fn go_on_after(&mut self, last: &Task) {
        self.after = Some(last.id);
    }
}

impl Paged for ResultFilter {
    type Entry = TaskResult;

    fn limit(&mut self) -> &mut Option<u32> {
        &mut self.limit
    }

    fn go_on_after(&mut self, last: &TaskResult) {
        self.after = Some((last.finished_at, last.task_id));
    }
}

impl Paged for EventFilter {
    type Entry = TaskEvent;

    fn limit(&mut self) -> &mut Option<u32> {
        &mut self.limit
    }

    fn go_on_after(&mut self, last: &TaskEvent) {
        self.after = Some(last.id);
    }
}

impl Paged for ScheduleFilter {
    type Entry = SavedSchedule;

    fn limit(&mut self) -> &mut Option<u32> {
        &mut self.limit
    }

    fn go_on_after(&mut self, last: &SavedSchedule) {
        self.after = Some(last.schedule.name.clone());
    }
}

/// The filter of the first page.
pub(crate) fn from_start(filter: TaskFilter) -> TaskFilter {
    TaskFilter { after: None, limit: Some(PAGE), ..filter }
}

/// The filter of the page after this one; `None` after the last page.
pub(crate) fn next<F: Paged>(mut filter: F, page: &[F::Entry]) -> Option<F> {
    let is_full = filter.limit().is_some_and(|limit| page.len() >= limit as usize);
    let last = page.last().filter(|_| is_full)?;
    filter.go_on_after(last);
    Some(filter)
}

/// All entries that the filter selects, by a function that reads a page.
pub(super) fn all<'a, F, R>(
    mut filter: F,
    read: impl Fn(F) -> R + Send + 'a,
) -> BoxStream<'a, Result<F::Entry>>
where
    F: Paged + 'a,
    R: Future<Output = Result<Vec<F::Entry>>> + Send + 'a,
{
    filter.limit().get_or_insert(PAGE);
    stream::try_unfold((Some(filter), read), async |(filter, read)| {
        let Some(filter) = filter else { return Ok(None) };
        let page = read(filter.clone()).await?;
        let next = next(filter, &page);
        Ok(Some((stream::iter(page.into_iter().map(Ok)), (next, read))))
    })
    .try_flatten()
    .boxed()
}

/// The same without a runtime.
pub(super) fn all_sync<F: Paged>(
    mut filter: F,
    read: impl Fn(&F) -> Result<Vec<F::Entry>>,
) -> impl Iterator<Item = Result<F::Entry>> {
    filter.limit().get_or_insert(PAGE);
    let mut left = Some(filter);
    let pages = std::iter::from_fn(move || {
        let filter = left.take()?;
        match read(&filter) {
            Ok(page) => {
                left = next(filter, &page);
                Some(page.into_iter().map(Ok).collect::<Vec<_>>())
            }
            Err(error) => Some(vec![Err(error)]),
        }
    });
    pages.flatten()
}
