//! Triggers beside the histories: pauses, a guard of rows of several tasks, and a note of which statements were executed. So a new
//! statement that changes tasks fails the histories until an act executes it, and if it changes rows whole without saying so.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use tokio_postgres::Client;

/// A statement that changes tasks sometimes pauses before its first change, and when it is done, while it holds its locks. A transaction of
/// several statements sometimes pauses between them, too. Its name, in the first line of its text, is noted.
const PAUSES: &str = "
    create table omniq.seen (statement text);
    create function omniq.statement() returns text language sql as $$ select substring(current_query() from '^-- omniq: (\\w+)') $$;
    create function omniq.pause() returns trigger language plpgsql as $$
    begin
        if not exists (select from omniq.seen where statement = omniq.statement()) then
            insert into omniq.seen values (omniq.statement());
        end if;
        if random() < 0.3 then perform pg_sleep(random() * 0.004); end if;
        return null;
    end $$;
    create trigger pause_before before insert or update or delete on omniq.tasks for each statement execute function omniq.pause();
    create trigger pause_after after insert or update or delete on omniq.tasks for each statement execute function omniq.pause();";

/// A row of several tasks is changed only by statements whose head says `-- rows: whole`: `{whole}` stands for their names.
const WHOLE_ROWS: &str = "
    create function omniq.whole_rows() returns trigger language plpgsql as $$
    begin
        if omniq.statement() <> all ('{{whole}}'::text[]) then
            raise exception 'the statement % changes a row of % tasks, though its head does not say: rows: whole',
                omniq.statement(), old.count;
        end if;
        return null;
    end $$;
    create trigger whole_rows after update or delete on omniq.tasks for each row
    when (old.count > 1) execute function omniq.whole_rows();";

/// Statements that write tasks and stand for no act: removals by age, and other forms of the enqueue. Those of schedules and of unique
/// tasks have walks of their own, and callers at once (`conformance/queue/unique`).
const NOT_PLAYED: [&str; 9] = [
    "prune",
    "enqueue_one",
    "enqueue_many",
    "enqueue_raw",
    "enqueue_unique",
    "enqueue_linked",
    "advance",
    "tick_schedules",
    "trigger_schedule",
];

pub(super) async fn install(client: &Client) {
    let whole: Vec<String> =
        writing().into_iter().filter(|(_, rows)| rows == "whole").map(|(name, _)| name).collect();
    let guards = [PAUSES, &WHOLE_ROWS.replace("{whole}", &whole.join(","))].concat();
    client.batch_execute(&guards).await.unwrap();
}

pub(super) async fn every_writing_statement_was_played(client: &Client) {
    let rows = client.query("select distinct statement from omniq.seen", &[]).await.unwrap();
    let seen: HashSet<Option<String>> = rows.iter().map(|row| row.get(0)).collect();
    let mut missing = writing();
    missing.retain(|(name, _)| !seen.contains(&Some(name.clone())) && !NOT_PLAYED.contains(&name.as_str()));
    assert!(
        missing.is_empty(),
        "no act executes {missing:?}: add one in conformance/queue/concurrent/plan.rs"
    );
}

/// The statements that write tasks, and what their heads say of the rows.
fn writing() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/queries");
    let entries = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries(folder).flat_map(entries);
    let rows = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let rows = text.lines().find_map(|line| line.strip_prefix("-- rows: "))?;
        Some((path.file_stem()?.to_str()?.to_owned(), rows.to_owned()))
    };
    files.filter_map(rows).collect()
}
