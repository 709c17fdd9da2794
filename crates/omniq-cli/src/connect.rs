//! Finds the database: the configured one, or the embedded server, which is started if necessary.

use omniq::backend::postgres::{AsyncPostgresBackend, DatabaseUrl, Placement, Settings};
use omniq::migrate::{self, Part};
use omniq_embedded::{Options, Server, StopMode};

use crate::args::Global;
use crate::fail::{Exit, Failure, Result};
use crate::output::Output;

/// Part of a note that names the database in use. Without it, a command meant for another database would look as if
/// that database were empty.
const UNSET: &str = "No database is set (--url, OMNIQ_URL, --config, DATABASE_URL, PGHOST)";

pub struct Database {
    pub settings: Settings,
    server: Option<Server>,
    started: bool,
}

impl Database {
    pub fn find(global: &Global, out: &Output) -> Result<Self> {
        let found = Self::find_or_private(global, out)?;
        if let (Some(server), false) = (&found.server, found.started) {
            out.note(format!("{UNSET}: this is your private PostgreSQL server, on port {}.", server.port()));
        }
        Ok(found)
    }

    /// The same, but without the note about a server that already runs, for commands that work equally well on the
    /// private server.
    pub fn find_or_private(global: &Global, out: &Output) -> Result<Self> {
        let mut settings = Settings::load(global.config.as_deref(), global.url.as_deref())?;
        if let Some(schema) = &global.schema {
            settings = Settings::builder().schema(schema).build_over(settings)?;
        }
        if settings.url.is_some() {
            return Ok(Self { settings, server: None, started: false });
        }
        settings.check_embedded()?;
        let (server, started) = match Server::attach(Options::default())? {
            Some(server) => (server, false),
            None => (Server::start(Options::default())?, true),
        };
        if started {
            out.note(format!(
                "{UNSET}. Started the embedded PostgreSQL server, a private one (`omniq dev stop` ends it)."
            ));
        }
        settings.url = Some(server.url().parse::<DatabaseUrl>()?.complete());
        // The private server is for exploring, so events are kept even if the settings turn them off.
        if settings.events == Placement::Off {
            settings.events = Placement::Postgres;
        }
        Ok(Self { settings, server: Some(server), started })
    }

    pub fn is_embedded(&self) -> bool {
        self.server.is_some()
    }

    /// Stops the server if this command started it.
    pub fn leave(self) -> Result<()> {
        match self.server {
            Some(mut server) if self.started => Ok(server.stop(StopMode::Fast)?),
            _ => Ok(()),
        }
    }

    /// Opens the parts that exist and changes nothing in the schema, because a command that only reads must not migrate
    /// a database that others use. (The embedded server belongs to the user and begins empty, so its schema is made.)
    pub async fn look(&self, out: &Output) -> Result<AsyncPostgresBackend> {
        let mut settings = self.settings.clone();
        if self.is_embedded() {
            return self.work().await;
        }
        for (what, place) in
            [("tasks", &settings.tasks), ("results", &settings.results), ("events", &settings.events)]
        {
            if *place == Placement::Memory {
                return Err(Failure::usage(format!(
                    "the settings keep {what} in memory, where only the process that runs them can see them"
                )));
            }
        }
        settings.migrate = false;
        let there = migrate::status(&settings, &Part::ALL).await?;
        let find = |part: Part| there.iter().find(|status| status.part == part && status.version > 0);
        if settings.tasks == Placement::Postgres && find(Part::Tasks).is_none() {
            return Err(Failure::new(
                Exit::Failure,
                format!(
                    "schema {:?} of this database has no tables of OmniQ: check --url and --schema, or make them with \
                     `omniq db migrate`",
                    settings.schema
                ),
            ));
        }
        if settings.results == Placement::Postgres && find(Part::Results).is_none() {
            settings.results = Placement::Off;
        }
        match (&settings.events, find(Part::Events)) {
            (Placement::Postgres, None) => settings.events = Placement::Off,
            // They were not asked for, so they must not keep the command from showing the rest.
            (Placement::Off, Some(events)) => match events.check() {
                Ok(()) => settings.events = Placement::Postgres,
                Err(error) => out.note(format!("Events are not shown: {error}.")),
            },
            _ => {}
        }
        Ok(AsyncPostgresBackend::with_settings(&settings).await?)
    }

    /// Opens all configured parts, and creates or migrates the schema as the settings say.
    pub async fn work(&self) -> Result<AsyncPostgresBackend> {
        Ok(AsyncPostgresBackend::with_settings(&self.settings).await?)
    }
}
