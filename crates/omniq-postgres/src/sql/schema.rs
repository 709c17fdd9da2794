//! The schema's name, and its use in SQL: one function quotes it, one fills templates.

use omniq_core::{Error, Result};

/// PostgreSQL truncates longer names silently.
const MAX_BYTES: usize = 63;

/// A checked schema name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Schema {
    name: String,
}

impl Schema {
    /// Accepts any name that PostgreSQL can hold in full. Error `is_config` for any other.
    pub(crate) fn new(name: &str) -> Result<Self> {
        if name.is_empty() || name.len() > MAX_BYTES {
            return Err(Error::config(format!(
                "schema name {name:?} has {} bytes: 1 to {MAX_BYTES} are allowed",
                name.len()
            )));
        }
        if name.contains('\0') {
            return Err(Error::config(format!("schema name {name:?} holds a NUL character: leave it out")));
        }
        if name.starts_with("pg_") {
            return Err(Error::config(format!(
                "schema name {name:?} begins with \"pg_\", which PostgreSQL keeps for itself: take another"
            )));
        }
        Ok(Self { name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the notification channel: one per schema, and short whatever the length of the schema's name.
    pub(crate) fn channel(&self) -> String {
        format!("omniq_{:016x}", hash(&self.name))
    }

    /// The channel of the ends of tasks.
    pub(crate) fn ends_channel(&self) -> String {
        format!("{}_ends", self.channel())
    }

    /// A dollar quote that does not occur in the name, for function bodies that hold the name.
    fn dollar_quote(&self) -> String {
        let mut number = 0;
        loop {
            let quote = format!("$omniq{number}$");
            if !self.name.contains(&quote) {
                return quote;
            }
            number += 1;
        }
    }

    /// Fills a template: parts of other files first, then the names.
    pub(crate) fn fill(&self, template: &str, parts: &[(&str, &str)]) -> String {
        let mut text = template.to_owned();
        // Parts may name other parts.
        for _ in 0..2 {
            for (place, part) in parts {
                text = text.replace(place, part.trim_end());
            }
        }
        let names = [
            ("{body}", self.dollar_quote()),
            ("{channel}", format!("'{}'", self.channel())),
            ("{schema}", quote_identifier(&self.name)),
            // As a literal, for SQL that generates SQL.
            ("{schema_name}", quote_literal(&self.name)),
            // The states of `tasks.state`.
            ("{scheduled}", "0".to_owned()),
            ("{ready}", "1".to_owned()),
            ("{blocked}", "2".to_owned()),
            ("{dead}", "3".to_owned()),
            ("{completed}", "4".to_owned()),
        ];
        let filled = text.split_inclusive('\n').map(|line| {
            // A quoted name may hold a line break, which would end the comment.
            if line.trim_start().starts_with("--") {
                return line.to_owned();
            }
            fill_in(line, &names)
        });
        filled.collect()
    }
}

/// Fills placeholders in one pass, so that inserted names are not searched for placeholders.
fn fill_in(line: &str, names: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        match names.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, name)) => {
                filled.push_str(name);
                rest = &rest[place.len()..];
            }
            None => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled + rest
}

/// A hash that only has to distinguish texts and to be the same in every version: FNV-1a, 64 bits.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Quotes a text for SQL, whatever it holds, and however the session treats a backslash.
pub(crate) fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("e'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// Quotes an identifier for SQL, whatever it holds.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_never_end_a_quote() {
        let hostile = r#"a"; 'drop table x; --$omniq0$"#;
        let schema = Schema::new(hostile).unwrap();
        let text = schema.fill("create {schema}.f as {body} x {body}, {schema_name}", &[]);
        assert_eq!(
            text,
            r#"create "a""; 'drop table x; --$omniq0$".f as $omniq1$ x $omniq1$, 'a"; ''drop table x; --$omniq0$'"#
        );
        assert!(Schema::new("").is_err());
        assert!(Schema::new(&"x".repeat(64)).unwrap_err().to_string().contains("64 bytes"));
        assert!(Schema::new("a\0b").is_err());
    }

    #[test]
    fn names_are_not_templates() {
        let schema = Schema::new("{schema_name}{schema}").unwrap();
        let text = schema.fill("{schema_name} {schema} '{}'", &[]);
        assert_eq!(text, "'{schema_name}{schema}' \"{schema_name}{schema}\" '{}'");
    }

    #[test]
    fn backslashes_mean_themselves() {
        assert_eq!(Schema::new(r"a\'b").unwrap().fill("({schema_name})", &[]), r"(e'a\\''b')");
    }

    #[test]
    fn names_with_line_breaks_stay_within_comments() {
        let schema = Schema::new("a\ndrop table x; --").unwrap();
        let text = schema.fill("-- of {schema}\n  -- and {body}\nselect {schema}.f()", &[]);
        assert_eq!(text, "-- of {schema}\n  -- and {body}\nselect \"a\ndrop table x; --\".f()");
    }

    #[test]
    fn channels_differ_and_fit() {
        let long = Schema::new(&"x".repeat(63)).unwrap().channel();
        assert!(long.len() < 63);
        assert_ne!(long, Schema::new(&"x".repeat(62)).unwrap().channel());
    }
}
