//! Settings from a URL, a file, the environment, and all of them in order of precedence.

use std::path::Path;

use omniq_core::{Error, Result};
use serde_json::Value;

use super::apply::NAMES;
use super::environment::{self, Variables};
use super::given::Given;
use super::{Placement, Settings, Values, other_programs};

impl Settings {
    /// Reads a `postgresql://` URL or `key=value` pairs. The query parameters may be any settings of OmniQ and libpq:
    /// `postgresql://me@db/app?schema=jobs&sslmode=require`.
    ///
    /// In the URL, write `@ : / ? # &` and `%` in names and passwords as `%40 %3A %2F %3F %23 %26 %25`.
    /// Errors: `is_config`, naming the parameter.
    pub fn from_url(url: &str) -> Result<Self> {
        Self::from_values(&url_values(url))
    }

    /// Reads a TOML (`.toml`) or YAML (`.yaml`, `.yml`) file: the table `omniq` if there is one, else
    /// the top level. Errors: `is_config`, naming the file and the setting or the line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_values(&file_values(path)?).map_err(|error| error.context(path.display()))
    }

    /// Reads `OMNIQ_URL`, `OMNIQ_SCHEMA`, `OMNIQ_POOL_MAX` and so on: `OMNIQ_` and the name in capitals. Without `OMNIQ_URL` the database
    /// is that of `DATABASE_URL`, else the one that `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGDATABASE` or `PGSERVICE` names, unless all parts
    /// are kept elsewhere. A `DATABASE_URL` of another database system is not read.
    ///
    /// An empty variable counts as not set. An unknown variable that begins with `OMNIQ_`, such as `OMNIQ_ULR`, is refused, except
    /// `OMNIQ_TEST_…` and those that Kubernetes sets for a service named `omniq`.
    /// Errors: `is_config`, naming the variable or setting.
    pub fn from_env() -> Result<Self> {
        Self::load_with(None, None, &environment::ours())
    }

    /// Reads all sources. A later one wins over an earlier one: the defaults, the file, the environment, the URL. If none of them names
    /// a database, it is found as by [`from_env`](Self::from_env).
    /// Errors: `is_config`, naming the source and the setting.
    pub fn load(file: Option<&Path>, url: Option<&str>) -> Result<Self> {
        Self::load_with(file, url, &environment::ours())
    }

    pub(super) fn load_with(file: Option<&Path>, url: Option<&str>, env: &Variables) -> Result<Self> {
        let mut sources = Vec::new();
        if let Some(path) = file {
            sources.push((Some(path.display().to_string()), file_values(path)?));
        }
        sources.push((Some("environment variables OMNIQ_…".to_owned()), env_values(env)?));
        sources.extend(url.map(|url| (None, url_values(url))));
        let over = |mut settings: Self| {
            for (name, values) in &sources {
                settings.apply(values).map_err(|error| match name {
                    Some(name) => error.context(name),
                    None => error,
                })?;
            }
            Ok(settings)
        };
        let mut settings = over(Self::default())?;
        let is_needed =
            [&settings.tasks, &settings.results, &settings.events].contains(&&Placement::Postgres);
        if is_needed
            && settings.url.is_none()
            && let Some(url) = other_programs::database(env)?
        {
            let mut base = Self::default();
            base.set_url(url)?;
            settings = over(base)?;
        }
        settings.check()?;
        Ok(settings)
    }
}

fn url_values(url: &str) -> Values {
    Values::from([("url".to_owned(), Value::from(url))])
}

fn env_values(variables: &Variables) -> Result<Values> {
    environment::check(variables)?;
    let mut values = Values::new();
    for name in NAMES {
        if let Some(text) = environment::text(variables, &environment::variable(name))? {
            values.insert(name.to_owned(), Value::from(text));
        }
    }
    Ok(values)
}

fn file_values(path: &Path) -> Result<Values> {
    let about = |words: &str| Error::config(format!("settings file {}: {words}", path.display()));
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    let parse = match extension.to_ascii_lowercase().as_str() {
        "toml" => parse_toml,
        "yaml" | "yml" => parse_yaml,
        _ => return Err(about("its name must end in .toml, .yaml or .yml")),
    };
    let text = std::fs::read_to_string(path).map_err(|error| about("cannot be read").with_source(error))?;
    match parse(&text).map_err(|words| about(&words))? {
        Value::Object(mut root) => match root.remove("omniq") {
            Some(Value::Object(table)) => Ok(table.into_iter().collect()),
            Some(_) => Err(about("omniq must be a table of settings")),
            None => Ok(root.into_iter().collect()),
        },
        Value::Null => Ok(Values::new()),
        _ => Err(about("the top level must be a table of settings")),
    }
}

/// The parsers' own messages quote the text, which may hold a password: only the line is passed on.
fn parse_toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map(|given: Given| given.0).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start).min(text.len())];
        format!("line {} is not valid TOML ({})", before.matches('\n').count() + 1, error.message())
    })
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    // So that they are refused with the setting's name instead of as invalid YAML.
    let options = serde_saphyr::options! {
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
    };
    let read = serde_saphyr::from_str_with_options(text, options);
    read.map(|given: Given| given.0).map_err(|error| match error.location() {
        Some(place) => format!("line {} is not valid YAML", place.line()),
        None => "it is not valid YAML".into(),
    })
}
