//! The heads of the statements, for tests, and tests that each says what its reviewer must know.
//!
//! `-- rows:` says which rows of `tasks` a statement changes: `new` (it only adds rows), `of one task` (it runs after `single_out.sql`), or
//! `whole` (all tasks of a row, or some by the row's bitmap). `-- cursors:` says whether claims that resume begin at the front after it:
//! `cleared`, `cleared if` a flag is set, or `kept`; the test `cursors` executes each of them. `-- index:` names the indexes by which it
//! finds rows of `tasks`; with `for` the index of a search with these arguments.

use std::path::PathBuf;

use omniq_testkit::TestDb;

use super::schema::Schema;
use super::{Statement, Statements};
use crate::AsyncPostgresBackend;
use crate::settings::{Placement, Settings};

/// A file of `sql/queries`.
pub(super) struct Head {
    pub(super) name: String,
    /// Its folder.
    pub(super) room: String,
    lines: Vec<String>,
}

impl Head {
    fn new(name: &str, room: &str, file: &str) -> Self {
        let lines = file.lines().take_while(|line| line.starts_with("--")).map(ToOwned::to_owned);
        Self { name: name.to_owned(), room: room.to_owned(), lines: lines.collect() }
    }

    pub(super) fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql/queries");
        let entries = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let last = |path: Option<&std::ffi::OsStr>| path.unwrap().to_str().unwrap().to_owned();
        let files = entries(folder).flat_map(entries);
        let mut all: Vec<_> = files
            .map(|path| {
                let (name, room) = (last(path.file_stem()), last(path.parent().unwrap().file_name()));
                Self::new(&name, &room, &std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The head of the statement with this name; those of `settle` and `settle_singles` have the names of their blocks as well.
    pub(super) fn of(all: &[Self], statement: &str) -> usize {
        let named = |name: &str| all.iter().position(|head| head.name == name);
        let of_blocks = || {
            let files = ["settle_singles", "settle"].into_iter();
            files.filter(|file| statement.starts_with(&format!("{file}_"))).find_map(named)
        };
        named(statement).or_else(of_blocks).unwrap_or_else(|| panic!("{statement}.sql is there"))
    }

    /// The rests of the lines that begin with this word.
    pub(super) fn lines<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| {
            line.strip_prefix("-- ")?.strip_prefix(word)?.strip_prefix(':').map(str::trim)
        })
    }

    /// The first such line, or nothing.
    pub(super) fn line(&self, word: &str) -> &str {
        self.lines
            .iter()
            .find_map(|line| line.strip_prefix("-- ")?.strip_prefix(word)?.strip_prefix(": "))
            .unwrap_or("")
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.lines.iter().any(|line| line == "-- read only")
    }
}

/// The assignments of each update of `tasks` in this text.
fn assignments(text: &str) -> impl Iterator<Item = &str> {
    text.split("update \"omniq\".tasks t").skip(1).map(|rest| rest.split("from ").next().unwrap_or(rest))
}

/// What a head leaves out or has wrong.
fn faults(head: &Head, text: &str) -> Vec<&'static str> {
    let (adds, changes) = (
        text.contains("insert into \"omniq\".tasks"),
        text.contains("update \"omniq\".tasks") || text.contains("delete from \"omniq\".tasks"),
    );
    let (rows, cursors, writes) = (head.line("rows"), head.line("cursors"), head.line("writes"));
    let writes_tasks = writes.split([',', ';']).any(|table| table.trim() == "tasks");
    // `worker`: ready and running tasks are in one state.
    let order = ["queue =", "priority =", "seq =", "state =", "(state", "worker = null", "expires_at ="];
    let moves = assignments(text).any(|set| order.iter().any(|word| set.contains(word)));
    let checks = [
        (!(adds || changes) || writes_tasks, "changes tasks: `-- writes:` names them"),
        (
            !writes_tasks || ["new", "of one task", "whole"].contains(&rows),
            "writes tasks: add `-- rows: new`, `of one task` or `whole`",
        ),
        (
            !writes_tasks || ["kept", "cleared"].iter().any(|word| cursors.starts_with(word)),
            "writes tasks: add `-- cursors: kept`, `cleared` or `cleared if` with a flag",
        ),
        (rows != "new" || !changes, "changes rows, so they are not only `new`"),
        (
            rows != "of one task" || !changes || text.contains("t.count + 0 = 1"),
            "changes rows of one task: its condition says `{of_one}`",
        ),
        (
            !(moves || adds && rows != "new") || cursors != "kept",
            "changes the order of claims, or adds rows in place of others: it clears the cursors, or says why not (`-- cursors: kept: …`)",
        ),
        (
            rows != "whole" || cursors != "kept",
            "locks rows that claims pass over meanwhile: it clears the cursors, or says why not (`-- cursors: kept: …`)",
        ),
        (
            !head.is_read_only() || head.lines("writes").chain(head.lines("locks")).next().is_none(),
            "is sent again after a failure as `-- read only`: it neither writes nor locks",
        ),
    ];
    checks.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| what).collect()
}

