//! SQL fragments that several statements share.

macro_rules! fragments {
    ($($folder:literal $name:ident,)*) => {
        /// The text of each `{name}` in statements.
        pub(crate) const FRAGMENTS: &[(&str, &str)] = &[$((
            concat!("{", stringify!($name), "}"),
            include_str!(concat!("../../sql/fragments/", stringify!($name), ".sql")),
        )),*];
    };
}

omniq_macros::with_sql_files!(fragments, "sql/fragments");
