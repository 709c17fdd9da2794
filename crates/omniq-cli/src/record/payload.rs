//! Payloads: what can be read is shown as what it is, anything else as bytes.

use std::fmt::Write;

use omniq::Payload;
use serde::Serialize;
use serde_json::Value;

/// `value` if the codec can be read here, else `hex`.
#[derive(Debug, Serialize)]
pub struct PayloadRecord {
    codec: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl From<&Payload> for PayloadRecord {
    fn from(payload: &Payload) -> Self {
        let value = payload.decode().ok();
        let hex = value.is_none().then(|| hex(payload.bytes()));
        Self { codec: payload.codec().name().to_owned(), size: payload.bytes().len(), value, hex }
    }
}

/// A line about a payload, for people.
pub fn preview(payload: &Payload) -> String {
    const SHOWN: usize = 32;
    let bytes = payload.bytes();
    match payload.decode::<Value>() {
        Ok(value) => value.to_string(),
        Err(_) => {
            let more = if bytes.len() > SHOWN { "…" } else { "" };
            let start = hex(&bytes[..bytes.len().min(SHOWN)]);
            format!("{} bytes of {}: {start}{more}", bytes.len(), payload.codec())
        }
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
    use omniq::Codec;

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

    #[test]
    fn other_payloads_are_shown_as_bytes() {
        let payload = Payload::new(Codec::Raw, vec![0xff; 40]);
        assert!(preview(&payload).starts_with("40 bytes of raw: ffff"));
        assert!(preview(&payload).ends_with('…'));
        let payload = Payload::new(Codec::Json, b"{broken".to_vec());
        assert_eq!(json(&payload), r#"{"codec":"json","size":7,"hex":"7b62726f6b656e"}"#);
    }
}
