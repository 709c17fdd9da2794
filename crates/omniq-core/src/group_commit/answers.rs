//! Gives many callers their answers at once.

use std::mem::take;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use tokio::task::yield_now;

use crate::sync::locked;

/// Answers that are due. Dropped, it gives them: a runtime that ends wakes nothing any more.
struct Answers<F: FnOnce()>(Mutex<Option<F>>);

impl<F: FnOnce()> Answers<F> {
    fn give(&self) {
        let give = take(&mut *locked(&self.0));
        if let Some(give) = give {
            give();
        }
    }
}

impl<F: FnOnce() + Send + 'static> Wake for Answers<F> {
    fn wake(self: Arc<Self>) {
        self.give();
    }
}

impl<F: FnOnce()> Drop for Answers<F> {
    fn drop(&mut self) {
        self.give();
    }
}

/// So many callers are woken together. Fewer cost no more one by one, and are woken at once.
pub(super) const MANY: usize = 4;

/// Runs `give`, which wakes many Tokio tasks, when this thread of the runtime next looks at its sockets and timers: once it has nothing
/// to poll, or after 61 turns of its loop (Tokio's event interval). At once outside of a runtime's thread.
///
/// Whenever a thread wakes a Tokio task while it polls another one, it wakes an idle thread as well, if there is one, to share the work:
/// a system call and two switches of threads for every few of a hundred answers. Between two polls it does so once for all that it wakes.
/// Tasks that yield are woken then, so this yields on behalf of `give`. Where a Tokio version wakes at once instead, `give` runs at once.
pub(super) fn between_polls(give: impl FnOnce() + Send + 'static) {
    let waker = Waker::from(Arc::new(Answers(Mutex::new(Some(give)))));
    // Always pending at its first poll: the waker is what is wanted.
    let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::runtime::Builder;

    use super::*;

    fn counted() -> (Arc<AtomicUsize>, impl FnOnce() + Send + 'static) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        (count, move || {
            counter.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[tokio::test]
    async fn answers_are_given_once_and_between_polls() {
        let (count, give) = counted();
        between_polls(give);
        assert_eq!(count.load(Ordering::SeqCst), 0, "this poll goes on");
        for _ in 0..3 {
            yield_now().await;
            assert_eq!(count.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn a_busy_thread_gives_them_after_61_turns_at_the_latest() {
        let (count, give) = counted();
        tokio::spawn(async move {
            between_polls(give);
            // Each poll wakes the next one at once, so that this thread always has something to poll.
            let mut polls = 0;
            std::future::poll_fn(|context| {
                polls += 1;
                context.waker().wake_by_ref();
                let given = count.load(Ordering::SeqCst) == 1;
                assert!(given || polls <= 70, "not given after {polls} polls");
                if given { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        })
        .await
        .unwrap();
    }

    #[test]
    fn outside_of_a_runtime_they_are_given_at_once() {
        let (count, give) = counted();
        between_polls(give);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_runtime_that_ends_gives_them() {
        let (count, give) = counted();
        let runtime = Builder::new_current_thread().build().unwrap();
        // Its only poll.
        runtime.block_on(async { between_polls(give) });
        drop(runtime);
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
