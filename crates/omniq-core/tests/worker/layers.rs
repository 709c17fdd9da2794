//! `tower` layers around runs and around enqueues.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use omniq_core::testing::TestBackend;
use omniq_core::*;
use tower_layer::layer_fn;
use tower_service::Service;

/// A service around another one, by a function of the request and of the inner service.
#[derive(Clone)]
struct Around<S, F>(S, F);

impl<R: Send + 'static, A, E, S, F, Fut> Service<R> for Around<S, F>
where
    S: Service<R> + Clone + Send + 'static,
    F: Fn(R, S) -> Fut,
    Fut: Future<Output = std::result::Result<A, E>> + Send + 'static,
{
    type Response = A;
    type Error = E;
    type Future = BoxFuture<'static, std::result::Result<A, E>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<std::result::Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        Box::pin((self.1)(request, self.0.clone()))
    }
}

fn task(func: &str) -> NewTask {
    NewTask::new(func, &()).unwrap()
}

/// What layers see: the run, its answer, and its failure, of async and blocking handlers, whichever was added first.
#[tokio::test(start_paused = true)]
async fn layers_are_around_the_runs_of_all_functions() {
    let backend = TestBackend::new();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        layer_fn(move |inner: RunService| {
            let seen = Arc::clone(&seen);
            Around(inner, move |context: Context, mut inner: RunService| {
                let seen = Arc::clone(&seen);
                async move {
                    let func = context.task().func.clone();
                    let answer = inner.call(context).await;
                    let value = answer
                        .as_ref()
                        .map(|value| value.as_ref().map(|value| value.decode::<i32>().unwrap()));
                    seen.lock().unwrap().push(format!("{name} {func} {:?}", value.map_err(|_| "failed")));
                    answer
                }
            })
        })
    };
    let worker = Worker::builder(&backend)
        .concurrency(1)
        .register("ok", async |_: (), _| Ok(1))
        .layer(note("inner"))
        .register_blocking("blocks", |_: (), _| Ok(2))
        .register("fails", |_: (), _| async move { Err::<(), _>(Failure::fatal("E", "no")) })
        .register_blocking("panics", |_: (), _| -> std::result::Result<i32, Failure> {
            panic!("off the loop")
        })
        // Of another error type, outside of the first.
        .layer(layer_fn(|inner| {
            Around(inner, |context: Context, mut inner: RunService| async move {
                match context.task().func.as_str() {
                    "refused" => Err(BoxError::from("not today")),
                    "answered" => Ok(Some(Payload::json(&7).unwrap())),
                    "slow" => match tokio::time::timeout(Duration::from_secs(1), inner.call(context)).await {
                        Ok(answer) => Ok(answer?),
                        Err(over) => Err(over.into()),
                    },
                    _ => Ok(inner.call(context).await?),
                }
            })
        }))
        .register("refused", async |_: (), _| Ok(3))
        .register("answered", async |_: (), _| Ok(4))
        .register("slow", |_: (), _| async move { Ok(std::future::pending::<i32>().await) })
        .build()
        .unwrap();
    let names = ["ok", "blocks", "fails", "panics", "refused", "answered", "slow"];
    let tasks = names.map(|name| task(name).max_retries(0)).to_vec();
    let ids = backend.enqueue_many(tasks).await.unwrap();
    backend.drain(worker).await.unwrap();
    let seen = seen.lock().unwrap().join(", ");
    assert_eq!(
        seen,
        "inner ok Ok(Some(1)), inner blocks Ok(Some(2)), inner fails Err(\"failed\"), inner panics Err(\"failed\")"
    );

    let result = async |index: usize| backend.result(ids[index]).await.unwrap().unwrap();
    for (index, value) in [(0, 1), (1, 2), (5, 7)] {
        assert_eq!(result(index).await.decode::<i32>().unwrap(), value);
    }
    for (index, kind, message) in [(2, "E", "no"), (4, "error", "not today")] {
        let error = result(index).await.error.unwrap();
        assert_eq!((error.kind.as_str(), error.message.as_str()), (kind, message));
    }
    let panic = result(3).await.error.unwrap();
    assert!(panic.kind == "panic" && panic.message.contains("off the loop"), "{panic:?}");
    assert!(result(6).await.error.unwrap().message.contains("elapsed"));
}

