//! JSON objects that storages keep, such as metadata: their numbers come back as they were given, or are refused.
//!
//! A number without fraction and exponent is an integer, of 64 bits at most; any other is a float of 64 bits.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Reads a JSON object. Error `is_invalid` for other text, for nesting deeper than 127 levels, and for an integer
/// beyond 64 bits, which would become another number.
pub fn read_object(text: &[u8]) -> Result<Map<String, Value>> {
    let object = serde_json::from_slice(text).map_err(|error| {
        // The parser's message for a value of another type contains the value, so it is not used.
        let words = if error.is_data() { "it is no JSON object".to_owned() } else { error.to_string() };
        Error::invalid(words)
    })?;
    match integer_beyond_64_bits(text) {
        Some(number) => Err(Error::invalid(format!(
            "the integer {} is beyond 64 bits ({} to {}): write it as a string",
            start_of(number),
            i64::MIN,
            u64::MAX
        ))),
        None => Ok(object),
    }
}

fn start_of(number: &str) -> String {
    const SHOWN: usize = 40;
    if number.len() <= SHOWN { number.to_owned() } else { format!("{}…", &number[..SHOWN]) }
}

/// The first integer in valid JSON text that does not fit into 64 bits.
fn integer_beyond_64_bits(text: &[u8]) -> Option<&str> {
    integers(text).find(|number| is_beyond_64_bits(number))
}

fn is_beyond_64_bits(integer: &str) -> bool {
    integer.parse::<i64>().is_err() && integer.parse::<u64>().is_err()
}

/// The integers beyond 64 bits in JSON text, as the floats that they become where any type of number is read.
pub(super) fn floats_beyond_64_bits(text: &[u8]) -> Vec<f64> {
    if !may_hold_long_integer(text) {
        return Vec::new();
    }
    integers(text)
        .filter(|number| is_beyond_64_bits(number))
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Whether JSON text may hold an integer beyond 64 bits, which has 19 digits or more.
fn may_hold_long_integer(text: &[u8]) -> bool {
    const LENGTH: usize = 19;
    // Of so many digits, one stands in each such place.
    (LENGTH - 1..text.len()).step_by(LENGTH).any(|place| {
        let before = text[..place].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let after = text[place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        after > 0 && before + after >= LENGTH
    })
}

/// The integers in valid JSON text.
fn integers(text: &[u8]) -> impl Iterator<Item = &str> {
    let mut place = 0;
    std::iter::from_fn(move || {
        while place < text.len() {
            match text[place] {
                b'"' => {
                    place += 1;
                    while place < text.len() && text[place] != b'"' {
                        place += if text[place] == b'\\' { 2 } else { 1 };
                    }
                    place += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let of_number =
                        |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                    let length = text[place..].iter().take_while(|byte| of_number(byte)).count();
                    let number = std::str::from_utf8(&text[place..place + length]).unwrap_or_default();
                    place += length;
                    if !number.contains(['.', 'e', 'E']) {
                        return Some(number);
                    }
                }
                _ => place += 1,
            }
        }
        None
    })
}

/// Whether a float of this object, at any depth, is -0.0, which `jsonb` cannot represent.
pub(super) fn holds_negative_zero(object: &Map<String, Value>) -> bool {
    fn in_value(value: &Value) -> bool {
        match value {
            Value::Number(number) => {
                number.as_f64().is_some_and(|float| float == 0.0 && float.is_sign_negative())
            }
            Value::Array(values) => values.iter().any(in_value),
            Value::Object(object) => holds_negative_zero(object),
            _ => false,
        }
    }
    object.values().any(in_value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_beyond_64_bits_are_refused_wherever_they_stand() {
        for good in
            ["{}", r#"{"a": [18446744073709551615, -9223372036854775808, 1e400000, "18446744073709551616"]}"#]
        {
            assert_eq!(integer_beyond_64_bits(good.as_bytes()), None, "{good}");
        }
        for (bad, number) in [
            (r#"{"a": 18446744073709551616}"#, "18446744073709551616"),
            (r#"{"a\"": {"b": [1, -9223372036854775809]}}"#, "-9223372036854775809"),
        ] {
            assert_eq!(integer_beyond_64_bits(bad.as_bytes()), Some(number), "{bad}");
            assert!(read_object(bad.as_bytes()).unwrap_err().message().contains(number));
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".*") {
            let _ = read_object(text.as_bytes());
            let _ = integer_beyond_64_bits(text.as_bytes());
            let _ = may_hold_long_integer(text.as_bytes());
        }

        #[test]
        fn a_long_integer_is_found_wherever_it_stands(before in "[a-z ]{0,40}", number in "[0-9]{1,40}", after in "[a-z ]{0,40}") {
            let text = format!("{before}{number}{after}");
            prop_assert_eq!(may_hold_long_integer(text.as_bytes()), number.len() >= 19);
        }
    }
}
