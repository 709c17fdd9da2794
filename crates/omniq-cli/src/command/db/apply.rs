//! `omniq db migrate`: each database in turn, once this program fits them all.

use omniq::migrate::{self, PartStatus};

use super::status::{self, Target};
use crate::fail::Result;
use crate::output::Output;

pub async fn run(targets: &[Target], out: &Output) -> Result<()> {
    let mut newer = Vec::new();
    // Before any is changed, because what is done to one stays when another refuses.
    for (settings, parts) in targets {
        for status in migrate::status(settings, parts).await? {
            match status.check() {
                Err(error) if !error.is_schema_missing() => return Err(error.into()),
                _ => {}
            }
            let PartStatus { part, version, program, .. } = status;
            if version > program {
                newer.push(format!("the {part} are at version {version}, this program is at {program}"));
            }
        }
    }
    let mut done = Vec::new();
    for (settings, parts) in targets {
        match migrate::migrate(settings, parts).await {
            Ok(more) => done.extend(more),
            Err(error) => {
                if !done.is_empty() {
                    status::applied(&done, out)?;
                }
                return Err(error.into());
            }
        }
    }
    if !done.is_empty() || out.is_json() {
        return status::applied(&done, out);
    }
    if newer.is_empty() {
        return out.line("Nothing to do: the schema is up to date.");
    }
    let newer = newer.join("; ");
    out.line(format!("Nothing to do: the schema is newer than this program, which can use it ({newer})."))
}
