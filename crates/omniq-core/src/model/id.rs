//! Ids of tasks and workers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Error, Result};

/// The id of a task: a UUID.
///
/// [`TaskId::new`] makes a UUIDv7 (ordered by time of creation) whose last 16 bits are zero: they are the task's offset
/// in a segment, that is, among tasks that are stored together. The caller may give any other UUID instead.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::TaskId;
/// let id = TaskId::new();
/// assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
/// assert!(id.to_string().ends_with("0000"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Uuid);

impl TaskId {
    /// Makes a new id, greater than all that this process made before.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Uuid::from_u128(Uuid::now_v7().as_u128() & !0xffff))
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TaskId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl From<TaskId> for Uuid {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl FromStr for TaskId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text).map(Self).map_err(|_| {
            Error::invalid(format!(
                "task id {text:?} is not a UUID: give one, such as 01a225e5-fa21-71b3-882e-7e3108f30000"
            ))
        })
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

/// The id of a registered worker, assigned by the queue; never used twice in one queue's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub i64);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
