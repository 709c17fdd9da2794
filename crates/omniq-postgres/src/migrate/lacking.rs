//! What a database lacks of a program's migrations, and what the program says about it.

use omniq_core::{Error, Result};

use super::applied::{Applied, find, version};
use super::effect::Effect;
use super::files::{Known, Migration, Part};
use crate::sql::schema::Schema;

/// The migrations of these parts that the database lacks.
fn lacking(applied: &[Applied], parts: &[Part], known: Known) -> Vec<(Part, &'static Migration)> {
    known
        .wanted(parts)
        .filter(|(part, migration)| find(applied, *part, migration.version).is_none())
        .collect()
}

/// Refuses a schema that lacks a migration of these parts.
pub(super) fn check_complete(
    applied: &[Applied],
    schema: &Schema,
    parts: &[Part],
    known: Known,
) -> Result<()> {
    let lacking = lacking(applied, parts, known);
    let Some((_, first)) = lacking.first() else { return Ok(()) };
    let of = |part: &Part| {
        let part = *part;
        lacking.iter().filter(move |(of, _)| *of == part).map(|(_, migration)| *migration)
    };
    // Named, because the command migrates the parts of its own settings, which may be others.
    let options: String =
        parts.iter().filter(|part| of(part).next().is_some()).map(|part| format!(" --part {part}")).collect();
    // All, because one run applies them all.
    let warnings: String = parts
        .iter()
        // Programs that can use a part exist only if the part does.
        .filter(|part| version(applied, **part) > 0)
        .filter_map(|part| {
            of(part)
                .filter(|migration| matches!(migration.effect(), Effect::Breaks { .. }))
                .max_by_key(|migration| migration.effect().usable_from())
        })
        .map(|migration| format!("; migration {migration} {}: stop such programs first", migration.effect()))
        .collect();
    Err(Error::schema_missing(format!(
        "schema {:?} lacks migration {first}: run `omniq db migrate{options}` as the schema's owner, or connect as the owner with \
         migrate on{warnings}",
        schema.name(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::files::KNOWN;

    const fn one(
        part: &'static str,
        version: i32,
        name: &'static str,
        file: &'static [&'static str],
    ) -> Migration {
        Migration { version, name, part, files: file }
    }

    /// A program at version 4 of the tasks and at version 2 of the results, which was at version 1 before.
    const LATER: Known = Known {
        tasks: &[
            KNOWN.tasks[0],
            one("tasks", 2, "b", &["-- breaks below 2: column b"]),
            one("tasks", 3, "c", &["-- breaks below 3: column c"]),
            one("tasks", 4, "d", &["-- breaks below 2: column d"]),
        ],
        results: &[KNOWN.results[0], one("results", 2, "e", &["-- breaks below 2: column e"])],
        events: KNOWN.events.split_at(1).0,
    };

    fn first_of(parts: &[Part]) -> Vec<Applied> {
        let of = |part: &Part| Applied {
            part: part.name().to_owned(),
            version: 1,
            name: "name".to_owned(),
            checksum: LATER.of(*part)[0].checksum(),
            at: String::new(),
            home: "omniq".to_owned(),
            effect: Effect::Adds { what: "it".to_owned() },
            release: "1.0.0".to_owned(),
        };
        parts.iter().map(of).collect()
    }

    fn message(applied: &[Applied], parts: &[Part]) -> String {
        let error = check_complete(applied, &Schema::new("omniq").unwrap(), parts, LATER).unwrap_err();
        assert!(error.is_schema_missing(), "{error:?}");
        error.to_string()
    }

    /// Found by a hostile reader: only the first part was looked at, and only its first break.
    #[test]
    fn every_part_names_its_break_that_stops_most_programs() {
        let said = message(&first_of(&Part::ALL), &Part::ALL);
        let words = [
            "lacks migration 0002_b of the tasks: run `omniq db migrate --part tasks --part results` as",
            "; migration 0003_c of the tasks breaks below 3: column c: stop such programs first",
            "; migration 0002_e of the results breaks below 2: column e: stop such programs first",
        ];
        for words in words {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        assert_eq!(said.matches("breaks").count(), 2, "{said}");
    }

    #[test]
    fn a_part_that_is_not_there_has_no_programs_to_stop() {
        let said = message(&first_of(&[Part::Results]), &Part::ALL);
        let words = [
            "0001_tasks of the tasks",
            "--part tasks --part results --part events`",
            "0002_e of the results",
        ];
        for words in words {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        assert_eq!(said.matches("breaks").count(), 1, "{said}");
        let said = message(&first_of(&[Part::Results]), &[Part::Tasks]);
        assert!(said.contains("db migrate --part tasks`") && !said.contains("breaks"), "{said}");
        check_complete(&first_of(&[Part::Events]), &Schema::new("omniq").unwrap(), &[Part::Events], LATER)
            .unwrap();
    }
}
