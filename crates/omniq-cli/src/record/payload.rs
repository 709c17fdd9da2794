//! Payloads: shown as values where the codec can be read here, otherwise as bytes.

use std::fmt::{self, Write};

use omniq::{Codec, Payload};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// `value` if the codec can be read here, else `hex`.
#[derive(Debug, Serialize)]
pub struct PayloadRecord {
    codec: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl From<&Payload> for PayloadRecord {
    fn from(payload: &Payload) -> Self {
        let value = json_of(payload).and_then(|text| RawValue::from_string(text).ok());
        let hex = value.is_none().then(|| hex(payload.bytes()));
        Self { codec: payload.codec().name().to_owned(), size: payload.bytes().len(), value, hex }
    }
}

/// The value as JSON text, with its numbers as they are. `None` for a codec that cannot be read here, or a value that
/// JSON cannot hold.
fn json_of(payload: &Payload) -> Option<String> {
    if *payload.codec() == Codec::Json {
        let text = std::str::from_utf8(payload.bytes()).ok()?;
        return serde_json::from_str::<&RawValue>(text).ok().map(|value| compact(value.get()));
    }
    let _: Finite = payload.decode().ok()?;
    payload.decode::<Value>().ok().map(|value| value.to_string())
}

/// JSON text without the blanks between its tokens.
pub fn compact(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    let kept = json.chars().filter(|one| {
        let keep = inside || !one.is_ascii_whitespace();
        inside ^= *one == '"' && !escaped;
        escaped = inside && *one == '\\' && !escaped;
        keep
    });
    kept.collect()
}

/// A line about a payload, for people.
pub fn preview(payload: &Payload) -> String {
    const SHOWN: usize = 32;
    let bytes = payload.bytes();
    json_of(payload).unwrap_or_else(|| {
        let more = if bytes.len() > SHOWN { "…" } else { "" };
        let start = hex(&bytes[..bytes.len().min(SHOWN)]);
        format!("{} bytes of {}: {start}{more}", bytes.len(), payload.codec())
    })
}

/// Any value whose floats JSON can write.
struct Finite;

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

macro_rules! pass {
    ($($name:ident($ty:ty);)*) => { $(
        fn $name<E: Error>(self, _: $ty) -> Result<Self, E> {
            Ok(self)
        }
    )* };
}

impl<'de> Visitor<'de> for Finite {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    pass! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_str(&str);
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self, E> {
        if value.is_finite() { Ok(self) } else { Err(E::custom("no number of JSON")) }
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(payload: &Payload) -> String {
        serde_json::to_string(&PayloadRecord::from(payload)).expect("a record is JSON")
    }

    #[test]
    fn readable_payloads_are_shown_as_values() {
        let payload = Payload::json(&("a", 1)).expect("JSON");
        assert_eq!(preview(&payload), r#"["a",1]"#);
        assert_eq!(json(&payload), r#"{"codec":"json","size":7,"value":["a",1]}"#);
        let payload = Payload::msgpack(&("a", 1)).expect("MessagePack");
        assert_eq!(preview(&payload), r#"["a",1]"#);
    }

    /// Issue 12, E3.
    #[test]
    fn numbers_are_shown_as_they_are() {
        let text = r#"[1180591620717411303424, 1.0, -0.0, 123456789012345678.0, " \\\" "]"#;
        let payload = Payload::new(Codec::Json, text);
        let compact = r#"[1180591620717411303424,1.0,-0.0,123456789012345678.0," \\\" "]"#;
        assert_eq!(preview(&payload), compact);
        assert!(json(&payload).contains(&format!(r#""value":{compact}"#)), "{}", json(&payload));
        let payload = Payload::msgpack(&[f64::NAN]).expect("MessagePack");
        assert_eq!(json(&payload), r#"{"codec":"msgpack","size":10,"hex":"91cb7ff8000000000000"}"#);
    }

    #[test]
    fn other_payloads_are_shown_as_bytes() {
        let payload = Payload::new(Codec::Raw, vec![0xff; 40]);
        assert!(preview(&payload).starts_with("40 bytes of raw: ffff"));
        assert!(preview(&payload).ends_with('…'));
        let payload = Payload::new(Codec::Json, b"{broken".to_vec());
        assert_eq!(json(&payload), r#"{"codec":"json","size":7,"hex":"7b62726f6b656e"}"#);
    }
}
