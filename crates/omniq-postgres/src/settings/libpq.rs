//! What an address leaves open, as libpq finds it: first in the service that it names, then in the `PG…` variables, and the password in
//! the password file. Values of the address itself win.

use std::path::Path;

use omniq_core::{Error, Result};

use super::environment::{self, Variables};
use super::parameters::{self, Parameter};
use super::{DatabaseUrl, passfile, service};

/// Variables that name a database or a server. Others, such as `PGUSER`, change a connection and name none.
const NAMING: [(&str, &str); 4] =
    [("PGHOST", "host"), ("PGHOSTADDR", "hostaddr"), ("PGPORT", "port"), ("PGDATABASE", "dbname")];

/// The address that the `PG…` variables name, if they do.
pub(super) fn named(variables: &Variables) -> Result<Option<DatabaseUrl>> {
    // What the service says wins over the other variables.
    let mut naming = vec![("PGSERVICE", "service")];
    if environment::text(variables, "PGSERVICE")?.is_none() {
        naming = NAMING.to_vec();
    }
    let mut found = Vec::new();
    for (variable, name) in naming {
        if let Some(value) = environment::text(variables, variable)? {
            parameters::check(name, value).map_err(|error| error.context(variable))?;
            found.push(Parameter::new(name, value.to_owned()));
        }
    }
    if found.is_empty() { Ok(None) } else { DatabaseUrl::of(found).map(Some) }
}

impl DatabaseUrl {
    /// The address with what it leaves open. Settings of OmniQ that libpq has too (`application_name`, `connect_timeout`) are among its
    /// settings then. Errors: `is_config`, naming the variable or the line of the service file, for a value that cannot be used, and
    /// for one that OmniQ cannot honour and that makes connections safer.
    pub(super) fn completed(&self, variables: &Variables) -> Result<Self> {
        let mut url = self.clone();
        if url.is_complete {
            return Ok(url);
        }
        url.is_complete = true;
        for name in ["service", "servicefile"] {
            let variable = format!("PG{}", name.to_uppercase());
            if let Some(value) = environment::text(variables, &variable)? {
                url.fill(name, value).map_err(|error| error.context(&variable))?;
            }
        }
        if let Some(service) = url.parameters.remove("service") {
            url.fill_from_service(&service, variables)?;
        }
        for (variable, name) in parameters::variables().filter(|(_, name)| !name.starts_with("service")) {
            if let Some(value) = environment::text(variables, variable)? {
                url.fill(name, value).map_err(|error| error.context(variable))?;
            }
        }
        url.parameters.remove("servicefile");
        if url.get("passfile").is_none()
            && let Some(file) = environment::in_home(variables, PASSFILE)
        {
            url.parameters.insert("passfile".to_owned(), file.to_string_lossy().into_owned());
        }
        Ok(url)
    }

    fn fill_from_service(&mut self, service: &str, variables: &Variables) -> Result<()> {
        let (file, lines) = service::find(service, self.get("servicefile"), variables)?;
        for line in lines {
            let here = |error: Error| service::at(&file, error.context(format!("line {}", line.number)));
            if line.name.starts_with("service") {
                return Err(here(Error::config("a service cannot name another one: leave the line out")));
            }
            self.fill(&line.name, &line.value).map_err(here)?;
        }
        Ok(())
    }

    /// Sets a parameter that is not set yet.
    fn fill(&mut self, name: &str, value: &str) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        if parameters::is_known(name) {
            if self.get(name).is_none() {
                parameters::check(name, value)?;
                self.parameters.insert(name.to_owned(), value.to_owned());
            }
        } else if parameters::is_setting(name) {
            // To libpq, a timeout of 0 or less means no limit. OmniQ always has one, which then stays as it is.
            let unlimited = name == "connect_timeout" && value.parse::<i64>().is_ok_and(|span| span <= 0);
            if !unlimited {
                self.settings.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        } else if !parameters::can_do_without(name, value)? {
            // The name is not shown: it may be a part of a password.
            return Err(Error::config(format!(
                "it must be name=value without spaces around =, with one of the names {}",
                parameters::known()
            )));
        }
        Ok(())
    }

    /// The address of one host with the password that the password file has for it, if it has none by itself.
    pub(super) fn with_password(mut self) -> Result<Self> {
        let Some(file) = self.parameters.remove("passfile") else { return Ok(self) };
        if self.get("password").is_some() {
            return Ok(self);
        }
        let user = match self.get("user") {
            Some(user) => user.to_owned(),
            None => match whoami::username() {
                Ok(user) => user,
                Err(_) => return Ok(self),
            },
        };
        let given = |name| self.get(name).filter(|value: &&str| !value.is_empty());
        let host = match given("host") {
            // libpq's name for the local server in this file.
            Some(folder) if super::connect::SOCKET_FOLDERS.contains(&folder) => "localhost",
            Some(host) => host,
            None => given("hostaddr").unwrap_or("localhost"),
        };
        let (port, database) = (given("port").unwrap_or("5432"), given("dbname").unwrap_or(&user));
        if let Some(password) = passfile::password(Path::new(&file), [host, port, database, &user])? {
            self.parameters.insert("password".to_owned(), password);
        }
        Ok(self)
    }
}

const PASSFILE: &str = if cfg!(windows) { "pgpass.conf" } else { ".pgpass" };
