//! `omniq workers`: the registered workers.

use clap::Args;
use jiff::Timestamp;
use omniq::RegisteredWorker;

use super::with_backend;
use crate::args::Global;
use crate::fail::Result;
use crate::output::{Output, Tint, ago, shorten, took};
use crate::record::{self, WorkerRecord};

const HELP: &str = "\
Workers that live, and workers that were lost and whose tasks were not taken back yet. A program
that claims tasks itself, without a worker, is listed with no functions and no slots.

  slots  used and there, as of the last heartbeat: three in the span of a lease
  lease  how long its claims hold without a heartbeat
  since  when it registered

Examples:
  omniq workers
  omniq workers --json | jq '.[] | select(.lost) | .name'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct WorkersArgs {}

pub async fn run(global: &Global, out: &Output) -> Result<()> {
    with_backend(global, out, async |backend| {
        let workers = backend.queue().workers().await?;
        if out.is_json() {
            return out.json(&record::all::<_, WorkerRecord<'_>>(&workers));
        }
        if workers.is_empty() {
            return out.line("No workers.");
        }
        out.line(table(&workers, out))
    })
    .await
}

fn table(workers: &[RegisteredWorker], out: &Output) -> String {
    let now = Timestamp::now();
    let headers = ["name", "host", "version", "queues", "functions", "slots", "lease", "since", "state"];
    let mut table = out.table(&headers).right(&[5, 6]);
    for worker in workers {
        let info = &worker.info;
        let number = |number: Option<u32>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let slots = match info.slots {
            Some(slots) => format!("{}/{slots}", number(worker.used)),
            None => String::new(),
        };
        table.tinted([
            (info.name.clone(), None),
            (info.host.clone(), None),
            (info.version.clone(), None),
            (shorten(&info.queues.join(", "), 60), None),
            (shorten(&info.funcs.join(", "), 80), None),
            (slots, None),
            (took(info.lease), None),
            (ago(worker.started_at, now), None),
            if worker.lost { ("lost".into(), Some(Tint::Bad)) } else { ("alive".into(), Some(Tint::Good)) },
        ]);
    }
    table.render()
}
