//! The statements: each file under `sql/queries` is one. And the conversion of their parameters and rows.

#[cfg(test)]
mod added;
mod columns;
#[cfg(test)]
mod cursors;
#[cfg(test)]
mod expanded;
mod fragments;
#[cfg(test)]
mod heads;
pub(crate) mod jsonb;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod roles;
pub(crate) mod schema;
mod statement;
pub(crate) mod time;
mod values;

pub(crate) use self::columns::{Columns, Faults, count_of, stored_error, unsigned};
use self::schema::Schema;
pub(crate) use self::statement::{Late, Named, Param, Statement};
pub(crate) use self::values::{json, object, seconds, signed, unhex, uuids};

/// The blocks of `settle.sql` that a batch of settlements needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettleBlocks {
    pub(crate) results: bool,
    pub(crate) events: bool,
    /// For tasks that stay in the table: they come back, are dead letters, or are kept as completed.
    pub(crate) stays: bool,
    /// Skips rows that other sessions have locked, instead of waiting for them.
    pub(crate) past: bool,
    /// Tasks may come back. The text is the same, but claims begin at the front after it.
    pub(crate) back: bool,
}

impl SettleBlocks {
    fn all() -> [Self; 32] {
        std::array::from_fn(|bits| Self {
            results: bits & 1 > 0,
            events: bits & 2 > 0,
            stays: bits & 4 > 0,
            past: bits & 8 > 0,
            back: bits & 16 > 0,
        })
    }

    fn index(self) -> usize {
        [self.back, self.past, self.stays, self.events, self.results]
            .into_iter()
            .fold(0, |bits, bit| 2 * bits + usize::from(bit))
    }

    fn flags(self) -> Vec<&'static str> {
        let flags = [
            ("results", self.results),
            ("events", self.events),
            ("stays", self.stays),
            ("past", self.past),
            ("back", self.back),
        ];
        flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect()
    }
}

macro_rules! statements {
    ($($room:literal $name:ident,)*) => {
        /// All statements for one schema.
        #[derive(Debug)]
        pub(crate) struct Statements {
            $(pub(crate) $name: Late,)*
            settle_blocks: [Late; 32],
        }

        impl Statements {
            pub(crate) fn new(schema: &Schema) -> Self {
                Self {
                    $($name: Late::new(
                        schema,
                        stringify!($name),
                        include_str!(concat!("../../sql/queries/", $room, "/", stringify!($name), ".sql")),
                        &[],
                    ),)*
                    settle_blocks: SettleBlocks::all().map(|blocks| Late::new(schema, "settle", SETTLE, &blocks.flags())),
                }
            }

            /// Every text, by the name of its file; `settle` with the names of its blocks.
            pub(crate) fn all(&self) -> Vec<(String, &Statement)> {
                let mut all: Vec<(String, &Statement)> = vec![$((stringify!($name).to_owned(), &*self.$name)),*];
                let texts = SettleBlocks::all().into_iter().zip(&self.settle_blocks).filter(|(blocks, _)| !blocks.back);
                for (blocks, statement) in texts.skip(1) {
                    let name = [&["settle"][..], &blocks.flags()].concat().join("_");
                    all.push((name, &**statement));
                }
                all
            }
        }
    };
}

const SETTLE: &str = include_str!("../../sql/queries/settle/settle.sql");

omniq_macros::with_sql_files!(statements, "sql/queries");

impl Statements {
    /// Settles, and in the same statement stores results and logs events.
    pub(crate) fn settle(&self, blocks: SettleBlocks) -> &Statement {
        &self.settle_blocks[blocks.index()]
    }
}

/// A statement as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentStatement {
    /// The name of its file; for `settle`, with the names of its blocks. The same name is in the first line of the text.
    pub name: String,
    /// The name and the SQL type of each parameter: `$1` first. The types are sent with the text.
    pub params: Vec<(String, String)>,
    /// The text.
    pub sql: String,
}

/// The parameters as comments, one a line, and then the text.
impl std::fmt::Display for SentStatement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, (name, ty)) in self.params.iter().enumerate() {
            writeln!(f, "-- ${} {name} {ty}", number + 1)?;
        }
        f.write_str(&self.sql)
    }
}

/// Every statement as it is sent for this schema.
pub(crate) fn statements(schema: &str) -> omniq_core::Result<Vec<SentStatement>> {
    let statements = Statements::new(&Schema::new(schema)?);
    let sent = |(name, statement): (String, &Statement)| SentStatement {
        name,
        params: statement.params().collect(),
        sql: statement.text.clone(),
    };
    Ok(statements.all().into_iter().map(sent).collect())
}
