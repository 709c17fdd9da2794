//! libpq's service files: named sets of connection parameters, which `service=name` or `PGSERVICE` selects.

use std::path::{Path, PathBuf};

use omniq_core::{Error, Result};

use super::environment::{self, Variables};

/// Where the packages of the distributions have libpq look, if `PGSYSCONFDIR` names no folder.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// One line of a service.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// The number of the line in its file, from 1.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// The lines of a service, and the file in which they are. The user's own file comes before the machine's. Errors: `is_config` if the
/// service is in none of the files, or one of them cannot be read. `named` is the user's file if the address names one.
pub(super) fn find(
    service: &str,
    named: Option<&str>,
    variables: &Variables,
) -> Result<(PathBuf, Vec<Line>)> {
    let mut looked = Vec::new();
    for (file, must_exist) in files(named, variables)? {
        if must_exist || file.exists() {
            let text = std::fs::read_to_string(&file).map_err(|error| {
                Error::config(format!("service file {} cannot be read: {error}", file.display()))
            })?;
            let lines = read(&text, service).map_err(|error| at(&file, error))?;
            if let Some(lines) = lines {
                return Ok((file, lines));
            }
        }
        looked.push(file.display().to_string());
    }
    let looked = looked.join(", ");
    Err(Error::config(format!(
        "service {service:?} is not defined: add a section [{service}] to one of {looked}"
    )))
}

/// An error of this file.
pub(super) fn at(file: &Path, error: Error) -> Error {
    error.context(format!("service file {}", file.display()))
}

/// The files in the order in which they are read, and whether each must exist.
fn files(named: Option<&str>, variables: &Variables) -> Result<Vec<(PathBuf, bool)>> {
    let own = match named {
        Some(file) => Some((PathBuf::from(file), true)),
        None => environment::in_home(variables, ".pg_service.conf").map(|file| (file, false)),
    };
    let folders = match environment::text(variables, "PGSYSCONFDIR")? {
        Some(folder) => vec![folder],
        None => SYSTEM_FOLDERS.to_vec(),
    };
    let system = folders.into_iter().map(|folder| (Path::new(folder).join("pg_service.conf"), false));
    Ok(own.into_iter().chain(system).collect())
}

/// The lines of the first section of this name. No message quotes the text, which may hold a password.
fn read(text: &str, service: &str) -> Result<Option<Vec<Line>>> {
    let mut found: Option<Vec<Line>> = None;
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            let is_it = section.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            found = is_it.then(Vec::new);
            continue;
        }
        let Some(lines) = &mut found else { continue };
        let Some((name, value)) = line.split_once('=') else {
            return Err(Error::config(format!("line {number} must be name=value")));
        };
        lines.push(Line { number, name: name.to_owned(), value: value.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "# ours\n\nhost=ignored\n[mine]\n host=db \nport=5433\npassword=a=b [c] #d\n\
                        [mine]\nhost=late\n[mine2]\r\nuser=me\r\n[broken]\ngeheim\n";

    #[test]
    fn the_first_section_of_the_name_counts() {
        let lines = |service| {
            read(TEXT, service).unwrap().map(|lines| {
                lines.into_iter().map(|line| (line.number, line.name, line.value)).collect::<Vec<_>>()
            })
        };
        let line = |number, name: &str, value: &str| (number, name.to_owned(), value.to_owned());
        let mine = [line(5, "host", "db"), line(6, "port", "5433"), line(7, "password", "a=b [c] #d")];
        assert_eq!(lines("mine").unwrap(), mine);
        assert_eq!(lines("mine2").unwrap(), [line(11, "user", "me")]);
        assert_eq!((lines("min"), lines("mine3"), lines("")), (None, None, None));
        let error = read(TEXT, "broken").unwrap_err().to_string();
        assert!(error.contains("line 13 must be name=value") && !error.contains("geheim"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever is written before and behind a service, its lines are found, and any text is read or refused.
        #[test]
        fn a_service_is_found_between_any_others(
            before in "(\\[[a-z]{1,3}\\]|#[ -~]{0,9}|[a-z]{1,5}=[ -~]{0,9}|\n|\r\n){0,12}",
            behind in "[ -~\n]{0,60}",
            values in prop::collection::vec("[!-~][ -~]{0,8}[!-~]", 0..5),
        ) {
            let lines: String = values.iter().map(|value| format!("host={value}\n")).collect();
            let text = format!("{before}\n[the one]\n{lines}[other]\n{behind}");
            let found = read(&text, "the one").unwrap().unwrap();
            prop_assert_eq!(found.into_iter().map(|line| line.value).collect::<Vec<_>>(), values);
            let _ = read(&behind, "x");
        }
    }
}
