//! The command line and the settings of a measured program.

use std::str::FromStr;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// `setup`: make the schema and the queues in an empty database.
    Setup,
    /// `bulk N`: enqueue this many by the bulk call.
    Bulk(u64),
    /// `load N`: enqueue this many one by one, from 32 callers.
    Load(u64),
    /// `single CALLERS SECONDS`: enqueue one by one for so long.
    Single(usize, f64),
    /// `paced N MS`: enqueue one each so many milliseconds.
    Paced(u64, u64),
    /// `work COUNT`: work until told to stop, and say when this many handlers have run (0: never).
    Work(u64),
}

impl Mode {
    /// The mode that the command line names, or a sentence on what it may name.
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
            Some("work") => whole(1).map(Self::Work),
            _ => None,
        };
        mode.ok_or_else(|| {
            "setup | bulk N | load N | single CALLERS SECONDS | paced N MS | work COUNT".into()
        })
    }

    /// How many connections a producer of this kind is given.
    pub fn connections(self, otherwise: usize) -> usize {
        match self {
            Self::Single(callers, _) => callers.max(2),
            Self::Load(_) => 32,
            Self::Setup | Self::Bulk(_) | Self::Paced(..) => 4,
            Self::Work(_) => setting("CONNECTIONS", otherwise),
        }
    }
}

/// The database that the program is given.
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

/// The names of the queues that jobs go to in turn: `bench0`, `bench1` …; `QUEUES` says how many.
pub fn queues() -> Vec<String> {
    (0..setting("QUEUES", 1)).map(|number| format!("bench{number}")).collect()
}
