//! The address of a database: parsed once, compared by meaning, shown without its password.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use omniq_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::apply::NAMES;
use super::parameters::{self, Parameter};
use super::{foreign, split};

/// The address of a database and the parameters of its connection.
///
/// It is parsed from a `postgresql://` (or `postgres://`) URL or from libpq's `key=value` form; two addresses that mean
/// the same are equal. `Debug` and `Display` show it as a URL without the password. What it leaves open is taken from libpq's service
/// and password files and `PG…` variables when a connection is made.
///
/// ```
/// use omniq_postgres::settings::DatabaseUrl;
///
/// let url: DatabaseUrl = "postgresql://me:p%40ss@db:5433/app?sslmode=require".parse()?;
/// let pairs: DatabaseUrl = "host=db port=5433 dbname=app user=me password=p@ss sslmode=require".parse()?;
/// assert_eq!(url, pairs);
/// assert_eq!(url.to_string(), "postgresql://me:***@db:5433/app?sslmode=require");
/// # Ok::<(), omniq_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// libpq's parameters, decoded.
    pub(super) parameters: BTreeMap<String, String>,
    /// The settings of OmniQ among them.
    pub(super) settings: BTreeMap<String, String>,
    /// Whether nothing is taken from service files and `PG…` variables.
    pub(super) is_complete: bool,
}

impl DatabaseUrl {
    /// Whether the text is meant as an address, valid or not.
    pub(super) fn is_address(text: &str) -> bool {
        let text = foreign::unquoted(text.trim());
        split::is_address(text) || foreign::with_own_scheme(text).is_some()
    }

    /// The same address for a server that is not the user's: service files and `PG…` variables, which are meant for other servers,
    /// change nothing in it.
    #[doc(hidden)]
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.is_complete = true;
        self
    }

    /// Whether it is that of a server that is not the user's. Written as text and read back, it is not known to be.
    #[doc(hidden)]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// A parameter of libpq, such as `sslmode`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    /// The same address without `options`, and the value of `options`.
    pub(super) fn without_options(&self) -> (Self, String) {
        let mut url = self.clone();
        let options = url.parameters.remove("options").unwrap_or_default();
        (url, options)
    }

    /// The same address once for each of its hosts, in the order in which they are tried. Errors: `is_config` if hosts, addresses
    /// and ports do not pair up.
    pub(super) fn each_host(&self) -> Result<Vec<Self>> {
        let list = |name| self.get(name).map_or_else(Vec::new, |text| text.split(',').collect::<Vec<_>>());
        let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        let count = names.len().max(addresses.len()).max(1);
        let fits =
            |list: &[&str], one: bool| list.is_empty() || list.len() == count || one && list.len() == 1;
        if !fits(&names, false) || !fits(&addresses, false) || !fits(&ports, true) {
            return Err(Error::config(format!(
                "url names {} hosts, {} addresses (hostaddr) and {} ports: give as many of each, or one port for all",
                names.len(),
                addresses.len(),
                ports.len()
            )));
        }
        let only = |index: usize| {
            let mut url = self.clone();
            for (name, list) in [("host", &names), ("hostaddr", &addresses), ("port", &ports)] {
                if let Some(value) = list.get(index).or(list.first()) {
                    url.parameters.insert(name.to_owned(), (*value).to_owned());
                }
            }
            url
        };
        Ok((0..count).map(only).collect())
    }

    /// The names of OmniQ's settings among the parameters.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    pub(super) fn setting_values(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Takes OmniQ's settings out, which leaves the parameters of the driver.
    pub(super) fn take_settings(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.settings)
    }

    /// The URL with its password, for a driver or a program. Keep it out of logs.
    pub fn expose(&self) -> String {
        self.render(false)
    }

    /// The address of these parameters.
    pub(super) fn of(found: Vec<Parameter>) -> Result<Self> {
        let mut url = Self { parameters: BTreeMap::new(), settings: BTreeMap::new(), is_complete: false };
        for parameter in found {
            url.add(parameter)?;
        }
        Ok(url)
    }

    fn add(&mut self, Parameter { name, value, after_secret }: Parameter) -> Result<()> {
        if parameters::is_known(&name) && !NAMES.contains(&name.as_str()) {
            parameters::check(&name, &value)?;
            self.parameters.insert(name, value);
        } else if name != "url" && NAMES.contains(&name.as_str()) {
            self.settings.insert(name, value);
        } else if parameters::can_do_without(&name, &value)? {
            // Left out.
        } else if after_secret {
            return Err(Error::config(
                "an unknown parameter stands behind password or options: quote their values, or encode & in them as %26",
            ));
        } else {
            let known = parameters::known();
            let settings = NAMES[1..].join(", ");
            return Err(Error::config(format!(
                "unknown parameter {name:?}: known are {known}; and the settings {settings}"
            )));
        }
        Ok(())
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        split::split(text).and_then(Self::of).map_err(|error| refused_as_foreign(text).unwrap_or(error))
    }
}

/// The refusal of an address that is written for another library, which shows how to write it here. `None` if it is not the way of
/// writing that is wrong.
fn refused_as_foreign(text: &str) -> Option<Error> {
    let (reasons, found) = foreign::mended(text)?;
    let url = DatabaseUrl::of(found).ok()?.to_string();
    let secret = if url.contains("***") { ", with the secret in place of ***" } else { "" };
    let reasons = reasons.join(" and ");
    Some(Error::config(format!(
        "the address is written for another library ({reasons}): write {url}{secret}"
    )))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(true))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.render(true))
    }
}

/// With its password, so that it can be read back.
impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.expose()
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.expose())
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
