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

/// Name, variable and allowed values. Names and variables are those of libpq, which has no variables for keepalives.
const PARAMETERS: [(&str, &str, &str); 23] = [
    ("service", "PGSERVICE", "the name of a service in a service file"),
    ("servicefile", "PGSERVICEFILE", "a service file"),
    ("user", "PGUSER", "a role"),
    ("password", "PGPASSWORD", "a password"),
    ("passfile", "PGPASSFILE", "a password file"),
    ("dbname", "PGDATABASE", "a database"),
    ("host", "PGHOST", "host names, IP addresses or socket folders, parted by commas"),
    ("hostaddr", "PGHOSTADDR", "IP addresses, parted by commas"),
    ("port", "PGPORT", "0 to 65535, one for all hosts or one for each, parted by commas"),
    ("options", "PGOPTIONS", "command line options of the server"),
    ("sslmode", "PGSSLMODE", MODES),
    ("sslrootcert", "PGSSLROOTCERT", "a PEM file, or system"),
    ("sslcert", "PGSSLCERT", "a PEM file"),
    ("sslkey", "PGSSLKEY", "a PEM file"),
    ("sslnegotiation", "PGSSLNEGOTIATION", "postgres or direct"),
    ("channel_binding", "PGCHANNELBINDING", "disable, prefer or require"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", "any, read-write or read-only"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", "disable or random"),
    ("keepalives", "", "0 or 1"),
    ("keepalives_idle", "", "seconds, whole"),
    ("keepalives_interval", "", "seconds, whole"),
    ("keepalives_count", "", "a whole number"),
    ("tcp_user_timeout", "", "milliseconds, whole"),
];

/// Parameters of libpq that OmniQ does not have, their variables, and the values without which a connection is as safe as with them.
/// Others are refused. Those that no value makes safer have `*`.
const WITHOUT: [(&str, &str, &[&str]); 18] = [
    ("require_auth", "PGREQUIREAUTH", &[]),
    ("requirepeer", "PGREQUIREPEER", &[]),
    ("requiressl", "PGREQUIRESSL", &["0"]),
    ("sslcertmode", "PGSSLCERTMODE", &["allow"]),
    ("sslcrl", "PGSSLCRL", &[]),
    ("sslcrldir", "PGSSLCRLDIR", &[]),
    ("sslsni", "PGSSLSNI", &["1"]),
    // Older versions are not spoken anyway.
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", &["*"]),
    ("sslcompression", "PGSSLCOMPRESSION", &["*"]),
    ("gssencmode", "PGGSSENCMODE", &["disable", "prefer"]),
    ("gssdelegation", "PGGSSDELEGATION", &["0"]),
    ("gsslib", "PGGSSLIB", &["*"]),
    ("krbsrvname", "PGKRBSRVNAME", &["*"]),
    ("client_encoding", "PGCLIENTENCODING", &["*"]),
    ("fallback_application_name", "", &["*"]),
    ("min_protocol_version", "PGMINPROTOCOLVERSION", &["*"]),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION", &["*"]),
];

/// Parameters of libpq that are settings of OmniQ, and their variables.
const SETTINGS: [(&str, &str); 2] =
    [("application_name", "PGAPPNAME"), ("connect_timeout", "PGCONNECT_TIMEOUT")];

pub(super) fn is_known(name: &str) -> bool {
    PARAMETERS.iter().any(|(known, ..)| *known == name)
}

pub(super) fn is_setting(name: &str) -> bool {
    SETTINGS.iter().any(|(known, _)| *known == name)
}

pub(super) fn known() -> String {
    PARAMETERS.map(|(name, ..)| name).join(", ")
}

/// The variables of libpq and the parameters that they set, those that OmniQ does not have among them.
pub(super) fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = PARAMETERS.iter().map(|(name, variable, _)| (*variable, *name));
    let without = WITHOUT.iter().map(|(name, variable, _)| (*variable, *name));
    let settings = SETTINGS.iter().map(|(name, variable)| (*variable, *name));
    known.chain(without).chain(settings).filter(|(variable, _)| !variable.is_empty())
}

/// Whether it is a parameter of libpq that OmniQ does not have, and that can be left out. Errors: `is_config` if the connection would
/// be less safe without it.
pub(super) fn can_do_without(name: &str, value: &str) -> Result<bool> {
    let Some((_, _, safe)) = WITHOUT.iter().find(|(known, ..)| *known == name) else { return Ok(false) };
    if safe.contains(&"*") || safe.contains(&value) {
        return Ok(true);
    }
    let remedy = match name {
        "requiressl" => "write sslmode=require",
        _ => "leave it out, or let the server enforce it (pg_hba.conf)",
    };
    Err(Error::config(format!("{name} is refused, because OmniQ cannot honour it: {remedy}")))
}

/// No name or address of a host has one of these.
const NOT_IN_NAMES: [char; 7] = ['/', '@', '=', '?', '#', ' ', '\t'];

/// Refuses a value that would fail, or be misread, when a connection is made.
pub(super) fn check(name: &str, value: &str) -> Result<()> {
    let allowed = PARAMETERS.iter().find(|(known, ..)| *known == name).map_or("", |(_, _, allowed)| allowed);
    if value.contains('\0') {
        return Err(Error::config(format!("{name} holds a NUL byte: leave it out")));
    }
    let fits = match name {
        "password" | "user" | "dbname" | "options" => true,
        "sslmode" => MODES.split([',', ' ']).any(|mode| mode == value && mode.len() > 2),
        "sslrootcert" | "sslcert" | "sslkey" | "service" | "servicefile" | "passfile" => !value.is_empty(),
        "tcp_user_timeout" => value.parse::<u32>().is_ok(),
        // A whole address in its place would be shown with its password.
        "host" => value.split(',').all(|host| host.starts_with('/') || !host.contains(NOT_IN_NAMES)),
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
