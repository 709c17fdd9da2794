//! The supported connection parameters of libpq, and their allowed values.

use omniq_core::{Error, Result};
use serde_json::Value;
use tokio_postgres::Config;

use super::value::refused;
use crate::tls::MODES;

/// One parameter as it was found.
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: String,
    /// Its name may be a part of a password that should have been quoted or encoded.
    pub(super) after_secret: bool,
}

impl Parameter {
    pub(super) fn new(name: &str, value: String) -> Self {
        Self { name: name.to_owned(), value, after_secret: false }
    }
}

/// Name and allowed values. The names are those of libpq.
const PARAMETERS: [(&str, &str); 20] = [
    ("user", "a role"),
    ("password", "a password"),
    ("dbname", "a database"),
    ("host", "host names, IP addresses or socket folders, parted by commas"),
    ("hostaddr", "IP addresses, parted by commas"),
    ("port", "0 to 65535, one for all hosts or one for each, parted by commas"),
    ("options", "command line options of the server"),
    ("sslmode", MODES),
    ("sslrootcert", "a PEM file, or system"),
    ("sslcert", "a PEM file"),
    ("sslkey", "a PEM file"),
    ("sslnegotiation", "postgres or direct"),
    ("channel_binding", "disable, prefer or require"),
    ("target_session_attrs", "any, read-write or read-only"),
    ("load_balance_hosts", "disable or random"),
    ("keepalives", "0 or 1"),
    ("keepalives_idle", "seconds, whole"),
    ("keepalives_interval", "seconds, whole"),
    ("keepalives_count", "a whole number"),
    ("tcp_user_timeout", "milliseconds, whole"),
];

pub(super) fn is_known(name: &str) -> bool {
    PARAMETERS.iter().any(|(known, _)| *known == name)
}

pub(super) fn known() -> String {
    PARAMETERS.map(|(name, _)| name).join(", ")
}

/// Refuses a value that would fail, or be misread, when a connection is made.
pub(super) fn check(name: &str, value: &str) -> Result<()> {
    let allowed = PARAMETERS.iter().find(|(known, _)| *known == name).map_or("", |(_, allowed)| allowed);
    if value.contains('\0') {
        return Err(Error::config(format!("{name} holds a NUL byte: leave it out")));
    }
    let fits = match name {
        "password" | "user" | "dbname" | "options" => true,
        "sslmode" => MODES.split([',', ' ']).any(|mode| mode == value && mode.len() > 2),
        "sslrootcert" | "sslcert" | "sslkey" => !value.is_empty(),
        "tcp_user_timeout" => value.parse::<u32>().is_ok(),
        _ => parse(&[(name, value)]).is_ok(),
    };
    if fits { Ok(()) } else { Err(refused(name, &Value::from(value), allowed)) }
}

/// The driver's configuration for parameters that it knows, under libpq's names.
pub(super) fn parse(parameters: &[(&str, &str)]) -> Result<Config, tokio_postgres::Error> {
    let mut text = String::new();
    for (name, value) in parameters {
        // The driver has a name of its own for this one.
        let name = if *name == "keepalives_count" { "keepalives_retries" } else { name };
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        text.push_str(&format!("{name}='{value}' "));
    }
    text.parse()
}
