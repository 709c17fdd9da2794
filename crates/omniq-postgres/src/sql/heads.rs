//! The heads of the statements, for tests, and a test that each says what its reviewer must know.
//!
//! `-- rows:` says which rows of `tasks` a statement changes: `new` (it only adds rows), `of one task` (it runs after `single_out.sql`), or
//! `whole` (all tasks of a row, or some by the row's bitmap). `-- cursors:` says whether claims that resume begin at the front after it:
//! `cleared`, `cleared if` a flag is set, or `kept`. `-- index:` names the indexes by which it finds rows of `tasks`; with `for` the index of a search
//! with these arguments.

use std::path::PathBuf;

use super::Statements;
use super::schema::Schema;

/// A file of `sql/queries`.
pub(super) struct Head {
    pub(super) name: String,
    /// Its folder.
    pub(super) room: String,
    lines: Vec<String>,
}

impl Head {
    pub(super) fn all() -> Vec<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sql/queries");
        let entries = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let last = |path: Option<&std::ffi::OsStr>| path.unwrap().to_str().unwrap().to_owned();
        let files = entries(folder).flat_map(entries);
        let mut all: Vec<_> = files
            .map(|path| Self {
                name: last(path.file_stem()),
                room: last(path.parent().unwrap().file_name()),
                lines: std::fs::read_to_string(&path)
                    .unwrap()
                    .lines()
                    .take_while(|line| line.starts_with("--"))
                    .map(ToOwned::to_owned)
                    .collect(),
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The head of the statement with this name; those of `settle` have the names of their blocks as well.
    pub(super) fn of(all: &[Self], statement: &str) -> usize {
        let name = if statement.starts_with("settle_") { "settle" } else { statement };
        all.iter().position(|head| head.name == name).unwrap_or_else(|| panic!("{name}.sql is there"))
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

#[test]
fn every_head_says_what_its_statement_does_to_tasks() {
    let sql = Statements::new(&Schema::new("omniq").unwrap());
    let (heads, all) = (Head::all(), sql.all());
    let mut bad = Vec::new();
    for (name, statement) in &all {
        let head = &heads[Head::of(&heads, name)];
        let text = &statement.text;
        let (adds, changes) = (
            text.contains("insert into \"omniq\".tasks"),
            text.contains("update \"omniq\".tasks") || text.contains("delete from \"omniq\".tasks"),
        );
        let (rows, cursors, writes) = (head.line("rows"), head.line("cursors"), head.line("writes"));
        let mut check = |holds: bool, what: &str| {
            if !holds {
                bad.push(format!("{name}.sql {what}"));
            }
        };
        check(
            !(adds || changes) || writes.split([',', ';']).any(|table| table.trim() == "tasks"),
            "changes tasks: `-- writes:` names them",
        );
        let writes_tasks = writes.split([',', ';']).any(|table| table.trim() == "tasks");
        check(
            !writes_tasks || ["new", "of one task", "whole"].contains(&rows),
            "writes tasks: add `-- rows: new`, `of one task` or `whole`",
        );
        check(
            !writes_tasks || ["kept", "cleared"].iter().any(|word| cursors.starts_with(word)),
            "writes tasks: add `-- cursors: kept`, `cleared` or `cleared if` with a flag",
        );
        check(rows != "new" || !changes, "changes rows, so they are not only `new`");
        check(
            rows != "of one task" || !changes || text.contains("t.count = 1"),
            "changes rows of one task: its condition says `t.count = 1`",
        );
        let moves = assignments(text).any(|set| {
            ["queue =", "priority =", "seq =", "state =", "(state"].iter().any(|word| set.contains(word))
        });
        check(
            !moves || cursors != "kept",
            "changes the order of claims: it clears the cursors, or says why not (`-- cursors: kept: …`)",
        );
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
