//! Whether a program fits a schema: decided from the table of migrations alone, so that a program can decide about migrations that are newer
//! than itself.

use omniq_core::{Error, Result};

use super::applied::{Applied, decisive, find, version};
use super::files::{Known, Part};
use crate::sql::schema::{Schema, quote_identifier};

/// Refuses a schema that was renamed, that has other migrations under the same numbers, or that a newer migration closed to this program.
pub(super) fn check(applied: &[Applied], schema: &Schema, parts: &[Part], known: Known) -> Result<()> {
    if let Some(Applied { home, .. }) = applied.iter().find(|row| row.home != schema.name()) {
        let (now, before) = (quote_identifier(schema.name()), quote_identifier(home));
        return Err(Error::config(format!(
            "schema {now} was renamed from {before}, the name that its functions know it by: give it back (alter schema {now} \
             rename to {before}), or make a schema of the new name and move the tasks by a program"
        )));
    }
    for part in parts {
        check_part(applied, schema, *part, known)?;
        check_beside(applied, schema, *part, known)?;
    }
    Ok(())
}

fn check_part(applied: &[Applied], schema: &Schema, part: Part, known: Known) -> Result<()> {
    for migration in known.of(part) {
        match find(applied, part, migration.version) {
            Some(row) if row.checksum != migration.checksum() => {
                return Err(Error::config(format!(
                    "migration {:04}_{} of the {part} in the database differs from the one that this version of OmniQ \
                     knows: it was made by an unreleased version; drop the schema with all its data, or name another",
                    row.version, row.name
                )));
            }
            _ => {}
        }
    }
    let program = known.version(part);
    let Some(row) = decisive(applied, part) else { return Ok(()) };
    let Applied { effect, version: breaking, name, release, .. } = row;
    if effect.usable_from() <= program {
        return Ok(());
    }
    Err(Error::schema_too_new(format!(
        "the {part} in schema {:?} are at version {}, and only programs at version {} or newer can use them; this one, OmniQ {}, is at \
         version {program}: migration {breaking:04}_{name} {effect}: update OmniQ to release {release}, which applied it, or to a newer one",
        schema.name(),
        version(applied, part),
        effect.usable_from(),
        env!("CARGO_PKG_VERSION"),
    )))
}

/// Refuses to have a part made beside parts that are newer than this program: the functions of one part use tables of others, and those of a
/// newer part may use what this program would not make.
fn check_beside(applied: &[Applied], schema: &Schema, part: Part, known: Known) -> Result<()> {
    if version(applied, part) > 0 {
        return Ok(());
    }
    let newer = Part::ALL.into_iter().find_map(|other| {
        let newest = applied.iter().filter(|row| row.is_of(other)).max_by_key(|row| row.version)?;
        (newest.version > known.version(other)).then_some((other, newest))
    });
    let Some((other, Applied { version, release, .. })) = newer else { return Ok(()) };
    Err(Error::schema_too_new(format!(
        "schema {:?} has no {part} yet, and this program, OmniQ {}, may not make them: the {other} there are at version {version}, and it \
         knows them up to version {}: run `omniq db migrate --part {part}` of release {release} or of a newer one",
        schema.name(),
        env!("CARGO_PKG_VERSION"),
        known.version(other),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::effect::Effect;
    use crate::migrate::files::{KNOWN, Migration};

    /// A program at version 1.
    const FIRST: Known = Known { tasks: KNOWN.tasks.split_at(1).0, ..KNOWN };

    fn row(part: Part, version: i32, effect: Effect) -> Applied {
        let known = FIRST.of(part).iter().find(|migration| migration.version == version);
        Applied {
            part: part.name().to_owned(),
            version,
            name: "name".to_owned(),
            checksum: known.map_or("unknown".to_owned(), Migration::checksum),
            at: String::new(),
            home: "omniq".to_owned(),
            effect,
            release: "9.9.9".to_owned(),
        }
    }

    fn adds() -> Effect {
        Effect::Adds { what: "a column".to_owned() }
    }

    fn breaks(below: i32) -> Effect {
        Effect::Breaks { below, reason: "column x is gone".to_owned() }
    }

    fn answer(rows: &[Applied]) -> Result<()> {
        check(rows, &Schema::new("omniq").unwrap(), &[Part::Tasks], FIRST)
    }

    #[test]
    fn what_adds_is_accepted_and_what_breaks_decides_from_which_version_on() {
        let tasks = |version, effect| row(Part::Tasks, version, effect);
        let first = tasks(1, adds());
        answer(&[]).unwrap();
        answer(&[first.clone(), tasks(2, adds()), tasks(3, adds())]).unwrap();
        let mut rows =
            vec![first, tasks(2, adds()), tasks(4, breaks(3)), tasks(5, breaks(2)), tasks(6, adds())];
        let error = answer(&rows).unwrap_err();
        assert!(error.is_schema_too_new(), "{error:?}");
        let words = [
            "the tasks in schema \"omniq\" are at version 6",
            "only programs at version 3 or newer",
            "is at version 1",
            "migration 0004_name breaks below 3: column x is gone",
            "update OmniQ to release 9.9.9",
        ];
        for words in words {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
        rows.iter_mut().for_each(|row| row.part = "results".to_owned());
        rows.push(row(Part::Tasks, 1, adds()));
        answer(&rows).expect("other parts do not matter");
    }

    #[test]
    fn a_migration_that_is_known_must_be_the_same_and_one_that_is_not_may_be_any() {
        let mut first = row(Part::Tasks, 1, adds());
        first.checksum = "other".to_owned();
        let error = answer(&[first, row(Part::Tasks, 2, adds())]).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("0001_name"), "{error:?}");
    }

    /// Found by a hostile reader: the functions of tasks use tables of results and events.
    #[test]
    fn a_part_is_not_made_beside_one_that_is_newer_than_the_program() {
        let check =
            |parts: &[Part], rows: &[Applied]| check(rows, &Schema::new("omniq").unwrap(), parts, FIRST);
        let tasks = [row(Part::Tasks, 1, adds()), row(Part::Tasks, 2, adds())];
        check(&[Part::Tasks], &tasks).unwrap();
        check(&Part::ALL, &tasks[..1]).unwrap();
        let error = check(&Part::ALL, &tasks).unwrap_err();
        assert!(error.is_schema_too_new(), "{error:?}");
        let words = [
            "no results yet",
            "the tasks there are at version 2",
            "up to version 1",
            "--part results` of release 9.9.9",
        ];
        for words in words {
            assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        }
        let all = [&tasks[..], &[row(Part::Results, 1, adds()), row(Part::Events, 1, adds())]].concat();
        check(&Part::ALL, &all).unwrap();
    }
}
