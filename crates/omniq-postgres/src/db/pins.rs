//! The settings that the statements rely on, pinned in each session whatever role, database or server have set, unless the user's own
//! `options` say otherwise.

use omniq_core::{Error, Result};

/// Settings that change what a statement means, or whether it is executed at all. Timeouts are off: calls have limits of their own, and if
/// the server cut a settlement off, its outcome would be unknown. Settings that do not matter to the statements are left to the user, such
/// as `synchronous_commit`, `work_mem`, or the language of messages: errors are distinguished by their SQLSTATE.
const RELIED_ON: [(&str, &str); 22] = [
    // No object of the user comes before the system's own names.
    ("search_path", "pg_catalog, pg_temp"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("timezone_abbreviations", "Default"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("array_nulls", "on"),
    ("quote_all_identifiers", "off"),
    ("row_security", "on"),
    ("exit_on_error", "off"),
    ("check_function_bodies", "on"),
    // The library has already checked what the triggers check: docs/decisions/0019-checks-by-trigger.md.
    ("omniq.direct", "on"),
];

/// How the sessions plan. Every statement finds its rows by an index, and takes arrays whose length says nothing about the best plan. So
/// plans are made once and kept, and a plan that was made while a table was small stays right when the table has grown.
/// In particular, a bitmap scan looks cheap as long as the statistics show few tasks; a claim by it reads and sorts the whole backlog
/// (measured: 40 ms a claim at 40,000 tasks). And if the table was empty when the plan was made, a full scan of its index looks cheaper
/// than a lookup by id. The planner considers that plan only for joins on `t.id = x.id`, whose order the scan gives; so the statements
/// write `t.id = any (array[x.id])` (measured: a drain of 43,000 tasks in 4 s instead of 60 s).
pub(crate) const PLANNING: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("jit", "off"),
];

/// The value of this setting shows that a session was started with the options asked for.
const TOKEN: &str = "omniq.session";

/// The first major version that can end transactions by a timeout.
const WITH_TRANSACTION_TIMEOUT: i32 = 17;

/// Settings by name, in the order in which they are set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pins {
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<String>,
}

impl Pins {
    fn of(list: &[(&str, &str)]) -> Self {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// For a whole session. `options` are the user's own; `version` is the server's major version if it is known.
    pub(crate) fn of_session(options: &str, version: Option<i32>) -> Result<Self> {
        let planned = PLANNING.iter().copied();
        let mut list: Vec<_> = RELIED_ON.into_iter().chain(planned).collect();
        if version.is_some_and(|version| version >= WITH_TRANSACTION_TIMEOUT) {
            list.push(("transaction_timeout", "0"));
        }
        Self::of(&list).with(options)
    }

    /// For a single transaction of a session that is shared with other clients. Its statements are not prepared: they are planned with the
    /// actual values.
    pub(crate) fn of_transaction(options: &str) -> Result<Self> {
        Self::of(&RELIED_ON).with(options)
    }

    /// Appends the user's own settings, which win.
    fn with(mut self, options: &str) -> Result<Self> {
        for (name, value) in read(options)? {
            self.names.push(name);
            self.values.push(value);
        }
        Ok(self)
    }

    /// As options for the start of a session, followed by the user's own, which may be more than settings.
    /// `token`: the value for [`TOKEN`].
    pub(crate) fn at_start(options: &str, version: Option<i32>, token: &str) -> Result<String> {
        let pins = Self::of_session("", version)?;
        let own = pins.names.iter().zip(&pins.values);
        let words = own.map(|(name, value)| (name.as_str(), value.as_str())).chain([(TOKEN, token)]);
        let words = words.map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")));
        let mut text = words.collect::<Vec<_>>().join(" ");
        if !options.is_empty() {
            text = format!("{text} {options}");
        }
        Ok(text)
    }
}

impl FromIterator<(String, String)> for Pins {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(list: I) -> Self {
        let (names, values) = list.into_iter().unzip();
        Self { names, values }
    }
}

/// Parses command-line options: `-c name=value`, `-cname=value` or `--name=value`, with a backslash before a space that
/// belongs to a value. Errors: `is_config` for any other option, which only the start of a session takes.
fn read(options: &str) -> Result<Vec<(String, String)>> {
    let mut words = split(options).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(setting), _) => setting.to_owned(),
            (None, Some("")) => words.next().unwrap_or_default(),
            (None, Some(setting)) => setting.to_owned(),
            (None, None) => String::new(),
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Error::config(
                "options holds something else than settings, which a pooler cannot pass on: write each as -c name=value",
            ));
        };
        found.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(found)
}

/// Splits options into words as the server does.
fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = options.chars();
    while let Some(sign) = rest.next() {
        match sign {
            '\\' => word.get_or_insert_default().extend(rest.next()),
            sign if sign.is_whitespace() => words.extend(word.take()),
            sign => word.get_or_insert_default().push(sign),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_settings_are_read_in_each_of_their_forms() {
        let read =
            |text: &str| read(text).map(|list| list.into_iter().map(|(a, b)| format!("{a}={b}")).collect());
        let own = "-c a=1  -cb=x\\ y --c-d=\\\\e -c f=";
        assert_eq!(read(own).unwrap(), ["a=1", "b=x y", "c_d=\\e", "f="]);
        assert_eq!(read("").unwrap(), Vec::<String>::new());
        for other in ["-d 5", "-c", "-c a", "--a", "x"] {
            let read: Result<Vec<String>> = read(other);
            assert!(read.unwrap_err().is_config(), "{other}");
        }
    }

    #[test]
    fn the_users_own_settings_come_last() {
        let pins = Pins::of_transaction("-c statement_timeout=5s").unwrap();
        assert_eq!(
            (pins.names.last().unwrap().as_str(), pins.values.last().unwrap().as_str()),
            ("statement_timeout", "5s")
        );
        let text = Pins::at_start("-c statement_timeout=5s", Some(17), "a1").unwrap();
        assert!(
            text.contains("-c search_path=pg_catalog,\\ pg_temp ")
                && text.contains("-c transaction_timeout=0 "),
            "{text}"
        );
        assert!(text.ends_with("-c omniq.session=a1 -c statement_timeout=5s"), "{text}");
    }
}
