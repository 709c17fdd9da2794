//! Values from files and programs. JSON has no NaN, no infinity and, here, no number beyond 64 bits: such numbers are kept as they were
//! written, so that the refusal shows them, and they are not taken for null, which means no limit.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The key of an object that stands for a value that JSON cannot hold; no file uses it.
const WRITTEN: &str = "$omniq::written";

/// A value that JSON cannot hold, as it was written. Every setting refuses it, and shows it without quotes.
#[doc(hidden)]
pub fn as_written(text: impl Into<String>) -> Value {
    Value::Object(Map::from_iter([(WRITTEN.to_owned(), Value::String(text.into()))]))
}

/// The text of such a value.
pub(super) fn written(value: &Value) -> Option<&str> {
    value.as_object()?.get(WRITTEN)?.as_str()
}

/// A value from any format.
#[derive(Debug)]
pub(super) struct Given(pub(super) Value);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Given, E> {
        Ok(Given(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Given, E> {
        Ok(Given(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Given, E> {
        Ok(Given(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Given, E> {
        Ok(Given(i64::try_from(value).map_or_else(|_| as_written(value.to_string()), Value::from)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Given, E> {
        Ok(Given(u64::try_from(value).map_or_else(|_| as_written(value.to_string()), Value::from)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Given, E> {
        let written = || as_written(value.to_string().to_lowercase());
        Ok(Given(if value.is_finite() { value.into() } else { written() }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Given, E> {
        Ok(Given(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Given, E> {
        Ok(Given(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Given, D::Error> {
        Given::deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Given, A::Error> {
        let mut list = Vec::new();
        while let Some(Given(value)) = values.next_element()? {
            list.push(value);
        }
        Ok(Given(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Given, A::Error> {
        let mut table = Map::new();
        while let Some((name, Given(value))) = values.next_entry::<String, Given>()? {
            table.insert(name, value);
        }
        Ok(Given(table.into()))
    }
}
