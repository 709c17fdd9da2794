//! Contexts for handlers that a test calls by itself, without a worker.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::TestBackend;
use crate::handler::{Origin, States};
use crate::model::{NewTask, Task, TaskId};
use crate::worker::without_worker;
use crate::{Backend, Context, Result, StopReason, blocking, clock};

impl Context {
    /// A context for the test of a handler: the first run of a task without arguments, on a [`TestBackend`] of its own.
    /// [`TestRun`] makes others. Feature `testing`.
    ///
    /// ```
    /// # use omniq_core as omniq;
    /// use omniq::{Context, State};
    ///
    /// async fn greet(name: String, State(greeting): State<&str>, task: Context) -> Result<String, std::fmt::Error> {
    ///     Ok(format!("{greeting} {name}, run {}", task.attempt()))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let text = greet("Ann".into(), State("Hello"), Context::test()).await.unwrap();
    /// assert_eq!(text, "Hello Ann, run 1");
    /// # });
    /// ```
    pub fn test() -> Self {
        let payload = crate::Payload::new(crate::Codec::Json, &b"null"[..]);
        TestRun::of(NewTask::with_payload("test", payload)).context()
    }

    /// Tells the run to stop, as its worker would. Feature `testing`.
    pub fn test_stop(&self, reason: StopReason) {
        self.stop(reason);
    }
}

/// A run for the test of a handler, to be given what its [`Context`] shall show.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::testing::{TestBackend, TestRun};
/// use omniq::{Context, Failure, NewTask};
///
/// async fn import(path: String, task: Context) -> Result<(), Failure> {
///     if task.attempt() > 2 {
///         task.enqueue(NewTask::new("alarm", &path)?).await?;
///     }
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let backend = TestBackend::new();
/// let run = TestRun::of(NewTask::new("import", "a.csv").unwrap()).attempt(3).backend(&backend);
/// import("a.csv".into(), run.context()).await.unwrap();
/// backend.assert_enqueued_with("alarm", "a.csv");
/// # });
/// ```
#[derive(Debug)]
#[must_use = "it does nothing until `context`"]
pub struct TestRun {
    task: NewTask,
    attempt: u32,
    states: Result<States>,
    backend: Backend,
}

impl TestRun {
    /// The first run of this task, on a [`TestBackend`] of its own, where it is not enqueued.
    pub fn of(task: NewTask) -> Self {
        let backend = Backend::from(&TestBackend::new());
        Self { task, attempt: 1, states: Ok(States::default()), backend }
    }

    /// The number of the run. Default: 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Adds a state, as [`WorkerBuilder::state`](crate::WorkerBuilder::state) does.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states = self.states.and_then(|mut states| states.add(value).map(|()| states));
        self
    }

    /// The backend that the handler sees, and that its events are logged to.
    pub fn backend(mut self, backend: impl Into<Backend>) -> Self {
        self.backend = backend.into();
        self
    }

    /// The context. Panics for two states of one type.
    #[track_caller]
    pub fn context(self) -> Context {
        let states = match self.states {
            Ok(states) => states,
            Err(error) => panic!("{error}"),
        };
        let now = clock::now();
        let id = self.task.id.unwrap_or_else(TaskId::new);
        let mut task = Task::from_new(self.task, id, 1, now);
        (task.state, task.attempt, task.claimed_at) = (crate::TaskState::Running, self.attempt, Some(now));
        let runtime = Handle::try_current().or_else(|_| blocking::handle());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => panic!("{error}"),
        };
        let outbox = without_worker(self.backend.clone(), runtime);
        let origin = Origin { states, worker: "test".into(), backend: self.backend, outbox };
        Context::new(task, Arc::new(origin))
    }
}
