//! The part of the hand-off that uses the listening connection: it listens on the workers' channels and holds a lock for each open
//! inbox.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use omniq_core::{Result, WorkerId};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::inbox::{Inbox, Inboxes};
use crate::error::from_driver;
use crate::sql::Statements;

/// What the listening connection is asked to do.
pub(crate) enum Command {
    /// A worker is idle: tasks may be handed off to it.
    Open(Arc<Inbox>),
    /// The worker is busy again.
    Close(Arc<Inbox>),
    /// The worker leaves. Its inbox gets an empty notification after the last task.
    End(Arc<Inbox>),
    /// The inbox is not used any more.
    Forget(Arc<Inbox>),
}

/// The open inboxes, and which of them the server knows.
pub(crate) struct Offers {
    listen_on: String,
    open_inbox: String,
    close_inbox: String,
    end_handoff: String,
    inboxes: Inboxes,
    /// The open inboxes, with the number of subscriptions that keep each open.
    open: HashMap<WorkerId, (usize, Arc<Inbox>)>,
    /// The channels that this connection listens on.
    channels: HashSet<String>,
}

impl Offers {
    pub(crate) fn new(sql: &Statements, inboxes: Inboxes) -> Self {
        Self {
            listen_on: sql.listen_on.text.clone(),
            open_inbox: sql.open_inbox.text.clone(),
            close_inbox: sql.close_inbox.text.clone(),
            end_handoff: sql.end_handoff.text.clone(),
            inboxes,
            open: HashMap::new(),
            channels: HashSet::new(),
        }
    }

    /// Takes a notification on a channel that is not the listener's own.
    pub(crate) fn notified(inboxes: &Inboxes, channel: &str, payload: &str) {
        if let Some(inbox) = inboxes.on(channel) {
            inbox.deliver(payload);
        }
    }

    pub(crate) fn inboxes(&self) -> Inboxes {
        self.inboxes.clone()
    }

    pub(crate) fn disconnected(&self) {
        self.inboxes.disconnected();
    }

    /// Opens all open inboxes on a new connection.
    pub(crate) async fn connected(&mut self, client: &Client) -> Result<()> {
        self.channels.clear();
        let inboxes: Vec<_> = self.open.values().map(|(_, inbox)| Arc::clone(inbox)).collect();
        for inbox in inboxes {
            self.open(client, &inbox).await?;
        }
        Ok(())
    }

    /// Counts the subscriptions of an inbox on a connection where none is open yet. To one that ends before nothing was handed off here.
    pub(crate) fn note_unopened(&mut self, command: &Command) {
        self.note(command);
        if let Command::End(inbox) = command {
            inbox.end();
        }
    }

    /// Counts the subscriptions of an inbox. The answer says whether it has become open, or is open no longer.
    fn note(&mut self, command: &Command) -> bool {
        let (inbox, opens) = match command {
            Command::Open(inbox) => (inbox, true),
            Command::Close(inbox) => (inbox, false),
            Command::End(inbox) | Command::Forget(inbox) => return self.open.remove(&inbox.worker).is_some(),
        };
        let before = self.open.get(&inbox.worker).map_or(0, |(count, _)| *count);
        let now = if opens { before + 1 } else { before.saturating_sub(1) };
        if now == 0 {
            self.open.remove(&inbox.worker);
        } else {
            self.open.insert(inbox.worker, (now, Arc::clone(inbox)));
        }
        (before == 0) != (now == 0)
    }

    pub(crate) async fn carry_out(&mut self, client: &Client, command: Command) -> Result<()> {
        let changed = self.note(&command);
        match command {
            Command::Open(inbox) if changed => self.open(client, &inbox).await,
            Command::Close(inbox) if changed => self.close(client, &inbox).await,
            Command::Open(_) | Command::Close(_) => Ok(()),
            Command::End(inbox) => {
                if changed {
                    self.close(client, &inbox).await?;
                }
                let params: [(&(dyn ToSql + Sync), Type); 2] =
                    [(&inbox.worker.0, Type::INT8), (&inbox.channel, Type::TEXT)];
                client.query_typed(&self.end_handoff, &params).await.map(drop).map_err(from_driver)
            }
            Command::Forget(inbox) => {
                if changed {
                    self.close(client, &inbox).await?;
                }
                if self.channels.remove(&inbox.channel) {
                    let unlisten = format!("unlisten \"{}\"", inbox.channel);
                    client.batch_execute(&unlisten).await.map_err(from_driver)?;
                }
                Ok(())
            }
        }
    }

    /// Listens first, so that no notification is missed once the inbox is open.
    async fn open(&mut self, client: &Client, inbox: &Inbox) -> Result<()> {
        if self.channels.insert(inbox.channel.clone()) {
            let listening = client.query_typed(&self.listen_on, &[(&inbox.channel, Type::TEXT)]).await;
            listening.map_err(from_driver)?;
        }
        let opened = client.query_typed(&self.open_inbox, &[(&inbox.worker.0, Type::INT8)]).await;
        opened.map(drop).map_err(from_driver)
    }

    async fn close(&self, client: &Client, inbox: &Inbox) -> Result<()> {
        let closed = client.query_typed(&self.close_inbox, &[(&inbox.worker.0, Type::INT8)]).await;
        closed.map(drop).map_err(from_driver)
    }
}
