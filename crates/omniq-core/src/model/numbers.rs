//! Detects numbers that a format cannot represent and that its serializer changes silently: `serde_json` writes null for NaN and
//! the infinities, `rmp_serde` writes integers of 128 bits as bytes.

use std::fmt;

use serde::de::value::Error;
use serde::ser::{self, Serialize, Serializer};

/// Fails for NaN and infinities, at any depth; everything else passes.
pub(super) fn check_finite(value: &(impl Serialize + ?Sized)) -> Result<(), String> {
    value.serialize(Check::Finite).map_err(|error| error.to_string())
}

/// Fails for integers of a type of 128 bits, at any depth; everything else passes.
pub(super) fn check_64_bits(value: &(impl Serialize + ?Sized)) -> Result<(), String> {
    value.serialize(Check::SixtyFourBits).map_err(|error| error.to_string())
}

/// A serializer that writes nothing.
#[derive(Clone, Copy)]
enum Check {
    Finite,
    SixtyFourBits,
}

impl Check {
    fn wide(self) -> Result<(), Error> {
        match self {
            Self::Finite => Ok(()),
            Self::SixtyFourBits => Err(ser::Error::custom(
                "it holds an integer of 128 bits, which MessagePack does not know: make it one of 64 bits, or use JSON",
            )),
        }
    }
}

macro_rules! pass {
    ($($name:ident($($ty:ty),*);)*) => { $(
        fn $name(self, $(_: $ty),*) -> Result<(), Error> {
            Ok(())
        }
    )* };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    pass! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_i128(self, _: i128) -> Result<(), Error> {
        self.wide()
    }

    fn serialize_u128(self, _: u128) -> Result<(), Error> {
        self.wide()
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if value.is_finite() || matches!(self, Self::SixtyFourBits) {
            return Ok(());
        }
        Err(ser::Error::custom(format_args!(
            "it holds the number {value}, which JSON does not know: leave it out, or use MessagePack"
        )))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        Ok(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! compound {
    ($($trait:ident: $element:ident($($name:ty)?);)*) => { $(
        impl ser::$trait for Check {
            type Ok = ();
            type Error = Error;

            fn $element<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), Error> {
                value.serialize(*self)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )* };
}

compound! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

impl ser::SerializeMap for Check {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(*self)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
