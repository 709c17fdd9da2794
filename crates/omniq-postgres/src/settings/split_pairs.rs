//! Splits libpq's `key=value key='value'` form into named parameters.

use std::iter::Peekable;
use std::str::Chars;

use omniq_core::{Error, Result};

use super::parameters::Parameter;

/// Whether the text begins like `key=value`.
pub(super) fn looks_like_pairs(text: &str) -> bool {
    let name = text.split_once('=').map_or("", |(name, _)| name.trim());
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// No message quotes the text: a password with a space that should have been quoted may be anywhere in it.
pub(super) fn split(text: &str) -> Result<Vec<Parameter>> {
    let mut found: Vec<Parameter> = Vec::new();
    let mut rest = text.chars().peekable();
    let mut after_secret = false;
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Ok(found);
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        skip_space(&mut rest);
        if rest.next_if_eq(&'=').is_none() || name.is_empty() {
            return Err(Error::config(
                "the address must be name=value pairs; put values that hold spaces between single quotes",
            ));
        }
        skip_space(&mut rest);
        let value = match rest.next_if_eq(&'\'') {
            Some(_) => quoted(&mut rest)?,
            None => plain(&mut rest),
        };
        found.push(Parameter { after_secret, ..Parameter::new(&name, value) });
        after_secret |= matches!(name.as_str(), "password" | "options");
    }
}

fn skip_space(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

fn plain(rest: &mut Peekable<Chars>) -> String {
    let mut value = String::new();
    while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
        value.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    value
}

fn quoted(rest: &mut Peekable<Chars>) -> Result<String> {
    let mut value = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\'' => return Ok(value),
            '\\' => value.extend(rest.next()),
            c => value.push(c),
        }
    }
    Err(Error::config("a single quote in the address is not closed; write one within a value as \\'"))
}
