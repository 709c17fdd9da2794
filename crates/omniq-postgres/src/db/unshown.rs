//! Keeps parameters out of logs. The driver logs each statement's parameters by their `Debug`, and arguments of tasks are among them. So no
//! parameter shows its value, whatever level and subscriber a program has.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::sizes::{MESSAGE_BYTES, TooLarge};
use crate::sql::Param;
use crate::sql::{Named, Statement};

/// A parameter whose value is shown to nothing but the server.
struct Unshown<'a>(Param<'a>);

impl fmt::Debug for Unshown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl ToSql for Unshown<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql_checked(ty, out)
    }

    /// The inner parameter checks its type when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let is_null = self.0.to_sql_checked(ty, out)?;
        // `out` holds the whole message so far.
        if out.len() > MESSAGE_BYTES { Err(Box::new(TooLarge(out.len()))) } else { Ok(is_null) }
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}

/// Sends a prepared statement.
pub(crate) async fn query(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    statement: &Statement,
    params: &[Named<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    client.query_raw(prepared, statement.values(params).map(Unshown)).await?.try_collect().await
}

/// Sends a statement without preparing it.
pub(crate) async fn query_typed(
    client: &Client,
    statement: &Statement,
    params: &[Named<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed =
        statement.values(params).zip(&statement.types).map(|(param, ty)| (Unshown(param), ty.clone()));
    client.query_typed_raw(&statement.text, typed).await?.try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that are there already belong to earlier parameters.
    #[test]
    fn a_message_that_is_too_large_is_not_sent() {
        let write =
            |before: usize| Unshown(&7_i32).to_sql_checked(&Type::INT4, &mut BytesMut::zeroed(before));
        assert!(write(MESSAGE_BYTES - 4).is_ok());
        let error = write(MESSAGE_BYTES).err().expect("it is refused").to_string();
        for words in ["1000000004 bytes", "at most 1000000000", "several calls"] {
            assert!(error.contains(words), "{words} in: {error}");
        }
    }
}
