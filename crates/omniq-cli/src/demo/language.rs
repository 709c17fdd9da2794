//! The languages of the demo's workers.

use std::fmt;

/// The language of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    Rust,
    Python,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
        })
    }
}

impl Language {
    /// The prefix of its workers' names. The results show by it which language ran a task.
    pub fn key(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
        }
    }

    /// The worker name of this process.
    pub fn worker_name(self) -> String {
        format!("{}:{}", self.key(), std::process::id())
    }
}
