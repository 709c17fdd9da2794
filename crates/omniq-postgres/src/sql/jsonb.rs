//! `jsonb` columns: read as text, and written so that each number comes back as it was.

use std::error::Error as StdError;
use std::io;

use bytes::{BufMut, BytesMut};
use omniq_core::{Error, Result, check_metadata, read_object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Map, Value};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// The version byte of the binary form, before the text.
const VERSION: u8 = 1;
/// Text up to this length is within the limit of metadata in any notation.
const SURELY_SHORT: usize = 64 * 1024;

/// The text of a `jsonb` column.
#[derive(Debug)]
pub(crate) struct Jsonb<'a>(&'a [u8]);

impl Jsonb<'_> {
    pub(crate) fn text(&self) -> &[u8] {
        self.0
    }

    /// The object, with each number as it was written.
    pub(crate) fn object(&self) -> Result<Map<String, Value>> {
        read_object(self.0)
    }

    /// The object, checked as a task's metadata.
    pub(crate) fn metadata(&self) -> Result<Map<String, Value>> {
        let object = self.object()?;
        if self.0.len() > SURELY_SHORT {
            check_metadata(&object)?;
        }
        Ok(object)
    }

    /// A value of this type. The error does not quote the column.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.0).map_err(|error| {
            Error::internal(format!("it is not of the form that is kept there ({:?})", error.classify()))
        })
    }
}

impl<'a> FromSql<'a> for Jsonb<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        match raw.split_first() {
            Some((&VERSION, text)) => Ok(Self(text)),
            _ => Err("jsonb of an unknown version".into()),
        }
    }

    accepts!(JSONB);
}

/// JSON text as a parameter for `jsonb`.
#[derive(Debug)]
pub(crate) struct JsonbText(pub(crate) String);

impl ToSql for JsonbText {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_u8(VERSION);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    accepts!(JSONB);
    to_sql_checked!();
}

/// JSON text for `jsonb`.
pub(crate) fn text(value: &impl Serialize) -> Result<String> {
    let mut text = Vec::with_capacity(128);
    value
        .serialize(&mut Serializer::with_formatter(&mut text, WithFraction))
        .map_err(|error| Error::codec(format!("a value cannot be written as JSON: {error}")))?;
    String::from_utf8(text).map_err(|error| Error::internal(format!("JSON is no text: {error}")))
}

/// `jsonb` keeps decimal numbers: a float that is written with an exponent, such as 1e16, would come back as an integer.
struct WithFraction;

impl Formatter for WithFraction {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if value.fract() == 0.0 {
            write!(writer, "{value:.1}")
        } else {
            CompactFormatter.write_f64(writer, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn floats_keep_their_value_and_their_fraction(float in any::<f64>().prop_filter("JSON", |float| float.is_finite())) {
            let text = text(&float).unwrap();
            prop_assert!(text.contains(['.', 'e']), "{}", text);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), float.to_bits());
        }
    }

    #[test]
    fn large_whole_floats_have_no_exponent() {
        assert_eq!(
            text(&[1e16, 123456789012345678.0, -3.0, 0.1]).unwrap(),
            "[10000000000000000.0,123456789012345680.0,-3.0,0.1]"
        );
    }
}
