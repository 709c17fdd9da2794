//! A statement: its file, parsed into text, parameters and types.
//!
//! A file begins with comments, its head: what it does, `-- params:` with the name and type of each parameter, and `-- read only` if it may
//! be sent again and to a server that takes no writes. The rest of the head is for readers and tests, which the test `heads` lists; of it,
//! `-- cursors: cleared` and `cleared if flag` have an effect (`db/returns.rs`). In the text, `:name` is a parameter and `{name}` a fragment
//! or a name of the schema. Lines between `-- if flag`, `-- else` and `-- end` are sent only if the flag is set (or not set).

use std::ops::Deref;
use std::sync::OnceLock;

use tokio_postgres::types::{Kind, ToSql, Type};

use super::fragments::FRAGMENTS;
use super::schema::Schema;

/// The value of a parameter.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

/// A parameter with its name in the file.
pub(crate) type Named<'a> = (&'static str, Param<'a>);

/// One statement, ready to be sent.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    /// The parameters that the text uses, in their order.
    names: Vec<String>,
    pub(crate) types: Vec<Type>,
    pub(crate) reads: bool,
    /// Tasks may come back to where claims have passed, so claims begin at the front after it.
    pub(crate) clears_cursors: bool,
}

impl Statement {
    /// Parses a file with these flags set. Panics if the file is malformed; the tests parse each file.
    pub(crate) fn new(schema: &Schema, name: &str, file: &str, flags: &[&str]) -> Self {
        let (head, body) = split(file);
        let declared = declared(&head);
        let body = with_fragments(&chosen(&body, flags));
        let (text, used) = numbered(&body, &declared);
        let (names, types) = used.into_iter().map(|index| declared[index].clone()).unzip();
        Self {
            // The name shows in pg_stat_activity and in the server's log.
            text: format!("-- omniq: {name}\n{}", schema.fill(&text, &[])),
            names,
            types,
            reads: head.contains(&"-- read only"),
            clears_cursors: head.iter().any(|line| {
                let rest = line.strip_prefix("-- cursors: cleared");
                rest.is_some_and(|rest| rest.strip_prefix(" if ").is_none_or(|flag| flags.contains(&flag)))
            }),
        }
    }

    /// The name and the SQL type of each parameter.
    pub(crate) fn params(&self) -> impl Iterator<Item = (String, String)> {
        let sql_name = |ty: &Type| match ty.kind() {
            Kind::Array(item) => format!("{}[]", item.name()),
            _ => ty.name().to_owned(),
        };
        self.names.iter().zip(&self.types).map(move |(name, ty)| (name.clone(), sql_name(ty)))
    }

    /// The values in the order of the text. `params` must be in the order of the file; those that the text does not use are skipped.
    pub(crate) fn values<'a>(&'a self, params: &'a [Named<'a>]) -> impl ExactSizeIterator<Item = Param<'a>> {
        let mut given = params.iter();
        self.names.iter().map(move |name| {
            let found = given.find(|(given, _)| given == name);
            found
                .unwrap_or_else(|| panic!("parameter {name} is not given, or not in the order of its file"))
                .1
        })
    }
}

/// A statement that is parsed when it is first used, because most programs use few of them, and tests open many storages.
#[derive(Debug)]
pub(crate) struct Late {
    schema: Schema,
    name: &'static str,
    file: &'static str,
    flags: Vec<&'static str>,
    statement: OnceLock<Statement>,
}

impl Late {
    pub(crate) fn new(
        schema: &Schema,
        name: &'static str,
        file: &'static str,
        flags: &[&'static str],
    ) -> Self {
        Self { schema: schema.clone(), name, file, flags: flags.to_vec(), statement: OnceLock::new() }
    }
}

impl Deref for Late {
    type Target = Statement;

