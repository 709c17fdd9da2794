//! Addresses as other libraries write them. They are refused, with the form that OmniQ reads in the message.

use super::parameters::Parameter;
use super::split::split;

/// What schemes of other libraries call PostgreSQL, before the driver: `postgresql+asyncpg`, `postgis`.
const NAMES: [&str; 5] = ["postgresql", "postgres", "postgis", "pgsql", "psql"];
const QUOTES: [char; 3] = ['"', '\'', '`'];

/// What is another library's in an address, and the parameters that it should have here. `None` if it is written as it should be, or
/// cannot be read.
pub(super) fn mended(text: &str) -> Option<(Vec<&'static str>, Vec<Parameter>)> {
    let mut reasons = Vec::new();
    let bare = unquoted(text);
    if bare != text {
        reasons.push("the quotes around it");
    }
    let own = with_own_scheme(bare);
    if own.is_some() {
        reasons.push("its scheme");
    }
    let mut found = split(own.as_deref().unwrap_or(bare)).ok()?;
    for parameter in &mut found {
        if let Some((reason, mended)) = own_parameter(parameter) {
            reasons.push(reason);
            *parameter = mended;
        }
    }
    (!reasons.is_empty()).then_some((reasons, found))
}

/// The address without the quotes around it, as files for environment variables have them.
pub(super) fn unquoted(text: &str) -> &str {
    let within = |quote: &char| text.strip_prefix(*quote)?.strip_suffix(*quote);
    QUOTES.iter().find_map(within).map_or(text, str::trim)
}

/// The address with the scheme that OmniQ reads, if it has another one for PostgreSQL.
pub(super) fn with_own_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let name = scheme.to_ascii_lowercase();
    let name = name.trim_start_matches("jdbc:").split('+').next().unwrap_or_default();
    let is_own = ["postgresql", "postgres"].contains(&scheme);
    (!is_own && NAMES.contains(&name)).then(|| format!("postgresql://{rest}"))
}

/// The parameter under libpq's name, if another library's name or value is known.
fn own_parameter(parameter: &Parameter) -> Option<(&'static str, Parameter)> {
    let mode = |mode: &str| Parameter { name: "sslmode".to_owned(), value: mode.to_owned(), ..*parameter };
    let value = parameter.value.to_ascii_lowercase();
    match (parameter.name.as_str(), value.as_str()) {
        ("ssl", "true" | "1" | "on" | "yes" | "require") => Some(("its ssl", mode("require"))),
        ("ssl", "false" | "0" | "off" | "no" | "disable") => Some(("its ssl", mode("disable"))),
        ("ssl", "allow" | "prefer" | "verify-ca" | "verify-full") => Some(("its ssl", mode(&value))),
        ("sslmode", "no-verify") => Some(("its sslmode", mode("require"))),
        _ => None,
    }
}
