//! What a migration does to programs that do not know it. The first line of its first file declares it.

use std::fmt;

/// What a migration does to programs that do not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// It only adds. Programs that could use the schema before can use it afterwards.
    Adds {
        /// What it adds.
        what: String,
    },
    /// Older programs cannot use the schema afterwards.
    Breaks {
        /// Programs at a version below this one are refused.
        below: i32,
        /// What they would fail on.
        reason: String,
    },
}

impl Effect {
    /// As the first line of a migration declares it: `-- adds: what`, or `-- breaks below 3: reason`. The error says what is wrong with the
    /// line.
    pub(super) fn declared(version: i32, text: &str) -> Result<Self, String> {
        let line = text.lines().next().unwrap_or_default();
        let or_breaks = match version {
            // There are no older programs.
            ..=1 => String::new(),
            _ => format!(", or `-- breaks below {version}: what older programs would fail on`"),
        };
        let wrong = |why: String| {
            format!("its first line is {line:?}, and {why}: write `-- adds: what it adds`{or_breaks}")
        };
        let (effect, words) = if let Some(what) = line.strip_prefix("-- adds:") {
            let what = what.trim().to_owned();
            (Self::Adds { what: what.clone() }, what)
        } else if let Some((below, reason)) =
            line.strip_prefix("-- breaks below ").and_then(|rest| rest.split_once(':'))
        {
            let number = below.trim().parse().ok().filter(|below| (2..=version).contains(below));
            let below =
                number.ok_or_else(|| wrong(format!("{below:?} is not a version from 2 to its own")))?;
            let reason = reason.trim().to_owned();
            (Self::Breaks { below, reason: reason.clone() }, reason)
        } else {
            return Err(wrong("it says neither that the migration adds nor that it breaks".to_owned()));
        };
        if words.is_empty() { Err(wrong("nothing follows the colon".to_owned())) } else { Ok(effect) }
    }

    /// As the table of migrations stores it.
    pub(super) fn stored(usable_from: i32, text: String) -> Self {
        match usable_from {
            ..=1 => Self::Adds { what: text },
            below => Self::Breaks { below, reason: text },
        }
    }

    /// The lowest version of a program that can use the part after this migration, as far as this migration decides it.
    pub fn usable_from(&self) -> i32 {
        match self {
            Self::Adds { .. } => 1,
            Self::Breaks { below, .. } => *below,
        }
    }

    /// What it adds, or the reason why it breaks.
    pub fn text(&self) -> &str {
        match self {
            Self::Adds { what } => what,
            Self::Breaks { reason, .. } => reason,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adds { what } => write!(f, "adds: {what}"),
            Self::Breaks { below, reason } => write!(f, "breaks below {below}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_declares_the_effect() {
        let adds = Effect::declared(2, "-- adds: a column\ncreate …").unwrap();
        assert_eq!(adds, Effect::Adds { what: "a column".to_owned() });
        let breaks = Effect::declared(3, "-- breaks below 2: a: b\n").unwrap();
        assert_eq!(breaks, Effect::Breaks { below: 2, reason: "a: b".to_owned() });
        for effect in [adds, breaks] {
            assert_eq!(Effect::declared(3, &format!("-- {effect}")).unwrap(), effect, "shown as declared");
            assert_eq!(Effect::stored(effect.usable_from(), effect.text().to_owned()), effect);
        }
    }

    #[test]
    fn a_first_line_that_declares_none_is_refused_with_what_to_write() {
        let bad = [
            ("", "neither"),
            ("create table t ()", "neither"),
            ("-- A table.\n-- adds: a table", "neither"),
            ("-- breaks: all", "neither"),
            ("-- breaks below two: it", "\"two\""),
            ("-- breaks below 1: it", "\"1\""),
            ("-- breaks below 4: it", "\"4\""),
            ("-- adds: ", "nothing follows"),
            ("-- breaks below 3:", "nothing follows"),
        ];
        for (text, words) in bad {
            let error = Effect::declared(3, text).unwrap_err();
            assert!(error.contains(words) && error.contains("-- breaks below 3: what"), "{text:?}: {error}");
        }
        let error = Effect::declared(1, "-- breaks below 1: it").unwrap_err();
        assert!(error.contains("-- adds: what") && !error.contains("or `-- breaks"), "{error}");
    }
}