    fn deref(&self) -> &Statement {
        self.statement.get_or_init(|| Statement::new(&self.schema, self.name, self.file, &self.flags))
    }
}

/// The comments at the beginning, and the rest of the lines.
fn split(file: &str) -> (Vec<&str>, Vec<&str>) {
    let lines: Vec<_> = file.lines().collect();
    let end = lines.iter().position(|line| !line.starts_with("--")).unwrap_or(lines.len());
    (lines[..end].to_vec(), lines[end..].to_vec())
}

/// The parameters with their types, in the order of the file.
fn declared(head: &[&str]) -> Vec<(String, Type)> {
    let declarations = head.iter().filter_map(|line| line.strip_prefix("-- params:"));
    declarations
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(|one| {
            let (name, ty) = one.split_once(' ').unwrap_or_else(|| panic!("parameter {one:?} has no type"));
            (name.to_owned(), type_of(ty))
        })
        .collect()
}

fn type_of(name: &str) -> Type {
    match name {
        "bigint" => Type::INT8,
        "bigint[]" => Type::INT8_ARRAY,
        "bit varying[]" => Type::VARBIT_ARRAY,
        "boolean" => Type::BOOL,
        "boolean[]" => Type::BOOL_ARRAY,
        "bytea" => Type::BYTEA,
        "bytea[]" => Type::BYTEA_ARRAY,
        "double precision" => Type::FLOAT8,
        "double precision[]" => Type::FLOAT8_ARRAY,
        "integer" => Type::INT4,
        "integer[]" => Type::INT4_ARRAY,
        "jsonb" => Type::JSONB,
        "smallint" => Type::INT2,
        "smallint[]" => Type::INT2_ARRAY,
        "text" => Type::TEXT,
        "text[]" => Type::TEXT_ARRAY,
        "timestamptz" => Type::TIMESTAMPTZ,
        "timestamptz[]" => Type::TIMESTAMPTZ_ARRAY,
        "uuid" => Type::UUID,
        "uuid[]" => Type::UUID_ARRAY,
        other => panic!("type {other:?} is not known here"),
    }
}

/// The lines outside of blocks and in the blocks that the flags select.
fn chosen(body: &[&str], flags: &[&str]) -> String {
    let mut text = String::new();
    let mut open: Option<bool> = None;
    for line in body {
        match (line.strip_prefix("-- if "), *line) {
            (Some(flag), _) => open = Some(flags.contains(&flag)),
            (None, "-- else") => open = open.map(|chosen| !chosen),
            (None, "-- end") => open = None,
            _ if open != Some(false) => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    text
}

fn with_fragments(text: &str) -> String {
    let mut text = text.to_owned();
    // Fragments may name other fragments.
    for _ in 0..2 {
        for (name, fragment) in FRAGMENTS {
            text = text.replace(name, fragment.trim_end());
        }
    }
    text
}

/// The text with `$1` and so on in place of names, and the indexes of the parameters that it uses.
fn numbered(text: &str, declared: &[(String, Type)]) -> (String, Vec<usize>) {
    let names: Vec<_> = declared.iter().map(|(name, _)| name.as_str()).collect();
    let mut used: Vec<usize> = Vec::new();
    each_name(text, |name| {
        let index = names.iter().position(|declared| *declared == name);
        used.push(index.unwrap_or_else(|| panic!("parameter {name} is not declared")));
        String::new()
    });
    used.sort_unstable();
    used.dedup();
    let text = each_name(text, |name| {
        let number = used.iter().position(|index| names[*index] == name).map_or(0, |position| position + 1);
        format!("${number}")
    });
    (text, used)
}

/// Replaces each `:name`, but not `::type` and not the bound of a slice as in `[a:b]`, which follows a letter or a digit.
fn each_name(text: &str, mut replace: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("--") {
            out.push_str(line);
            continue;
        }
        let mut from = 0;
        while let Some(at) = line[from..].find(':').map(|at| from + at) {
            let before = line[..at].chars().next_back().unwrap_or(' ');
            let after = &line[at + 1..];
            let starts = !(before.is_ascii_alphanumeric() || matches!(before, '_' | ':' | ')' | ']'))
                && after.starts_with(|c: char| c.is_ascii_lowercase());
            if starts {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                out.push_str(&line[from..at]);
                out.push_str(&replace(&after[..end]));
                from = at + 1 + end;
            } else {
                out.push_str(&line[from..=at]);
                from = at + 1;
            }
        }
        out.push_str(&line[from..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(file: &str, flags: &[&str]) -> Statement {
        Statement::new(&Schema::new("s").unwrap(), "probe", file, flags)
    }

    #[test]
    fn parameters_are_numbered_in_the_order_of_the_file() {
        let file = "-- What.\n-- params: a text, b integer[],\n-- params: c bigint\n-- read only\nselect :c::text, (:b)[1:2], x[p:q], :a, :c";
        let read = statement(file, &[]);
        assert_eq!(read.text, "-- omniq: probe\nselect $3::text, ($2)[1:2], x[p:q], $1, $3\n");
        assert_eq!(read.types, [Type::TEXT, Type::INT4_ARRAY, Type::INT8]);
        assert!(read.reads);
    }

    #[test]
    fn blocks_take_their_parameters_with_them() {
        let file = "-- params: a text, b text, c text\nselect :a\n-- if more\n  , :b\n-- else\n  , null\n-- end\n  , :c";
        assert_eq!(statement(file, &["more"]).text, "-- omniq: probe\nselect $1\n  , $2\n  , $3\n");
        let short = statement(file, &[]);
        assert_eq!(short.text, "-- omniq: probe\nselect $1\n  , null\n  , $2\n");
        let values: [Named<'_>; 3] = [("a", &"1"), ("b", &"2"), ("c", &"3")];
        assert_eq!(format!("{:?}", short.values(&values).collect::<Vec<_>>()), "[\"1\", \"3\"]");
    }

    #[test]
    fn cursors_are_cleared_always_or_with_a_flag() {
        for (head, flags, cleared) in [
            ("cleared", &[][..], true),
            ("cleared, because of locks", &[], true),
            ("cleared if back", &["back"], true),
            ("cleared if back", &["past"], false),
            ("kept: nothing is cleared", &["back"], false),
        ] {
            let found = statement(&format!("-- cursors: {head}\nselect 1"), flags).clears_cursors;
            assert_eq!(found, cleared, "{head} with {flags:?}");
        }
    }

    #[test]
    #[should_panic(expected = "parameter b is not given")]
    fn a_missing_value_is_a_mistake() {
        let read = statement("-- params: a text, b text\nselect :a, :b", &[]);
        let _ = read.values(&[("a", &"1")]).count();
    }
}
