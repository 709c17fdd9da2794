//! The panic hook of the process, in a process of its own: the library's hook is put before it once.

use std::sync::{Arc, Mutex};

use omniq_core::*;

#[tokio::test]
async fn the_hook_that_was_there_before_hears_of_other_panics_only() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    std::panic::set_hook(Box::new(move |info| {
        noted.lock().unwrap().push(info.payload().downcast_ref::<&str>().unwrap_or(&"").to_string());
    }));

    let backend =
        Backend::new(Arc::new(MemoryQueue::new())).with_results(Arc::new(MemoryResultStorage::new()));
    let task = NewTask::new("f", &()).unwrap().max_retries(0);
    let id = backend.enqueue(task).await.unwrap();
    let worker = Worker::builder(&backend).register("f", |(): (), _| async {
        // A panic on another thread while a handler runs is not the handler's.
        assert!(std::thread::spawn(|| panic!("beside a handler")).join().is_err());
        panic!("in a handler");
        #[allow(unreachable_code)]
        Ok::<_, Failure>(())
    });
    worker.build().unwrap().run_until_idle().await.unwrap();
    let error = backend.result(id).await.unwrap().unwrap().error.unwrap();
    assert!(error.message.starts_with("in a handler (at "), "{}", error.message);
    assert!(tokio::spawn(async { panic!("after it") }).await.unwrap_err().is_panic());
    assert_eq!(*heard.lock().unwrap(), ["beside a handler", "after it"]);
}
