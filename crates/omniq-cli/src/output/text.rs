//! Text from outside, made safe to show: file names and error messages must not control the terminal.

/// Replaces control characters, including line breaks, with escapes such as `\n` or `\u{1b}`.
pub fn printable(text: &str) -> String {
    let unfit = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(unfit) {
        return text.to_owned();
    }
    let escaped = |c: char| if unfit(c) { c.escape_default().collect::<String>() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// The same for text of several lines: its line breaks stay.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// At most `limit` characters; the last one is an ellipsis if the text was cut.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A word, quoted for a shell if necessary.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_steers_the_terminal() {
        assert_eq!(printable("plain ü 漢"), "plain ü 漢");
        assert_eq!(printable("a\nb\t\x1b[31mred\u{202e}"), "a\\nb\\t\\u{1b}[31mred\\u{202e}");
        assert_eq!(printable_lines("a\x07\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shorten("äöüß", 4), "äöüß");
        assert_eq!(shorten("äöüßx", 4), "äöü…");
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("demo-share.1"), "demo-share.1");
        assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }
}
