//! Bytes with the name of the codec that wrote them. Storages keep them and never look inside.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{exact, json, numbers};
use crate::{Error, Result};

/// The deepest nesting of decoded values, the same as `serde_json`'s limit: a payload from outside must not overflow
/// the stack.
const MAX_DEPTH: usize = 128;
/// The first byte of a short array of bytes in MessagePack.
const BYTES: u8 = 0xc4;

/// The encoding of a payload's bytes; its name is stored beside them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Codec {
    /// `json`: UTF-8 JSON. The default: readable in SQL, the same for Rust and Python.
    Json,
    /// `msgpack`: MessagePack, structs as maps.
    MessagePack,
    /// `raw`: bytes as they are.
    Raw,
    /// `pickle`: Python only, opt-in on both ends.
    Pickle,
    /// `dill`: Python only, opt-in on both ends.
    Dill,
    /// `x-…`: a user-defined codec, 3 to 32 characters of `a-z`, `0-9`, `-` and `_`, the `x-` included.
    Custom(String),
}

impl Codec {
    /// The name, as stored.
    pub fn name(&self) -> &str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "msgpack",
            Self::Raw => "raw",
            Self::Pickle => "pickle",
            Self::Dill => "dill",
            Self::Custom(name) => name,
        }
    }

    fn is_custom(name: &str) -> bool {
        name.len() > 2
            && name.len() <= 32
            && name.starts_with("x-")
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    }
}

impl FromStr for Codec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "json" => Self::Json,
            "msgpack" => Self::MessagePack,
            "raw" => Self::Raw,
            "pickle" => Self::Pickle,
            "dill" => Self::Dill,
            custom if Self::is_custom(custom) => Self::Custom(custom.to_owned()),
            unknown => {
                return Err(Error::codec(format!(
                    "codec {unknown:?} is unknown: use json, msgpack, raw, pickle, dill, or a name of your own \
                     that begins with \"x-\" (3 to 32 characters of a-z, 0-9, - and _)"
                )));
            }
        })
    }
}

impl TryFrom<String> for Codec {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        name.parse()
    }
}

impl From<Codec> for String {
    fn from(codec: Codec) -> Self {
        codec.name().to_owned()
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A task's arguments or a result's value: bytes and their codec. Cheap to clone.
///
/// ```
/// # use omniq_core as omniq;
/// use omniq::Payload;
/// let payload = Payload::json(&(1, "two")).unwrap();
/// assert_eq!(payload.bytes().as_ref(), br#"[1,"two"]"#);
/// assert_eq!(payload.decode::<(i32, String)>().unwrap(), (1, "two".to_owned()));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

impl Payload {
    /// Wraps bytes that the named codec has written. They are not checked.
    pub fn new(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        Self { codec, bytes: bytes.into() }
    }

    /// Encodes a value as JSON. Error `is_codec` for what JSON cannot represent, such as a map whose keys are not
    /// strings, NaN and the infinities. MessagePack keeps NaN and the infinities.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let bad = |words: String| Error::codec(format!("the value cannot be written as JSON: {words}"));
        let bytes = serde_json::to_vec(value).map_err(|error| bad(error.to_string()))?;
        // A null may stand for NaN or an infinity.
        if bytes.windows(4).any(|four| four == b"null") {
            numbers::check_finite(value).map_err(bad)?;
        }
        Ok(Self::new(Codec::Json, bytes))
    }

    /// Encodes a value as MessagePack, structs as maps. Error `is_codec` for what cannot be serialized, and for integers of a
    /// type of 128 bits. JSON keeps those.
    pub fn msgpack(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let bad =
            |words: String| Error::codec(format!("the value cannot be written as MessagePack: {words}"));
        let bytes = rmp_serde::to_vec_named(value).map_err(|error| bad(error.to_string()))?;
        // Sixteen bytes may stand for an integer.
        if bytes.windows(2).any(|two| two == [BYTES, 16]) {
            numbers::check_64_bits(value).map_err(bad)?;
        }
        Ok(Self::new(Codec::MessagePack, bytes))
    }

    /// Decodes JSON or MessagePack, nested at most 128 deep. Error `is_codec` if the bytes do not fit the type, for an integer
    /// that would become a float which is not equal, such as one beyond 64 bits in a `serde_json::Value`, and for another
    /// codec.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        let wrong = |error: &dyn fmt::Display| {
            Error::codec(format!(
                "a {} payload of {} bytes does not fit {}: {error}",
                self.codec,
                self.bytes.len(),
                std::any::type_name::<T>()
            ))
        };
        match self.codec {
            Codec::Json => {
                let beyond = json::floats_beyond_64_bits(&self.bytes);
                let mut reader = serde_json::Deserializer::from_slice(&self.bytes);
                let value = exact::decode(&mut reader, &beyond).map_err(|error| wrong(&error))?;
                reader.end().map_err(|error| wrong(&error))?;
                Ok(value)
            }
            Codec::MessagePack => {
                let mut reader = rmp_serde::Deserializer::from_read_ref(self.bytes.as_ref());
                reader.set_max_depth(MAX_DEPTH);
                exact::decode(&mut reader, &[]).map_err(|error| wrong(&error))
            }
            _ => Err(wrong(&"this codec can be decoded only where it is known; take the bytes instead")),
        }
    }

    /// The codec.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Shows the codec and the length only: the content may be the user's secret.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({}, {} bytes)", self.codec, self.bytes.len())
    }
}
