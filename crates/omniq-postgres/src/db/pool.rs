//! The pool of a database: one of OmniQ's own, or one that the program has.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::Status;
use deadpool::managed::{self, Manager, PoolError, TimeoutType, Timeouts};
use deadpool_postgres::ClientWrapper;
use omniq_core::{Error, Result};

use super::connection::Connector;
use crate::error::{from_driver, from_pool};
use crate::settings::Settings;

/// How long a connection that is being opened is waited for before the pool is checked again.
const ROUND: Duration = Duration::from_millis(20);

pub(crate) type OwnPool = managed::Pool<Connector>;

pub(crate) enum Pool {
    Own(OwnPool),
    /// Of the program, which may use the connections in between. It is neither filled nor closed by OmniQ.
    Program(deadpool_postgres::Pool),
}

/// A connection that was taken from the pool. It is returned by a drop.
pub(crate) enum Object {
    Own(managed::Object<Connector>),
    Program(deadpool_postgres::Object),
}

impl Object {
    /// Closes the connection instead of returning it.
    pub(crate) fn close(self) {
        match self {
            Self::Own(client) => drop(managed::Object::take(client)),
            Self::Program(client) => drop(managed::Object::take(client)),
        }
    }
}

impl Deref for Object {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        match self {
            Self::Own(client) => client,
            Self::Program(client) => client,
        }
    }
}

impl DerefMut for Object {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        match self {
            Self::Own(client) => client,
            Self::Program(client) => client,
        }
    }
}

impl Pool {
    /// A connection that is free or becomes free within this time, or a new one. `None`: one is being opened, and may be there
    /// at another call.
    pub(super) async fn get(&self, left: Duration, settings: &Settings) -> Option<Result<Object>> {
        match self {
            Self::Own(pool) => {
                let timeouts = Timeouts { wait: Some(left), create: Some(ROUND), recycle: None };
                Some(match pool.timeout_get(&timeouts).await {
                    Ok(client) => Ok(Object::Own(client)),
                    Err(PoolError::Timeout(TimeoutType::Create)) => return None,
                    Err(error) => Err(from_pool(error, settings.pool_max, settings.acquire_timeout)),
                })
            }
            // An attempt that is given up is lost, so it has the whole time. The program's own limits hold as well.
            Self::Program(pool) => Some(match tokio::time::timeout(left, pool.get()).await {
                Ok(Ok(client)) => Ok(Object::Program(client)),
                Ok(Err(error)) => Err(of_program(error)),
                Err(_) => Err(all_in_use(pool.status(), left)),
            }),
        }
    }

    pub(super) fn status(&self) -> Status {
        match self {
            Self::Own(pool) => pool.status(),
            Self::Program(pool) => pool.status(),
        }
    }

    /// Closes the connections that no call uses.
    pub(super) fn close_idle(&self) {
        match self {
            Self::Own(pool) => drop(pool.retain(|_, _| false)),
            Self::Program(pool) => drop(pool.retain(|_, _| false)),
        }
    }

    /// Closes a pool of OmniQ's own.
    pub(super) fn close(&self) {
        if let Self::Own(pool) = self {
            pool.close();
            // The keeper and callers that wait for an attempt leave none behind from now on.
            pool.manager().attempts().close();
        }
    }
}

/// A connection as the program's pool makes them, beside the pool, within this time. It is driven in the caller's runtime.
pub(super) async fn beside(pool: &deadpool_postgres::Pool, limit: Duration) -> Result<ClientWrapper> {
    match tokio::time::timeout(limit, pool.manager().create()).await {
        Ok(made) => made.map_err(not_connected),
        Err(_) => Err(Error::unavailable(format!("the program's pool made no connection within {limit:?}"))),
    }
}

fn of_program(error: PoolError<tokio_postgres::Error>) -> Error {
    match error {
        PoolError::Backend(error) => not_connected(error),
        PoolError::Timeout(kind) => Error::pool_timeout(format!(
            "the program's pool gave no connection within its own limit ({kind:?}): raise its size or its limits"
        )),
        PoolError::Closed => Error::closed("the program's connection pool is closed"),
        other => Error::internal(format!("the program's connection pool failed: {other}")).with_source(other),
    }
}

fn not_connected(error: tokio_postgres::Error) -> Error {
    let is_away = error.as_db_error().is_none();
    let error = from_driver(error).context("the program's pool made no connection");
    if is_away && !error.is_unavailable() {
        Error::unavailable(error.to_string()).with_source(error)
    } else {
        error
    }
}

fn all_in_use(status: Status, waited: Duration) -> Error {
    Error::pool_timeout(format!(
        "no connection of the program's pool became free within {waited:?}: all {} are in use or being opened; raise its size, or \
         acquire_timeout",
        status.max_size
    ))
}