/// A layer around a blocking handler changes nothing of its stop: it is told, and waited for.
#[tokio::test]
async fn a_blocking_handler_within_a_layer_is_told_to_stop() {
    let (backend, returned) = (TestBackend::new(), Arc::new(AtomicUsize::new(0)));
    let (passes, counter) = (layer_fn(|inner: RunService| inner), Arc::clone(&returned));
    let worker = Worker::builder(&backend).layer(passes).register_blocking("f", move |_: (), context| {
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30));
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let id = backend.enqueue(task("f").timeout(Duration::from_millis(20)).max_retries(0)).await.unwrap();
    worker.build().unwrap().run_until_idle().await.unwrap();
    assert_eq!(returned.load(Ordering::SeqCst), 1, "its slot was taken until it returned");
    assert_eq!(backend.result(id).await.unwrap().unwrap().error.unwrap().kind, "timeout");
}

/// A service is asked whether it is ready before each run, on the clone that is called.
#[derive(Clone)]
struct Twice(RunService, bool, Arc<AtomicUsize>);

impl Service<Context> for Twice {
    type Response = Option<Payload>;
    type Error = Failure;
    type Future = BoxFuture<'static, std::result::Result<Option<Payload>, Failure>>;

    fn poll_ready(&mut self, task: &mut task::Context<'_>) -> Poll<std::result::Result<(), Failure>> {
        self.2.fetch_add(1, Ordering::SeqCst);
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(Ok(()));
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, context: Context) -> Self::Future {
        assert!(self.1, "called before it was ready");
        self.0.call(context)
    }
}

#[tokio::test]
async fn a_layer_may_let_a_run_wait() {
    let backend = TestBackend::new();
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    let handler = Handler::new(async |_: (), _| Ok::<_, Failure>(()))
        .layer(&layer_fn(move |inner| Twice(inner, false, Arc::clone(&counter))));
    backend.enqueue_many(vec![task("f"), task("f")]).await.unwrap();
    let worker = Worker::builder(&backend).handler("f", handler).build().unwrap();
    assert_eq!(backend.drain(worker).await.unwrap().completed, 2);
    assert_eq!(polls.load(Ordering::SeqCst), 4);
}

/// Layers change the tasks of all enqueues, refuse them with an error of their own, and see the answer.
#[tokio::test]
async fn layers_are_around_enqueues() {
    let marks = |key: &'static str| {
        layer_fn(move |inner: EnqueueService| {
            Around(inner, move |mut enqueue: Enqueue, mut inner: EnqueueService| async move {
                for task in &mut enqueue.tasks {
                    let before = task.metadata.len();
                    task.metadata.insert(key.to_owned(), before.into());
                }
                inner.call(enqueue).await
            })
        })
    };
    let refuses = layer_fn(|inner: EnqueueService| {
        Around(inner, |mut enqueue: Enqueue, mut inner: EnqueueService| async move {
            if enqueue.tasks.iter().any(|task| task.func == "bad") {
                return Err(BoxError::from(Error::invalid("bad is refused")));
            }
            if enqueue.tasks.iter().any(|task| task.func == "worse") {
                return Err("worse".into());
            }
            enqueue.tasks.retain(|task| task.func != "left out");
            Ok(inner.call(enqueue).await?)
        })
    });
    let backend = TestBackend::new().map_backend(|backend| {
        backend
            .with_enqueue_layer(&marks("inner"))
            .with_enqueue_layer(&refuses)
            .with_enqueue_layer(&marks("outer"))
    });
    backend.enqueue(task("one")).await.unwrap();
    let tasks = vec![task("two"), task("left out")];
    assert_eq!(backend.enqueue_many(tasks).await.unwrap().len(), 1);
    for func in ["one", "two"] {
        let metadata = backend.assert_enqueued(func).metadata;
        assert_eq!((metadata["outer"].as_i64(), metadata["inner"].as_i64()), (Some(0), Some(1)));
    }
    let error = backend.enqueue(task("bad")).await.unwrap_err();
    assert!(error.is_invalid() && error.to_string() == "bad is refused", "{error:?}");
    let error = backend.enqueue(task("worse")).await.unwrap_err();
    assert!(error.is_internal() && error.to_string().ends_with("failed: worse"), "{error:?}");
    backend.assert_not_enqueued("bad");

    // Those of handlers, and of blocking callers.
    let enqueues = Worker::builder(&backend)
        .register("one", |_: (), context: Context| async move { Ok(context.enqueue(task("three")).await?) })
        .register("two", async |_: (), _| Ok(()));
    enqueues.build().unwrap().run_until_idle().await.unwrap();
    assert_eq!(backend.assert_enqueued("three").metadata.len(), 2);
    let blocking = BlockingBackend::new(Backend::from(&backend));
    tokio::task::spawn_blocking(move || blocking.enqueue_sync(task("four")).unwrap()).await.unwrap();
    assert_eq!(backend.assert_enqueued("four").metadata.len(), 2);
}
