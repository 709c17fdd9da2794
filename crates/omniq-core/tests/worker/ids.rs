//! Ids that users choose, with results elsewhere than the tasks (issue 12, E1): what happens between an enqueue and its
//! lookups.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use omniq_core::layers::ResultsLayer;
use omniq_core::*;

use crate::support::task;

/// A store in which these actions happen before its next lookups, one each; the last one first.
#[derive(Clone)]
struct Results {
    inner: MemoryResultStorage,
    meanwhile: Arc<Mutex<Vec<BoxFuture<'static, ()>>>>,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ResultsLayer for Results {
    fn below(&self) -> &dyn ResultStorage {
        &self.inner
    }

    async fn get_many(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskResult>>> {
        let meanwhile = self.meanwhile.lock().unwrap().pop();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.inner.get_many(ids).await
    }
}

struct Rig {
    results: Results,
    backend: Backend,
    id: TaskId,
}

fn rig() -> Rig {
    let results = Results { inner: MemoryResultStorage::new(), meanwhile: Arc::default() };
    let queue = MemoryQueue::with_options(Limits::default(), true);
    let backend = Backend::new(Arc::new(queue)).with_results(Arc::new(results.clone()));
    Rig { results, backend, id: TaskId::new() }
}

impl Rig {
    /// The result of an earlier task with the id.
    fn earlier(&self) -> TaskResult {
        let mut result = TaskResult::new(self.id, ResultStatus::Completed);
        result.enqueued_at = Some(Timestamp::now() - Duration::from_secs(60));
        result
    }

    async fn tasks(&self) -> u64 {
        self.backend.queue().count(&TaskFilter::default()).await.unwrap()
    }
}

#[tokio::test]
async fn an_id_of_which_a_result_is_kept_is_refused_before_anything_is_written() {
    let rig = rig();
    rig.results.inner.store_many(vec![rig.earlier()]).await.unwrap();
    let queue = Arc::clone(rig.backend.queue());
    let count = async move { assert_eq!(queue.count(&TaskFilter::default()).await.unwrap(), 0) };
    rig.results.meanwhile.lock().unwrap().push(Box::pin(count));
    assert!(rig.backend.enqueue(task("f").id(rig.id)).await.unwrap_err().is_duplicate());
    assert_eq!(rig.tasks().await, 0);
}

#[tokio::test]
async fn an_earlier_task_that_ends_meanwhile_takes_the_enqueue_back() {
    let rig = rig();
    for many in [false, true] {
        let (results, result) = (rig.results.inner.clone(), rig.earlier());
        let ends = async move { results.store_many(vec![result]).await.unwrap() };
        *rig.results.meanwhile.lock().unwrap() = vec![Box::pin(ends), Box::pin(async {})];
        let again = if many {
            rig.backend.enqueue_many(vec![task("f"), task("f").id(rig.id)]).await.map(drop)
        } else {
            rig.backend.enqueue(task("f").id(rig.id)).await.map(drop)
        };
        let refused = again.unwrap_err();
        assert!(refused.is_duplicate() && refused.message().contains("delete it"), "{refused:?}");
        assert_eq!(rig.tasks().await, 0);
        assert!(rig.results.delete(rig.id).await.unwrap());
    }
}

/// A worker may be faster than the second lookup.
#[tokio::test]
async fn the_result_of_the_new_task_itself_takes_nothing_back() {
    let rig = rig();
    let backend = rig.backend.clone();
    let runs = async move {
        let worker = Worker::builder(backend).register("f", |(): (), _| async { Ok::<_, Failure>(7) });
        worker.build().unwrap().run_until_idle().await.unwrap();
    };
    *rig.results.meanwhile.lock().unwrap() = vec![Box::pin(runs), Box::pin(async {})];
    rig.backend.enqueue(task("f").id(rig.id)).await.unwrap();
    assert_eq!(rig.tasks().await, 1, "it is kept as completed");
    let value = rig.backend.result(rig.id).await.unwrap().unwrap().value.unwrap();
    assert_eq!(value.decode::<i32>().unwrap(), 7);
}
