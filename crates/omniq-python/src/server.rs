//! Servers and schemas: the private server that is started for a backend, and the drop of a test's schema.

use omniq::backend::postgres::{DatabaseUrl, Settings as CoreSettings};
use omniq::{Error, Result};
use omniq_embedded::Server;
use pyo3::prelude::*;

use crate::answer::Answer;
use crate::convert::options::Convert;
use crate::convert::time::Span;
use crate::pending::Pending;
use crate::settings::Settings;

pub(crate) fn server_of(programs: Option<std::path::PathBuf>) -> omniq_embedded::Options {
    let options = omniq_embedded::Options::default();
    match programs {
        Some(programs) => options.bin_dir(programs),
        None => options,
    }
}

/// The URL of the embedded server, which is started if it does not run, unless `OMNIQ_EMBEDDED` forbids it. `programs` is the folder with
/// the server's programs.
#[pyfunction]
pub(crate) fn embedded_url(programs: Option<std::path::PathBuf>) -> Pending {
    let server = server_of(programs);
    Pending::new(PLAIN, async move {
        let url = started(server, &CoreSettings::default()).await?;
        Ok(Answer::Text(url.expose()))
    })
}

/// Removes the schema of these settings with all tasks, results and events in it. If other transactions hold its tables for
/// longer than `patience`, it removes nothing, and returns who they are.
#[pyfunction]
pub(crate) fn drop_schema(settings: &Settings, patience: Span) -> Pending {
    let settings = settings.0.clone();
    Pending::new(PLAIN, async move {
        let held = omniq::migrate::drop_schema_unless_held(&settings, patience.0).await?;
        Ok(held.map_or(Answer::None, |holders| Answer::Text(holders.join("; "))))
    })
}

const PLAIN: Convert = Convert { allow_pickle: false };

pub(crate) async fn started(server: omniq_embedded::Options, settings: &CoreSettings) -> Result<DatabaseUrl> {
    settings.check_embedded()?;
    let url = tokio::task::spawn_blocking(move || Server::start(server).map(|server| server.url())).await;
    match url {
        Ok(Ok(url)) => url.parse(),
        Ok(Err(error)) => Err(Error::unavailable(error.to_string())),
        Err(error) => Err(Error::internal("the embedded server was not started").with_source(error)),
    }
}
