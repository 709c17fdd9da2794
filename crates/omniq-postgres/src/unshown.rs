//! How statements are sent: the driver writes each one's parameters into its log, by their `Debug`, and arguments of tasks are among
//! them. So none of them shows itself, whatever level and subscriber a program has.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::db::Param;
use crate::sql::Statement;

/// A parameter that says nothing of itself but on its way to the server.
struct Unshown<'a>(Param<'a>);

impl fmt::Debug for Unshown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl ToSql for Unshown<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    /// What is inside is asked, when it is written.
    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}

/// A statement that was prepared.
pub(crate) async fn query(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    client.query_raw(prepared, params.iter().map(|param| Unshown(*param))).await?.try_collect().await
}

/// A statement that is not to be prepared.
pub(crate) async fn query_typed(
    client: &Client,
    statement: &Statement,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed = params.iter().zip(&statement.types).map(|(param, ty)| (Unshown(*param), ty.clone()));
    client.query_typed_raw(&statement.text, typed).await?.try_collect().await
}
