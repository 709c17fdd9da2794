//! Waiting in tests: for a condition with a deadline, and for the turn of a test that needs the whole machine.

use std::fs::File;
use std::time::{Duration, Instant};

/// Asks again and again until the answer is `Some`, and returns it. Panics after `within`. The limit is for hangs, so
/// make it generous.
pub async fn eventually<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lets one heavy test run at a time, over all test programs of this machine, until the returned value is dropped.
///
/// Heavy tests start many processes or depend on times; side by side they would only slow each other down.
pub fn heavy() -> impl Drop {
    struct Turn(File);
    impl Drop for Turn {
        fn drop(&mut self) {
            let _ = self.0.unlock();
        }
    }
    let path = std::env::temp_dir().join("omniq-test-heavy.lock");
    let file = File::create(path).expect("a lock file can be made");
    file.lock().expect("a file can be locked");
    Turn(file)
}
