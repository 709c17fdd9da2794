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
pub(crate) use self::values::{hex, json, object, seconds, signed, unhex, uuids};

/// The blocks of `settle.sql` that a batch of settlements needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SettleBlocks {
    pub(crate) results: bool,
    pub(crate) events: bool,
    /// With tasks to enqueue. Rare, so that such a batch takes `stays` too, whether it has such tasks or not.
    pub(crate) enqueues: bool,
    /// For tasks that stay in the table: they come back, are dead letters, or are kept as completed.
    pub(crate) stays: bool,
    /// Skips rows that other sessions have locked, instead of waiting for them.
    pub(crate) past: bool,
    /// Tasks may come back. The text is the same, but claims begin at the front after it.
    pub(crate) back: bool,
}

impl SettleBlocks {
    const NUMBER: usize = 64;

    fn all() -> [Self; Self::NUMBER] {
        std::array::from_fn(|bits| Self {
            results: bits & 1 > 0,
            events: bits & 2 > 0,
            stays: bits & 4 > 0,
            past: bits & 8 > 0,
            back: bits & 16 > 0,
            enqueues: bits & 32 > 0,
        })
    }

    /// Those that are sent.
    fn sent() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|blocks| blocks.stays || !blocks.enqueues)
    }

    fn index(self) -> usize {
        [self.enqueues, self.back, self.past, self.stays, self.events, self.results]
            .into_iter()
            .fold(0, |bits, bit| 2 * bits + usize::from(bit))
    }

    fn flags(self) -> Vec<&'static str> {
        let flags = [
            ("results", self.results),
            ("events", self.events),
            ("enqueues", self.enqueues),
            ("stays", self.stays),
            ("past", self.past),
            ("back", self.back),
        ];
        flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect()
    }
}

/// The blocks of `settle_singles.sql` that a batch needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SinglesBlocks {
    pub(crate) results: bool,
    /// Some of the tasks may have results of earlier lives. Without `results` it means nothing.
    pub(crate) again: bool,
    pub(crate) events: bool,
}

impl SinglesBlocks {
    fn all() -> [Self; 8] {
        std::array::from_fn(|bits| Self { results: bits & 1 > 0, again: bits & 3 == 3, events: bits & 4 > 0 })
    }

    fn index(self) -> usize {
        usize::from(self.results) + 2 * usize::from(self.results && self.again) + 4 * usize::from(self.events)
    }

    fn flags(self) -> Vec<&'static str> {
        let flags = [("results", self.results), ("again", self.again), ("events", self.events)];
        flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect()
    }
}

macro_rules! statements {
    ($($room:literal $name:ident,)*) => {
        /// All statements for one schema.
        #[derive(Debug)]
        pub(crate) struct Statements {
            $(pub(crate) $name: Late,)*
            settle_blocks: [Late; SettleBlocks::NUMBER],
            singles_blocks: [Late; 8],
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
                    singles_blocks: SinglesBlocks::all()
                        .map(|blocks| Late::new(schema, "settle_singles", SINGLES, &blocks.flags())),
                }
            }

            /// Every text, by the name of its file; those of settlements with the names of their blocks.
            pub(crate) fn all(&self) -> Vec<(String, &Statement)> {
                let mut all: Vec<(String, &Statement)> = vec![$((stringify!($name).to_owned(), &*self.$name)),*];
                for blocks in SettleBlocks::sent().filter(|blocks| !blocks.back).skip(1) {
                    let name = [&["settle"][..], &blocks.flags()].concat().join("_");
                    all.push((name, self.settle(blocks)));
                }
                let texts = SinglesBlocks::all().into_iter().enumerate().filter(|(bits, blocks)| blocks.index() == *bits);
                for (bits, blocks) in texts.skip(1) {
                    let name = [&["settle_singles"][..], &blocks.flags()].concat().join("_");
                    all.push((name, &*self.singles_blocks[bits]));
                }
                all
            }
        }
    };
}

const SETTLE: &str = include_str!("../../sql/queries/settle/settle.sql");
const SINGLES: &str = include_str!("../../sql/queries/settle/settle_singles.sql");

omniq_macros::with_sql_files!(statements, "sql/queries");

impl Statements {
    /// Settles, and in the same statement stores results and logs events.
    pub(crate) fn settle(&self, blocks: SettleBlocks) -> &Statement {
        &self.settle_blocks[blocks.index()]
    }

    /// The same for tasks in rows of their own that leave the table.
    pub(crate) fn settle_singles(&self, blocks: SinglesBlocks) -> &Statement {
        &self.singles_blocks[blocks.index()]
    }
}

/// A statement as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentStatement {
    /// The name of its file; for `settle` and `settle_singles`, with the names of its blocks. The same name is in the first line of the text.
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
