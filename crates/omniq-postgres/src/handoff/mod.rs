//! Hand-off: a lone task that is claimed for an idle worker as it is enqueued, and sent to it in the notification.
//!
//! `inbox` holds what arrived for a worker, `offers` is the part that uses the listening connection, `receive` is what the worker
//! sees. Why so: `docs/decisions/0016-hand-off.md`.

mod inbox;
mod offers;
mod receive;

pub(crate) use self::inbox::{Inbox, Inboxes};
pub(crate) use self::offers::{Command, Offers};
pub(crate) use self::receive::{begin, end};
