//! From the settings to the driver's configuration.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use omniq_core::{Error, Result};
use serde_json::Value;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::environment::{self, Variables};
use super::passed_over::passed_over;
use super::value::flag;
use super::{DatabaseUrl, Settings, parameters};
use crate::tls::Tls;

/// A peer that vanished is noticed after about a minute, instead of the two hours that operating systems wait by default.
const KEEPALIVE: [(&str, &str); 3] =
    [("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3")];
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
/// Where servers put their socket. Searched if the address names no host.
pub(super) const SOCKET_FOLDERS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// The error if a connection is needed and no database is set.
fn no_database(variables: &Variables) -> Error {
    let words = "url is missing: give a postgresql:// URL, or set OMNIQ_URL, DATABASE_URL or PGHOST";
    Error::config(passed_over(variables).map_or_else(|| words.to_owned(), |why| format!("{words} ({why})")))
}

impl Settings {
    /// These settings with what the address leaves open, as libpq finds it in service files and the `PG…` variables of this process.
    /// Errors: `is_config` for a missing URL, and for a value that cannot be used, naming where it is from.
    pub(crate) fn completed(&self) -> Result<Self> {
        self.completed_by(&environment::ours())
    }

    pub(super) fn completed_by(&self, variables: &Variables) -> Result<Self> {
        self.check()?;
        let Some(url) = &self.url else { return Err(no_database(variables)) };
        let (mut settings, defaults) = (self.clone(), Self::default());
        let mut url = url.completed(variables)?;
        for (name, value) in url.take_settings() {
            let is_default = match name.as_str() {
                "application_name" => self.application_name == defaults.application_name,
                _ => self.connect_timeout == defaults.connect_timeout,
            };
            if is_default {
                settings.set(&name, &Value::from(value))?;
            }
        }
        settings.url = Some(url);
        settings.check()?;
        Ok(settings)
    }

    /// Checks that a private server may be started because no database is set: neither `embedded` nor the variable `OMNIQ_EMBEDDED` may
    /// be off. Errors: `is_config`, saying what to set; and as [`check_environment`](super::check_environment).
    pub fn check_embedded(&self) -> Result<()> {
        self.check_embedded_by(&environment::ours())
    }

    pub(super) fn check_embedded_by(&self, variables: &Variables) -> Result<()> {
        environment::check(variables)?;
        let variable = environment::variable("embedded");
        let allowed = match environment::text(variables, &variable)? {
            Some(text) => flag(&variable, &Value::from(text))?,
            None => true,
        };
        let by = match (self.embedded, allowed) {
            (true, true) => return Ok(()),
            (false, _) => "embedded = off".to_owned(),
            (_, false) => format!("{variable} = off"),
        };
        Err(no_database(variables).context(format!("a private server is forbidden by {by}")))
    }

    /// The configurations for connecting, one for each host in the order in which they are named, see
    /// [`connect_config`](Self::connect_config), and the user's own `options`, which they leave out because not every pooler takes them.
    pub(crate) fn connect_configs(&self) -> Result<(Vec<(Config, Tls)>, String)> {
        let Some(url) = &self.url else { return Ok((vec![self.connect_config()?], String::new())) };
        let (url, options) = url.without_options();
        let at = |url: DatabaseUrl| Self { url: Some(url.with_password()?), ..self.clone() }.connect_config();
        Ok((url.each_host()?.into_iter().map(at).collect::<Result<_>>()?, options))
    }

    /// The configuration for one connection. It reads the certificate files, so keep it instead of calling this for each
    /// connection. The driver's connect timeout covers each attempt to reach an address, not the log-in:
    /// the caller applies [`connect_timeout`](Settings::connect_timeout) to the whole.
    ///
    /// Without a host, the socket of the local server is used if there is one, else `localhost`. Sockets carry
    /// no TLS, whatever `sslmode` says.
    ///
    /// Errors: `is_config` for a missing URL, or a certificate file that cannot be used.
    pub(crate) fn connect_config(&self) -> Result<(Config, Tls)> {
        self.check()?;
        let Some(url) = &self.url else { return Err(no_database(&environment::ours())) };
        let mut config = driver_config(url)?;
        config.application_name(&self.application_name).connect_timeout(self.connect_timeout);
        add_hosts(&mut config);
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
            return Ok((config, Tls::off()));
        }
        let (mode, tls) = Tls::of(url)?;
        config.ssl_mode(mode);
        Ok((config, tls))
    }
}

fn driver_config(url: &DatabaseUrl) -> Result<Config> {
    let ours = [
        "service",
        "servicefile",
        "passfile",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "tcp_user_timeout",
    ];
    let mut list: Vec<(&str, &str)> = KEEPALIVE.to_vec();
    list.extend(url.parameters().iter().map(|(name, value)| (name.as_str(), value.as_str())));
    list.retain(|(name, _)| !ours.contains(name));
    let mut config =
        parameters::parse(&list).map_err(|error| Error::config(format!("url is refused: {error}")))?;
    // The driver reads this one as seconds; libpq's unit is milliseconds, and 0 means the system's default.
    match url.get("tcp_user_timeout").and_then(|text| text.parse().ok()) {
        Some(0) => {}
        Some(milliseconds) => {
            config.tcp_user_timeout(Duration::from_millis(milliseconds));
        }
        None => {
            config.tcp_user_timeout(UNACKNOWLEDGED);
        }
    }
    Ok(config)
}

/// The driver requires a host, and for TLS a host name even if the address is numeric.
fn add_hosts(config: &mut Config) {
    if !config.get_hosts().is_empty() {
        return;
    }
    let addresses: Vec<IpAddr> = config.get_hostaddrs().to_vec();
    for address in &addresses {
        config.host(address.to_string());
    }
    if addresses.is_empty() {
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let folder =
            SOCKET_FOLDERS.iter().find(|folder| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists());
        config.host(*folder.unwrap_or(&"localhost"));
    }
}
