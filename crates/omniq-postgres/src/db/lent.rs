//! A connection of the pool while a call uses it.

use std::ops::Deref;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::db::pool::Object;
use crate::db::returns::Returning;

/// How long the statement of a dropped call may continue before its connection is closed.
const GRACE: Duration = Duration::from_secs(1);

/// A connection of the pool while a call uses it. If the call is dropped, its statement is still in flight and may wait for a lock: no
/// other call gets the connection before it has ended.
pub(crate) struct Lent {
    client: Option<Object>,
    /// Sent after the statement of a call that was dropped.
    end: &'static str,
    /// Dropped when the statements have ended, those of a dropped call too.
    returning: Option<Returning>,
}

impl Lent {
    /// For a call that is sent at once, with its `commit`.
    pub(super) fn new(client: Object, returning: Option<Returning>) -> Self {
        Self { client: Some(client), end: "", returning }
    }

    /// For a transaction of several round trips: it is rolled back unless the connection is returned.
    pub(super) fn to_transaction(client: Object, returning: Option<Returning>) -> Self {
        Self { client: Some(client), end: "rollback", returning }
    }

    /// Returns the connection to the pool, or closes it if it is `broken`: the driver may notice that later, and until then the next caller
    /// must not get the connection.
    pub(crate) fn back(mut self, broken: bool) {
        if let Some(client) = self.client.take()
            && broken
        {
            client.close();
        }
    }
}

impl Deref for Lent {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("there until it is given back")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (end, mut left, returning) = (self.end, Left(Some(client)), self.returning.take());
        // Until this ends the connection counts as in use.
        let over = async move {
            let _returning = returning;
            let Some(client) = &left.0 else { return };
            let ended = tokio::time::timeout(GRACE, client.batch_execute(end)).await;
            if matches!(ended, Ok(Ok(()))) {
                drop(left.0.take());
            }
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(over)),
            Err(_) => drop(over),
        }
    }
}

/// A connection whose statement may still be in flight. It is closed unless it is taken out, also if there is no runtime, or if the runtime
/// ends.
struct Left(Option<Object>);

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            client.close();
        }
    }
}
