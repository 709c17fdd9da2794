//! Probes a server: its version, and whether there is a pooler in between that does not keep sessions.

use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};

use crate::db::count::Count;
use crate::db::hosts::Hosts;
use crate::db::patience::Patience;
use crate::db::pins::Pins;
use crate::db::probe::are_sessions;
use crate::db::sessions::{Server, Sessions, Way};
use crate::error::is_away;
use crate::settings::Settings;

/// How to make sessions of a server, and the first session.
pub(crate) struct Opened {
    pub(crate) sessions: Sessions,
    pub(crate) first: ClientWrapper,
}

/// Waits for a server that is away, as any call does.
pub(crate) async fn open(settings: &Settings, count: &Count) -> Result<Opened> {
    let hosts = Hosts::new(settings)?;
    let mut patience = Patience::new(settings.acquire_timeout);
    let mut told = false;
    loop {
        let error = match get_to_know(&hosts, settings.statement_cache, count).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let away = is_away(&error);
        if away && !std::mem::replace(&mut told, true) {
            let patience = settings.acquire_timeout;
            tracing::warn!(%error, ?patience, "the database cannot be reached; waiting for it");
        }
        if !away || !patience.pause().await {
            return Err(error);
        }
    }
}

/// Nothing is prepared under a name before it is known that sessions are kept: a pooler may send the name to another session, where it is
/// in use or unknown.
async fn get_to_know(hosts: &Hosts, may_keep: bool, count: &Count) -> Result<Opened> {
    if !may_keep {
        return in_transactions(hosts, count).await;
    }
    let token = format!("{:016x}", rand::random::<u64>());
    let sessions = Sessions::new(hosts, Way::AtStart, None, &token)?;
    let connected = sessions.connect_and_look(count).await;
    match connected {
        Ok((first, server)) if server.token == token => at_start(hosts, first, server, &token).await,
        // A pooler dropped the options. It may have no second session to give.
        Ok((first, _)) => {
            drop(first);
            behind_a_pooler(hosts, count).await
        }
        Err(error) if is_about_options(&error) => behind_a_pooler(hosts, count).await,
        Err(error) => Err(error),
    }
}

/// Whether the options were refused. Poolers refuse with words and codes of their own; codes that the server itself gives for any session
/// are excluded.
fn is_about_options(error: &Error) -> bool {
    let others = ["28", "3D", "53", "57"];
    error.sqlstate().is_some_and(|code| !others.iter().any(|class| code.starts_with(class)))
}

async fn at_start(hosts: &Hosts, first: ClientWrapper, server: Server, token: &str) -> Result<Opened> {
    let version = Some(server.version);
    let sessions = Sessions::new(hosts, Way::AtStart, version, token)?;
    // Settings that can be asked for at the start only once the version is known.
    let (known, unknown) = (Pins::of_session("", version)?, Pins::of_session("", None)?);
    if known.names.len() > unknown.names.len() {
        sessions.pin(&first, &Pins::of_session(hosts.options(), version)?, false).await?;
    }
    Ok(Opened { sessions, first })
}

async fn behind_a_pooler(hosts: &Hosts, count: &Count) -> Result<Opened> {
    let sessions = Sessions::new(hosts, Way::AfterStart, None, "")?;
    let (first, server) = sessions.connect_and_look(count).await?;
    let are_sessions = match sessions.connect().await {
        Ok(open) => are_sessions([&first, &count.drive(open)]).await,
        Err(_) => false,
    };
    if !are_sessions {
        // Keeps this connection: it may hold the pooler's only session.
        return Ok(Opened { sessions: Sessions::new(hosts, Way::InTransactions, None, "")?, first });
    }
    let sessions = Sessions::new(hosts, Way::AfterStart, Some(server.version), "")?;
    sessions.make_ready(&first).await?;
    Ok(Opened { sessions, first })
}

async fn in_transactions(hosts: &Hosts, count: &Count) -> Result<Opened> {
    let sessions = Sessions::new(hosts, Way::InTransactions, None, "")?;
    let (first, _) = sessions.connect_and_look(count).await?;
    Ok(Opened { sessions, first })
}
