//! Converts timestamps between PostgreSQL, which counts microseconds from 2000, and jiff.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

const EPOCH_2000: i64 = 946_684_800_000_000;

/// The beginning of the year 1. Earlier times are read as this one.
const EARLIEST: i64 = -62_135_596_800_000_000;

/// A `timestamptz`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.0.as_microsecond() - EPOCH_2000);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        // `infinity` and `-infinity` are the extremes of the integer. They are read as times that can be written again, unlike the
        // minimum of `Timestamp`.
        let micros = micros.saturating_add(EPOCH_2000);
        let time = if micros < EARLIEST { EARLIEST } else { micros };
        Ok(Self(Timestamp::from_microsecond(time).unwrap_or(Timestamp::MAX)))
    }

    accepts!(TIMESTAMPTZ);
}

pub(crate) fn optional(time: Option<Timestamp>) -> Option<Time> {
    time.map(Time)
}

/// For a filter: the first time at or after this one that PostgreSQL has.
pub(crate) fn first_at(time: Option<Timestamp>) -> Option<Time> {
    let micro = jiff::SignedDuration::from_micros(1);
    time.map(|time| match time.subsec_nanosecond() % 1_000 {
        0 => Time(time),
        _ => Time(time.saturating_add(micro).unwrap_or(Timestamp::MAX)),
    })
}
