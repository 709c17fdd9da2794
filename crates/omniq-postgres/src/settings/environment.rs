//! The environment variables that begin with `OMNIQ_`. A misspelt one is not ignored silently.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Once;

use omniq_core::{Error, Result};

use super::apply::NAMES;

/// Variables by name: only those that begin with [`PREFIX`].
pub(super) type Variables = BTreeMap<String, OsString>;

const PREFIX: &str = "OMNIQ_";
/// Variables that are no settings of the database: of the log, the embedded server and the tests.
const OTHERS: [&str; 4] = ["LOG_LEVEL", "HOME", "PG_BIN", "TEST_URL"];

/// The variable for this setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}

/// The variables of this process.
pub(super) fn ours() -> Variables {
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, _)| name.starts_with(PREFIX)).collect()
}

/// Checks the environment of this process for misspelt variables, as [`Settings::from_env`](super::Settings::from_env) does. Error
/// `is_config`, naming the variable and the one that was probably meant. Variables that resemble no known one are logged, once.
pub fn check_environment() -> Result<()> {
    check(&ours())
}

/// Refuses a variable whose name is nearly a known one. Other unknown variables are logged, once.
pub(super) fn check(variables: &Variables) -> Result<()> {
    let known: Vec<String> =
        NAMES.iter().map(|name| name.to_uppercase()).chain(OTHERS.map(str::to_owned)).collect();
    let mut unknown = Vec::new();
    for variable in variables.keys() {
        let name = variable.strip_prefix(PREFIX).unwrap_or(variable);
        if known.iter().any(|known| known == name) || is_of_others(name) {
            continue;
        }
        let distance = |known: &String| strsim::damerau_levenshtein(known, name);
        match known.iter().min_by_key(|known| distance(known)) {
            Some(meant) if distance(meant) <= slips(meant) => {
                return Err(Error::config(format!(
                    "{variable} is no variable of OmniQ: {PREFIX}{meant} was meant, perhaps; rename it, or unset it"
                )));
            }
            _ => unknown.push(variable.as_str()),
        }
    }
    if !unknown.is_empty() {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "OmniQ ignores {}; the settings are {PREFIX}{}",
                unknown.join(", "),
                known.join(&format!(", {PREFIX}"))
            );
        });
    }
    Ok(())
}

/// How many letters may differ for a name to count as a misspelling: a third of them, at most three.
fn slips(name: &str) -> usize {
    (name.len() / 3).clamp(1, 3)
}

/// Variables that tests and orchestrators set: for a service named `omniq`, Kubernetes gives each container `OMNIQ_PORT`,
/// `OMNIQ_SERVICE_HOST` and so on.
fn is_of_others(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    name.starts_with("TEST_")
        || name.ends_with("SERVICE_HOST")
        || name.contains("SERVICE_PORT")
        || words.iter().position(|word| *word == "PORT").is_some_and(|place| {
            words.get(place + 1).is_none_or(|next| next.chars().all(|letter| letter.is_ascii_digit()))
        })
}
