//! Splits a `postgresql://` URL into named, decoded parameters.

use omniq_core::{Error, Result};
use percent_encoding::percent_decode_str;

use super::parameters::Parameter;

const ENCODE: &str = "write @ : / ? # & and % in names and passwords as %40 %3A %2F %3F %23 %26 %25";

/// The text after `postgresql://`, if the text is such a URL.
pub(super) fn without_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Splits the text after the scheme into parameters. No message quotes the URL: a password with a
/// character that should have been encoded may be anywhere in it.
pub(super) fn split(rest: &str) -> Result<Vec<Parameter>> {
    let (before_query, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
    let (authority, path) = before_query.split_once('/').map_or((before_query, ""), |(a, b)| (a, b));
    let (credentials, hosts) = authority.rsplit_once('@').map_or(("", authority), |(a, b)| (a, b));
    // Such a character may be part of a password that was not encoded, which must not end up as a name or a value.
    if path.contains('@') || query.is_some_and(|query| query.contains(['@', '?'])) {
        return Err(Error::config(format!("there is an @ or a second ? behind the host: {ENCODE}")));
    }
    let mut found = Vec::new();
    if !credentials.is_empty() {
        let (user, password) = credentials.split_once(':').map_or((credentials, None), |(a, b)| (a, Some(b)));
        if !user.is_empty() {
            found.push(Parameter::new("user", decode("user", user)?));
        }
        if let Some(password) = password {
            found.push(Parameter::new("password", decode("password", password)?));
        }
    }
    split_hosts(hosts, &mut found)?;
    if !path.is_empty() {
        found.push(Parameter::new("dbname", decode("dbname", path)?));
    }
    let mut after_secret = false;
    for pair in query.unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::config(format!("the query part must be name=value&name=value; {ENCODE}")));
        };
        let name = decode("a parameter's name", name)?;
        let value = decode("a parameter's value", value)?;
        found.push(Parameter { after_secret, ..Parameter::new(&name, value) });
        after_secret |= matches!(name.as_str(), "password" | "options");
    }
    Ok(found)
}

fn split_hosts(hosts: &str, found: &mut Vec<Parameter>) -> Result<()> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest
                    .split_once(']')
                    .ok_or_else(|| Error::config("host: an IPv6 address lacks its closing bracket"))?;
                match rest.strip_prefix(':') {
                    Some(port) => (name, port),
                    None if rest.is_empty() => (name, ""),
                    None => return Err(Error::config("host: only :port may follow the closing bracket")),
                }
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        if !port.is_empty() && port.parse::<u16>().is_err() {
            return Err(Error::config(format!("port must be 0 to 65535; {ENCODE}")));
        }
        names.push(decode("host", name)?);
        ports.push(port);
    }
    if names.iter().any(|name| !name.is_empty()) {
        found.push(Parameter::new("host", names.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        found.push(Parameter::new("port", ports.join(",")));
    }
    Ok(())
}

/// Stricter than the driver, which takes a stray `%` literally and then `%41` for an `A`.
fn decode(what: &str, text: &str) -> Result<String> {
    let broken = text.split('%').skip(1).any(|after| {
        let code = after.as_bytes().get(..2);
        !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(Error::config(format!(
            "{what} holds a % without two hexadecimal digits behind it; {ENCODE}"
        )));
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Error::config(format!("{what} is not valid UTF-8 once decoded"))),
    }
}
