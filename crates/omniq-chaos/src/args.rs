//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::part::Part;

/// Breaks everything around a running queue for some minutes, and checks that the promises hold.
#[derive(Debug, Clone, Parser)]
#[command(name = "omniq-chaos")]
pub struct Args {
    /// Chooses loads and faults; the same seed makes the same plan
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How long the load lasts, in minutes
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
    /// The parts to leave out
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART")]
    pub without: Vec<Part>,
    /// Only these faults
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAULT")]
    pub only: Vec<Part>,
    /// Seconds from one fault to the next, on average
    #[arg(long, default_value_t = 1.5, value_name = "SECONDS")]
    pub pause: f64,
    /// How many connections manage bulks at once; with 1, one verb at a time
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub callers: u32,
    /// The Python with the package omniq; without it, no worker is in Python
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<PathBuf>,
    /// Where data, histories and logs are kept; a new folder by default, removed at the end if all is well
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Keep the folder also if all is well
    #[arg(long)]
    pub keep: bool,
}

impl Args {
    pub fn has(&self, part: Part) -> bool {
        let chosen = self.only.is_empty() || !Part::FAULTS.contains(&part) || self.only.contains(&part);
        chosen && !self.without.contains(&part)
    }
}
