//! Pools that a program has already: `docs/decisions/0045-pools-of-the-program.md`.

#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
use omniq_core::Error;
use omniq_core::Result;

use crate::settings::Settings;

/// A pool that [`AsyncPostgresBackend::from_pool`](crate::AsyncPostgresBackend::from_pool) takes: `deadpool_postgres::Pool`
/// 0.14, with the feature `sqlx` the `PgPool` of sqlx 0.9, with the feature `sqlx-0_8` that of sqlx 0.8; or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no pool that OmniQ takes",
    note = "taken are `deadpool_postgres::Pool` 0.14, with the feature `sqlx` the `PgPool` of sqlx 0.9, and with the feature `sqlx-0_8` that of sqlx 0.8",
    note = "if it is one of these, the feature is off, or the program uses another version of that crate than OmniQ: `cargo tree -d` shows both"
)]
pub trait ExistingPool {
    /// What a backend uses of it.
    #[doc(hidden)]
    fn source(self) -> Result<Source>;
}

/// What a backend uses of an existing pool.
#[doc(hidden)]
#[derive(Debug)]
pub enum Source {
    /// Its connections.
    Connections(deadpool_postgres::Pool),
    /// The address of its database, by a URL without settings.
    Address(Box<Settings>),
}

impl ExistingPool for deadpool_postgres::Pool {
    fn source(self) -> Result<Source> {
        Ok(Source::Connections(self))
    }
}

impl ExistingPool for &deadpool_postgres::Pool {
    fn source(self) -> Result<Source> {
        Ok(Source::Connections(self.clone()))
    }
}

/// The parameters of sqlx's URL that are libpq's, too.
#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
const SHARED: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
macro_rules! sqlx_pool {
    ($sqlx:ident) => {
        impl ExistingPool for &$sqlx::PgPool {
            fn source(self) -> Result<Source> {
                let mut url = $sqlx::ConnectOptions::to_url_lossy(&*self.connect_options());
                let shared: Vec<(String, String)> = url
                    .query_pairs()
                    .filter(|(name, _)| SHARED.contains(&&**name))
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
                if let Some((name, _)) = shared.iter().find(|(_, value)| value.contains("-----BEGIN")) {
                    return Err(Error::config(format!(
                        "the pool of sqlx has its {name} as a text: OmniQ reads it from a file; give sqlx the path, or use \
                         AsyncPostgresBackend::with_settings"
                    )));
                }
                url.query_pairs_mut().clear().extend_pairs(shared);
                let settings = Settings::from_url(url.as_str())
                    .map_err(|error| error.context("the address of the pool of sqlx"))?;
                Ok(Source::Address(Box::new(settings)))
            }
        }

        impl ExistingPool for $sqlx::PgPool {
            fn source(self) -> Result<Source> {
                (&self).source()
            }
        }
    };
}

#[cfg(feature = "sqlx")]
sqlx_pool!(sqlx);
#[cfg(feature = "sqlx-0_8")]
sqlx_pool!(sqlx_0_8);
