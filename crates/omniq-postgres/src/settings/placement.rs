//! Where one of the three parts (tasks, results, events) is kept.

use std::fmt;
use std::str::FromStr;

use omniq_core::{Error, Result};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::DatabaseUrl;
use super::value::refused;

/// The allowed values. Tasks must be kept somewhere.
pub(super) fn allowed(name: &str) -> &'static str {
    match name {
        "tasks" => "postgres, memory, or the postgresql:// URL of another database",
        _ => "postgres, memory, off, or the postgresql:// URL of another database",
    }
}

/// Where one part of the storage is kept. Tasks, results and events are each placed separately.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Placement {
    /// In the database of [`Settings::url`](super::Settings::url). Written `postgres`.
    Postgres,
    /// In the memory of this process: lost when it ends. Written `memory`.
    Memory,
    /// Nowhere: the part is not used and has no table. Written `off`; tasks cannot be off.
    Off,
    /// In another database. Its URL may set another `schema` and other settings of the pool and the connection.
    Url(DatabaseUrl),
}

impl Placement {
    /// Also takes flags, because some YAML readers turn `off` into false.
    pub(super) fn read(name: &str, value: &Value) -> Result<Self> {
        match value {
            Value::Bool(false) => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::Postgres),
            Value::String(text) => Self::from_word(text).map_or_else(
                || match DatabaseUrl::is_address(text) {
                    true => text.parse().map(Self::Url).map_err(|error: Error| error.context(name)),
                    false => Err(refused(name, value, allowed(name))),
                },
                Ok,
            ),
            _ => Err(refused(name, value, allowed(name))),
        }
    }

    fn from_word(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "postgres" => Some(Self::Postgres),
            "memory" => Some(Self::Memory),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

impl FromStr for Placement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::read("part", &Value::from(text))
    }
}

/// The written form, without the password.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str("postgres"),
            Self::Memory => f.write_str("memory"),
            Self::Off => f.write_str("off"),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

impl Serialize for Placement {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Url(url) => url.serialize(to),
            word => to.collect_str(word),
        }
    }
}

/// The written form, with the password, so that it can be read back.
impl From<Placement> for String {
    fn from(part: Placement) -> Self {
        match part {
            Placement::Url(url) => url.expose(),
            word => word.to_string(),
        }
    }
}
