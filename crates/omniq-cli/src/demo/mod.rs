//! `omniq demo`: finds the duplicate files below a folder, one task per file, worked by processes of their own.
//!
//! In reading order: `find` walks the folder, `feed` enqueues a task per file, `crew` keeps the worker processes (`work`) that
//! run `hash`, `watch` waits for the end, `report` reads the results and `show` prints them. `round` is what makes
//! an interrupted demo go on where it was.

mod crew;
mod feed;
mod file;
mod find;
mod hash;
mod progress;
mod report;
mod round;
mod show;
mod stop;
mod watch;
mod work;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use omniq::Backend;
use omniq::backend::postgres::Part as Place;

use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Exit, Failure, Result};
use crate::output::{Output, count, shell_word};
use crate::span;

use crew::Crew;
use feed::Feed;
use progress::Progress;
use round::Round;
use stop::Stop;
use watch::End;
pub use work::work;

const LONG: &str = "\
Finds the duplicate files below a folder: a real job for a real queue. One task per regular file reads it and stores its \
SHA-256, size and number of lines as its result; worker processes of this same command share the work. Files that cannot \
be read are failed tasks with their error.

It can be interrupted at any time, also by a crash: the same command goes on with what is left. Symbolic links are not \
followed. Without a configured database it starts the embedded server, and stops it again at the end.";

const EXAMPLES: &str = "\
Examples:
  omniq demo
  omniq demo ~/Pictures --workers 4
  omniq demo --json /usr/share/doc | jq '.groups[0]'";

#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub struct DemoArgs {
    /// The folder
    #[arg(default_value = "/usr/share", value_name = "DIR")]
    folder: PathBuf,
    /// How many worker processes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How many files a worker process reads at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// How many groups of identical files to show
    #[arg(long, default_value_t = 10, value_name = "GROUPS")]
    top: usize,
    /// How long the results are kept, such as 12h or 7d
    #[arg(long, default_value = "7d", value_name = "SPAN", value_parser = span::duration)]
    keep: Duration,
}

pub async fn run(args: &DemoArgs, global: &Global, out: &Output) -> Result<()> {
    let folder = find::folder(&args.folder)?;
    if args.keep.is_zero() {
        return Err(Failure::usage(
            "--keep is 0: the results are read at the end, keep them at least for a while",
        ));
    }
    let stop = Stop::listen()?;
    let mut database = Database::find(global, out)?;
    for place in [&mut database.settings.results, &mut database.settings.events] {
        // Both are part of what is to be shown.
        if *place == Place::Off {
            *place = Place::Postgres;
        }
    }
    database.settings.result_ttl = Some(args.keep);
    let done = on(&database, args, folder, global, stop, out).await;
    let left = database.leave();
    done.and(left)
}

async fn on(
    database: &Database,
    args: &DemoArgs,
    folder: PathBuf,
    global: &Global,
    stop: Stop,
    out: &Output,
) -> Result<()> {
    let opened = database.work().await?;
    let done = demo(opened.backend(), database, args, folder, global, stop, out).await;
    let closed = opened.close().await;
    done?;
    Ok(closed?)
}

async fn demo(
    backend: &Backend,
    database: &Database,
    args: &DemoArgs,
    folder: PathBuf,
    global: &Global,
    mut stop: Stop,
    out: &Output,
) -> Result<()> {
    let begun = Instant::now();
    let mut round = Round::begin(backend, &folder, args.keep).await?;
    if round.resumed {
        out.note(format!("Going on with the run that was begun {}.", round.age()));
    }
    let orders = work::Orders {
        settings: database.settings.clone(),
        queue: round.queue().to_owned(),
        concurrency: args.concurrency.into(),
    };
    let mut crew = Crew::start(&orders, args.workers).await?;
    let mut feed = Feed::start(backend.clone(), &round, folder.clone());
    let mut progress = Progress::new(out);
    let end = watch::until_done(backend, &round, &mut feed, &mut crew, &mut progress, &mut stop).await;
    progress.end();
    feed.stop().await;
    // Also after an error: what the workers hold is handed back, and they end before the database does.
    if matches!(end, Ok(End::Interrupted)) {
        out.note("Stopping: the workers finish the files they are reading (Ctrl-C again: at once).");
    }
    let handed_back = crew.stop(&mut stop).await;
    let end = end?;
    handed_back?;

    let watch::Tally { done, found, .. } = progress.tally();
    if matches!(end, End::Interrupted) {
        let again = format!("omniq demo{} {}", global.repeated(), shell_word(&args.folder.to_string_lossy()));
        return Err(Failure::new(
            Exit::Interrupted,
            format!(
                "interrupted after {} of {} files. `{again}` goes on from here.",
                count(done),
                count(found)
            ),
        ));
    }
    let took = begun.elapsed();
    let report = report::read(backend, &round).await?;
    let missing = feed.found().iter().filter(|id| !report.ids.contains(id)).count();
    round.finish(backend, &report, args.keep).await?;
    let shown = show::Shown {
        report: &report,
        round: &round,
        database,
        args,
        global,
        took,
        session: progress.session(),
    };
    shown.show(feed.skipped(), out)?;
    if missing > 0 {
        return Err(Failure::new(
            Exit::Failure,
            format!(
                "{} files have no result: their tasks were removed by someone else",
                count(missing as u64)
            ),
        ));
    }
    Ok(())
}
