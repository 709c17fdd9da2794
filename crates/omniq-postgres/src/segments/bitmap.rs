//! A bitmap with one bit for each task of a segment: PostgreSQL's `bit varying`.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// `len` bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bitmap {
    len: usize,
    /// Bit 0 is the highest bit of the first byte. Bits from `len` on are zero.
    bytes: Vec<u8>,
}

impl Bitmap {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { len, bytes: vec![0; len.div_ceil(8)] }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn set(&mut self, index: usize) {
        if index < self.len {
            self.bytes[index / 8] |= 128 >> (index % 8);
        }
    }

    pub(crate) fn contains(&self, index: usize) -> bool {
        index < self.len && self.bytes[index / 8] & (128 >> (index % 8)) != 0
    }

    pub(crate) fn ones(&self) -> impl Iterator<Item = usize> {
        (0..self.len).filter(|index| self.contains(*index))
    }
}

impl ToSql for Bitmap {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(i32::try_from(self.len)?);
        out.put_slice(&self.bytes);
        Ok(IsNull::No)
    }

    accepts!(BIT, VARBIT);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Bitmap {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let (len, bytes) = raw.split_first_chunk::<4>().ok_or("bits without a length")?;
        let len = usize::try_from(i32::from_be_bytes(*len))?;
        if bytes.len() != len.div_ceil(8) {
            return Err("bits of another length than they say".into());
        }
        Ok(Self { len, bytes: bytes.to_vec() })
    }

    accepts!(BIT, VARBIT);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back_from_the_wire(given in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mut bits = Bitmap::zeros(given.len());
            for (index, _) in given.iter().enumerate().filter(|(_, set)| **set) {
                bits.set(index);
            }
            let mut wire = BytesMut::new();
            bits.to_sql(&Type::VARBIT, &mut wire).unwrap();
            let read = Bitmap::from_sql(&Type::VARBIT, &wire).unwrap();
            prop_assert_eq!(&read, &bits);
            prop_assert_eq!(given.iter().map(|bit| usize::from(*bit)).sum::<usize>(), read.ones().count());
            prop_assert!(read.ones().all(|index| given[index]));
        }

        #[test]
        fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Bitmap::from_sql(&Type::VARBIT, &raw).map(|bits| bits.ones().count());
        }
    }
}
