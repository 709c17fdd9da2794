//! The database that the environment names for programs in general: `DATABASE_URL`, else the `PG…` variables. It is taken if no setting
//! of OmniQ names one.

use omniq_core::{Error, Result};

use super::environment::{self, Variables};
use super::passed_over::{VARIABLE, passed_over};
use super::{DatabaseUrl, libpq, parameters};

/// The database, if the environment names one. Errors: `is_config` for an address that cannot be used, naming the variable and the remedy.
pub(super) fn database(variables: &Variables) -> Result<Option<DatabaseUrl>> {
    if let Some(text) = environment::text(variables, VARIABLE)?.filter(|text| DatabaseUrl::is_address(text)) {
        let url = read(text).map_err(|error| {
            Error::config(format!(
                "{VARIABLE}: {}; if other programs need it as it is, set OMNIQ_URL, which is read first",
                error.message()
            ))
        })?;
        tracing::info!("the database is that of {VARIABLE}: {url}");
        return Ok(Some(url));
    }
    if let Some(words) = passed_over(variables) {
        tracing::info!("{words}");
    }
    let url = libpq::named(variables)?;
    if let Some(url) = &url {
        tracing::info!("the database is that of the PG… variables: {url}");
    }
    Ok(url)
}

/// Other programs read the address too, with parameters of their own: Prisma's `schema` is not that of OmniQ's tables.
fn read(text: &str) -> Result<DatabaseUrl> {
    let url: DatabaseUrl = text.parse()?;
    if let Some(name) = url.settings().find(|name| !parameters::is_setting(name)) {
        return Err(Error::config(format!(
            "its parameter {name} may be meant for another program: set {} for OmniQ, and leave {name} out",
            environment::variable(name)
        )));
    }
    Ok(url)
}
