//! Captured log lines, for tests to check.

use std::io::{Result, Write};
use std::sync::{Arc, Mutex};

/// A writer that keeps log lines; its clones share them. For `tracing_subscriber::fmt().with_writer(…)`.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All log lines so far.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no test panics with it").clone())
            .expect("log lines are UTF-8")
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> Result<usize> {
        self.0.lock().expect("no test panics with it").write(text)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
