//! Settings from a URL, a file, the environment, and all of them in order of precedence.

use std::path::Path;

use omniq_core::{Error, Result};
use serde_json::Value;

use super::apply::NAMES;
use super::environment::{self, Variables};
use super::given::Given;
use super::{Settings, Values};

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

    /// Reads `OMNIQ_URL`, `OMNIQ_SCHEMA`, `OMNIQ_POOL_MAX` and so on: `OMNIQ_` and the name in capitals.
    /// An empty variable counts as not set. A variable whose name is nearly a setting's, such as `OMNIQ_ULR`, is refused; other unknown
    /// variables that begin with `OMNIQ_` are logged.
    /// Errors: `is_config`, naming the variable or setting.
    pub fn from_env() -> Result<Self> {
        Self::from_values(&env_values(&environment::ours())?)
            .map_err(|error| error.context("environment variables OMNIQ_…"))
    }

    /// Reads all sources. A later one wins over an earlier one: the defaults, the file, the environment, the URL.
    /// Errors: `is_config`, naming the source and the setting.
    pub fn load(file: Option<&Path>, url: Option<&str>) -> Result<Self> {
        Self::load_with(file, url, &environment::ours())
    }

    pub(super) fn load_with(file: Option<&Path>, url: Option<&str>, env: &Variables) -> Result<Self> {
        let mut settings = Self::default();
        if let Some(path) = file {
            settings.apply(&file_values(path)?).map_err(|error| error.context(path.display()))?;
        }
        settings.apply(&env_values(env)?).map_err(|error| error.context("environment variables OMNIQ_…"))?;
        if let Some(url) = url {
            settings.apply(&url_values(url))?;
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
        let variable = environment::variable(name);
        let Some(value) = variables.get(&variable).filter(|value| !value.is_empty()) else { continue };
        let text = value
            .to_str()
            .ok_or_else(|| Error::config(format!("{variable} is refused: it is not valid UTF-8")))?;
        values.insert(name.to_owned(), Value::from(text));
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
