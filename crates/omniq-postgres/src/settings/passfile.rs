//! libpq's password file: lines `host:port:database:user:password`, of which the first that matches counts.

use std::path::Path;

use omniq_core::{Error, Result};

/// The password of this file for a connection to `[host, port, database, user]`. A file that is not there, or that others may read,
/// is not used; only the latter is logged, as a warning. Errors: `is_config` if the password is not UTF-8.
pub(super) fn password(file: &Path, wanted: [&str; 4]) -> Result<Option<String>> {
    let Ok(metadata) = std::fs::metadata(file) else { return Ok(None) };
    let ignored = |why: &str| tracing::warn!("password file {} is ignored: {why}", file.display());
    if !metadata.is_file() {
        ignored("it is not a plain file");
        return Ok(None);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            ignored("its group or others may access it; set its permissions to 0600");
            return Ok(None);
        }
    }
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) => {
            ignored(&format!("it cannot be read ({error})"));
            return Ok(None);
        }
    };
    let found = text.split(|byte| *byte == b'\n').find_map(|line| password_of(line, wanted));
    found.map(String::from_utf8).transpose().map_err(|_| {
        Error::config(format!("the password in password file {} is not valid UTF-8", file.display()))
    })
}

/// The password of a line that matches.
fn password_of(line: &[u8], wanted: [&str; 4]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"#") {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        rest = match rest.strip_prefix(b"*:") {
            Some(rest) => rest,
            None => {
                let (field, rest) = field(rest);
                (field == wanted.as_bytes()).then_some(rest?)?
            }
        };
    }
    Some(field(rest).0)
}

/// The field at the beginning of the text, and the text behind the colon that ends it. A backslash makes the character behind it a
/// plain one.
fn field(text: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut field = Vec::new();
    let mut place = 0;
    while let Some(byte) = text.get(place) {
        match (byte, text.get(place + 1)) {
            (b':', _) => return (field, Some(&text[place + 1..])),
            (b'\\', Some(plain)) => {
                field.push(*plain);
                place += 2;
            }
            _ => {
                field.push(*byte);
                place += 1;
            }
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(line: &str, wanted: [&str; 4]) -> Option<String> {
        password_of(line.as_bytes(), wanted).map(|password| String::from_utf8(password).unwrap())
    }

    #[test]
    fn fields_match_as_for_libpq() {
        let wanted = ["db", "5432", "app", "me"];
        for (line, password) in [
            ("db:5432:app:me:secret", Some("secret")),
            ("*:*:*:*:secret", Some("secret")),
            ("db:*:*:me:secret\r", Some("secret")),
            (r"*:*:*:*:a\:b\\c\", Some(r"a:b\c\")),
            ("*:*:*:*:a:b", Some("a")),
            ("*:*:*:*:", Some("")),
            (r"d\b:5432:app:me:secret", Some("secret")),
            ("#db:5432:app:me:secret", None),
            ("DB:5432:app:me:secret", None),
            ("db:5432:app:you:secret", None),
            ("d*:5432:app:me:secret", None),
            (r"\*:5432:app:me:secret", None),
            ("db:5432:app:me", None),
            ("db:5432:app", None),
            ("", None),
        ] {
            assert_eq!(found(line, wanted).as_deref(), password, "{line}");
        }
        assert_eq!(found("[::1]:1:a:b:x", ["::1", "1", "a", "b"]), None);
        assert_eq!(found(r"\:\:1:1:a:b:x", ["::1", "1", "a", "b"]).as_deref(), Some("x"));
        assert_eq!(found("::a:b:x", ["", "", "a", "b"]).as_deref(), Some("x"));
    }

    fn escaped(text: &str) -> String {
        text.replace('\\', r"\\").replace(':', r"\:")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// What is written with escapes is found again, by these values and no others.
        #[test]
        fn escaped_fields_are_found_again(
            fields in prop::array::uniform4("[a-z:\\\\*#ü ]{1,6}"),
            password in "[ -~ü]{0,12}",
            other in "[a-z]{7}",
            place in 0_usize..4,
        ) {
            // A lone star and a comment sign at the beginning have meanings of their own.
            prop_assume!(!fields[0].starts_with('#') && !fields.iter().any(|field| field == "*"));
            let wanted: Vec<&str> = fields.iter().map(String::as_str).collect();
            let mut wanted: [&str; 4] = wanted.try_into().unwrap();
            let line = fields.iter().chain([&password]).map(|one| escaped(one)).collect::<Vec<_>>().join(":");
            prop_assert_eq!(found(&line, wanted), Some(password));
            wanted[place] = &other;
            prop_assert_eq!(found(&line, wanted), None);
        }

        /// Any line is read without a panic.
        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = password_of(&line, ["a", "1", "b", "c"]);
        }
    }
}
