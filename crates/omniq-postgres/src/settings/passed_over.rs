//! A `DATABASE_URL` that is not read, because it is of another database system.

use super::DatabaseUrl;
use super::environment::{self, Variables};

pub(super) const VARIABLE: &str = "DATABASE_URL";

/// The sentence about a `DATABASE_URL` that is not read, as it is of another database system; `None` if there is none. It shows no more
/// than the scheme, as the rest may hold a password.
pub(super) fn passed_over(variables: &Variables) -> Option<String> {
    let text = environment::text(variables, VARIABLE).ok().flatten()?;
    if DatabaseUrl::is_address(text) {
        return None;
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| {
        !scheme.is_empty()
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    });
    let what =
        scheme.map_or_else(|| "no postgresql:// URL".to_owned(), |scheme| format!("a {scheme}:// URL"));
    Some(format!("{VARIABLE} is not read, because it is {what}, and OmniQ needs PostgreSQL"))
}
