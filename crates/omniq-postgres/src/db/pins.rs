//! What the statements rely on in a session, whatever role, database or server have set: pinned, unless the user's own `options` say otherwise.

use omniq_core::{Error, Result};

/// Settings that change what a statement means, or whether it is carried out at all. Timeouts are off: calls have bounds of
/// their own, and an end that was cut off on the server is a run that nobody knows of. What is left out is the user's affair, such as
/// `synchronous_commit`, `work_mem`, or the language of messages: errors are told apart by their SQLSTATE.
const RELIED_ON: [(&str, &str); 22] = [
    // Nothing of the user's comes before the system's own names.
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
    // What the triggers check, the library has checked: docs/decisions/0019-checks-by-trigger.md.
    ("omniq.direct", "on"),
];

/// How the sessions plan. Every statement finds its rows by an index and takes arrays whose length says nothing of the best
/// plan: so plans are made once and kept, and one that was made while a table was small stays right when it has grown.
/// A bitmap scan in particular looks cheap as long as the statistics know of few tasks; in a claim it then reads and
/// sorts the whole backlog (measured: 40 ms a claim at 40,000 tasks). And where the table was empty at that time, its index
/// read from end to end looks cheaper than a look by id. That plan exists for joins on `t.id = x.id` alone, whose order it
/// has; so the statements write `t.id = any (array[x.id])` (measured: a drain of 43,000 tasks in 4 s instead of 60 s).
pub(crate) const PLANNING: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("jit", "off"),
];

/// By the value of this a session shows that what it asked for at its start holds.
const TOKEN: &str = "omniq.session";

/// The first version that can end transactions by a timeout, by its major number.
const WITH_TRANSACTION_TIMEOUT: i32 = 17;

/// Settings by name, in the order in which they are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pins {
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<String>,
}

impl Pins {
    fn of(list: &[(&str, &str)]) -> Self {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// For a whole session; `options` are the user's own, `version` that of the server where it is known.
    pub(crate) fn of_session(options: &str, version: Option<i32>) -> Result<Self> {
        let planned = PLANNING.iter().copied();
        let mut list: Vec<_> = RELIED_ON.into_iter().chain(planned).collect();
        if version.is_some_and(|version| version >= WITH_TRANSACTION_TIMEOUT) {
            list.push(("transaction_timeout", "0"));
        }
        Self::of(&list).with(options)
    }

    /// For a single transaction of a session that is others' as well. Its statements are not kept: they are planned with the values at hand.
    pub(crate) fn of_transaction(options: &str) -> Result<Self> {
        Self::of(&RELIED_ON).with(options)
    }

    /// Lays the user's own over them.
    fn with(mut self, options: &str) -> Result<Self> {
        for (name, value) in read(options)? {
            self.names.push(name);
            self.values.push(value);
        }
        Ok(self)
    }

    /// As options for the start of a session, with the user's own, which may say more than settings, behind them.
    /// `token`: what [`TOKEN`] is to be.
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

/// Takes options of the command line apart: `-c name=value`, `-cname=value` or `--name=value`, a backslash before a space that
/// belongs to a value. Errors: `is_config` for any other, which only the start of a session takes.
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

/// As the server does it.
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
