//! The environment variables that OmniQ reads. Of those that begin with `OMNIQ_`, an unknown one is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use omniq_core::{Error, Result};

use super::apply::NAMES;

/// Variables by name: those of OmniQ, those of libpq, and the few others that [`is_read`] names.
pub(super) type Variables = BTreeMap<String, OsString>;

const PREFIX: &str = "OMNIQ_";
/// Variables that are no settings of the database: of the log and the private server.
const OTHERS: [&str; 4] = ["LOG_LEVEL", "LOG_ERRORS", "HOME", "PG_BIN"];

/// The variable for this setting.
pub(super) fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_uppercase())
}

fn is_read(variable: &str) -> bool {
    variable.starts_with(PREFIX)
        || variable.starts_with("PG")
        || ["DATABASE_URL", "HOME", "APPDATA"].contains(&variable)
}

/// The variables of this process.
pub(super) fn ours() -> Variables {
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut variables: Variables = named.filter(|(name, _)| is_read(name)).collect();
    if let Some(home) = std::env::home_dir() {
        variables.entry("HOME".to_owned()).or_insert_with(|| home.into_os_string());
    }
    variables
}

/// The text of a variable; an empty one counts as not set. Errors: `is_config` if it is not UTF-8, naming the variable.
pub(super) fn text<'a>(variables: &'a Variables, name: &str) -> Result<Option<&'a str>> {
    let Some(value) = variables.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str();
    text.map(Some).ok_or_else(|| Error::config(format!("{name} is refused: it is not valid UTF-8")))
}

/// The user's file of this name, where libpq looks for it.
pub(super) fn in_home(variables: &Variables, name: &str) -> Option<PathBuf> {
    let (home, folder) = if cfg!(windows) { ("APPDATA", "postgresql") } else { ("HOME", "") };
    let home = variables.get(home).filter(|home| !home.is_empty())?;
    Some(Path::new(home).join(folder).join(name))
}

/// Checks the environment of this process for unknown variables that begin with `OMNIQ_`, as
/// [`Settings::from_env`](super::Settings::from_env) does. Error `is_config`, naming the variable and the nearest one that is known.
pub fn check_environment() -> Result<()> {
    check(&ours())
}

/// Refuses the first variable of OmniQ that is unknown.
pub(super) fn check(variables: &Variables) -> Result<()> {
    let known: Vec<String> =
        NAMES.iter().map(|name| name.to_uppercase()).chain(OTHERS.map(str::to_owned)).collect();
    for variable in variables.keys() {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        if known.iter().any(|known| known == name) || is_of_others(name) {
            continue;
        }
        let nearest = nearest(name, &known);
        let words = if distance(nearest, name) <= slips(nearest) {
            format!("{PREFIX}{nearest} was meant, perhaps; rename it, or unset it")
        } else {
            let known = known.join(&format!(", {PREFIX}"));
            format!("rename it, or unset it; the nearest is {PREFIX}{nearest}, and known are {PREFIX}{known}")
        };
        return Err(Error::config(format!("{variable} is no variable of OmniQ: {words}")));
    }
    Ok(())
}

/// The known name that was probably meant: a misspelt one, else the one with the most words in common, else the one with the fewest
/// differences.
fn nearest<'a>(name: &str, known: &'a [String]) -> &'a str {
    let words: BTreeSet<&str> = name.split('_').collect();
    let rank = |known: &&String| {
        let is_slip = distance(known, name) <= slips(known);
        let common = known.split('_').filter(|word| words.contains(word)).count();
        (!is_slip, std::cmp::Reverse(common), distance(known, name))
    };
    known.iter().min_by_key(rank).map_or("URL", String::as_str)
}

fn distance(known: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(known, name)
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