#[test]
fn every_head_says_what_its_statement_does_to_tasks() {
    let sql = Statements::new(&Schema::new("omniq").unwrap());
    let heads = Head::all();
    let bad = sql.all().into_iter().flat_map(|(name, statement)| {
        let faults = faults(&heads[Head::of(&heads, &name)], &statement.text);
        faults.into_iter().map(move |what| format!("{name}.sql {what}"))
    });
    let bad: Vec<_> = bad.collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_head_that_is_wrong_is_noticed() {
    let schema = Schema::new("omniq").unwrap();
    for (head, body, fault) in [
        (
            "rows: of one task\n-- cursors: kept",
            "update T t set worker = null from l where t.count + 0 = 1",
            "order of",
        ),
        (
            "rows: of one task\n-- cursors: kept",
            "update T t set priority = 1 from l where t.count + 0 = 1",
            "order of",
        ),
        ("rows: of one task\n-- cursors: kept", "insert into T (id) select", "in place of others"),
        ("rows: whole\n-- cursors: kept", "delete from T t", "pass over"),
        ("rows: whole", "delete from T t", "add `-- cursors"),
        ("cursors: kept", "insert into T (id) select", "add `-- rows"),
        ("rows: new\n-- cursors: kept", "delete from T t", "not only `new`"),
        ("rows: of one task\n-- cursors: kept", "delete from T t", "`{of_one}`"),
        ("read only", "select write()", "neither writes"),
    ] {
        let file = format!("-- writes: tasks\n-- {head}\n{}", body.replace('T', "{schema}.tasks"));
        let statement = Statement::new(&schema, "probe", &file, &[]);
        let faults = faults(&Head::new("probe", "room", &file), &statement.text);
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault:?} in {faults:?} of\n{file}");
    }
    let file = "-- locks: advisory\n-- read only\nselect lock()";
    assert_eq!(faults(&Head::new("probe", "room", file), file).len(), 1);
}

#[test]
fn a_statement_has_the_head_of_its_own_file() {
    let heads = ["settle", "settle_later", "settle_singles"].map(|name| Head::new(name, "settle", ""));
    let of = |name: &str| heads[Head::of(&heads, name)].name.as_str();
    assert_eq!(
        [of("settle"), of("settle_stays_past"), of("settle_later"), of("settle_singles_results")],
        ["settle", "settle", "settle_later", "settle_singles"]
    );
}

/// Neither the text nor the head shows what a function does.
#[tokio::test]
async fn what_is_read_only_calls_no_function_that_may_write() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events(Placement::Postgres).build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap().close().await.unwrap();
    let volatile = "select distinct p.proname::text from pg_catalog.pg_proc p
                    where p.provolatile = 'v' and p.proname <> 'clock_timestamp'
                      and p.pronamespace in ('pg_catalog'::regnamespace, 'omniq'::regnamespace)";
    let volatile = db.client().await.query(volatile, &[]).await.unwrap();
    let calls: Vec<_> = volatile.iter().map(|row| format!("{}(", row.get::<_, String>(0))).collect();
    let (sql, heads) = (Statements::new(&Schema::new("omniq").unwrap()), Head::all());
    let calls_any = |text: &str| {
        let begins = |at: usize| !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        calls.iter().find(|call| text.match_indices(call.as_str()).any(|(at, _)| begins(at)))
    };
    assert!(calls_any(&sql.roll_up_counts.text).is_some() && calls_any(&sql.resume.text).is_some());
    for (name, statement) in sql.all() {
        if heads[Head::of(&heads, &name)].is_read_only() {
            assert_eq!(calls_any(&statement.text), None, "{name}.sql");
        }
    }
}
