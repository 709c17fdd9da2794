//! The command line and the settings of a measured program.

use std::str::FromStr;

/// The command of a measured program.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// `setup`: make the schema and the queues in an empty database.
    Setup,
    /// `bulk N`: enqueue this many by the bulk call.
    Bulk(u64),
    /// `load N`: enqueue this many one by one, from 32 callers.
    Load(u64),
    /// `single CALLERS SECONDS`: enqueue one by one for this many seconds.
    Single(usize, f64),
    /// `paced N MS`: enqueue N, one each MS milliseconds.
    Paced(u64, u64),
    /// `round-trip N MS`: enqueue N, one each MS milliseconds, and wait for the result of each.
    RoundTrip(u64, u64),
    /// `work COUNT`: work until stopped, and report when this many handlers have run (0: never).
    Work(u64),
}

impl Mode {
    /// The mode that the command line names, or a message with the valid modes.
    pub fn from_args() -> Result<Self, String> {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let number = |at: usize| args.get(at).and_then(|text| text.parse::<f64>().ok());
        let whole = |at: usize| number(at).map(|number| number as u64);
        let mode = match args.first().map(String::as_str) {
            Some("setup") => Some(Self::Setup),
            Some("bulk") => whole(1).map(Self::Bulk),
            Some("load") => whole(1).map(Self::Load),
            Some("single") => {
                whole(1).zip(number(2)).map(|(callers, seconds)| Self::Single(callers as usize, seconds))
            }
            Some("paced") => whole(1).zip(whole(2)).map(|(count, ms)| Self::Paced(count, ms)),
            Some("round-trip") => whole(1).zip(whole(2)).map(|(count, ms)| Self::RoundTrip(count, ms)),
            Some("work") => whole(1).map(Self::Work),
            _ => None,
        };
        mode.ok_or_else(|| {
            "setup | bulk N | load N | single CALLERS SECONDS | paced N MS | round-trip N MS | work COUNT"
                .into()
        })
    }

    /// How many connections the program gets in this mode.
    pub fn connections(self, otherwise: usize) -> usize {
        match self {
            Self::Single(callers, _) => callers.max(2),
            Self::Load(_) => 32,
            Self::Setup | Self::Bulk(_) | Self::Paced(..) | Self::RoundTrip(..) => 4,
            Self::Work(_) => setting("CONNECTIONS", otherwise),
        }
    }
}

/// The URL of the database to use.
///
/// # Panics
/// Without `DATABASE_URL` in the environment.
pub fn database_url() -> String {
    std::env::var("DATABASE_URL").expect("DATABASE_URL is in the environment")
}

/// A setting from the environment.
pub fn setting<T: FromStr>(key: &str, otherwise: T) -> T {
    std::env::var(key).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The names of the queues that jobs go to in turn: `bench0`, `bench1` …; `QUEUES` sets the number.
pub fn queues() -> Vec<String> {
    (0..setting("QUEUES", 1)).map(|number| format!("bench{number}")).collect()
}
