//! The server's report as the cause of an error. It leaves out the contents of rows and parameters, because errors are logged.

use std::fmt;

use tokio_postgres::error::DbError;

/// A report of the server, without details that show a row, and without the place in the server's functions where the error occurred,
/// which can show parameters.
#[derive(Debug)]
pub(crate) struct Refusal {
    severity: String,
    pub(crate) code: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) constraint: Option<String>,
}

/// The detail of a report, unless it shows a whole row: a null in a column that takes none, a failed check, a view's check option.
pub(crate) fn detail<'a>(code: &str, detail: Option<&'a str>) -> Option<&'a str> {
    detail.filter(|_| !matches!(code, "23502" | "23514" | "44000"))
}

impl Refusal {
    pub(crate) fn of(db: &DbError) -> Self {
        Self {
            severity: db.severity().to_owned(),
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: detail(db.code().code(), db.detail()).map(str::to_owned),
            hint: db.hint().map(str::to_owned),
            table: db.table().map(str::to_owned),
            constraint: db.constraint().map(str::to_owned),
        }
    }
}

#[cfg(any(feature = "sqlx", feature = "sqlx-0_8"))]
macro_rules! of_sqlx {
    ($name:ident, $sqlx:ident) => {
        impl Refusal {
            pub(crate) fn $name(db: &$sqlx::postgres::PgDatabaseError) -> Self {
                Self {
                    severity: format!("{:?}", db.severity()).to_uppercase(),
                    code: db.code().to_owned(),
                    message: db.message().to_owned(),
                    detail: detail(db.code(), db.detail()).map(str::to_owned),
                    hint: db.hint().map(str::to_owned),
                    table: db.table().map(str::to_owned),
                    constraint: db.constraint().map(str::to_owned),
                }
            }
        }
    };
}

#[cfg(feature = "sqlx")]
of_sqlx!(of_sqlx, sqlx);
#[cfg(feature = "sqlx-0_8")]
of_sqlx!(of_sqlx_0_8, sqlx_0_8);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
