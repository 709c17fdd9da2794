//! Marks for the tasks of a row, as PostgreSQL's `bit varying`.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A mark for each of some places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bits {
    len: usize,
    /// The first place is the highest bit of the first byte; what is beyond the last one is zero.
    bytes: Vec<u8>,
}

impl Bits {
    /// So many places, none of them marked.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { len, bytes: vec![0; len.div_ceil(8)] }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn mark(&mut self, place: usize) {
        if place < self.len {
            self.bytes[place / 8] |= 128 >> (place % 8);
        }
    }

    pub(crate) fn is_marked(&self, place: usize) -> bool {
        place < self.len && self.bytes[place / 8] & (128 >> (place % 8)) != 0
    }

    pub(crate) fn marked(&self) -> impl Iterator<Item = usize> {
        (0..self.len).filter(|place| self.is_marked(*place))
    }
}

impl ToSql for Bits {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(i32::try_from(self.len)?);
        out.put_slice(&self.bytes);
        Ok(IsNull::No)
    }

    accepts!(BIT, VARBIT);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Bits {
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
        fn marks_come_back_from_the_wire(marks in proptest::collection::vec(any::<bool>(), 0..100)) {
            let mut bits = Bits::zeros(marks.len());
            for (place, _) in marks.iter().enumerate().filter(|(_, marked)| **marked) {
                bits.mark(place);
            }
            let mut wire = BytesMut::new();
            bits.to_sql(&Type::VARBIT, &mut wire).unwrap();
            let read = Bits::from_sql(&Type::VARBIT, &wire).unwrap();
            prop_assert_eq!(&read, &bits);
            prop_assert_eq!(marks.iter().map(|m| usize::from(*m)).sum::<usize>(), read.marked().count());
            prop_assert!(read.marked().all(|place| marks[place]));
        }

        #[test]
        fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Bits::from_sql(&Type::VARBIT, &raw).map(|bits| bits.marked().count());
        }
    }
}
