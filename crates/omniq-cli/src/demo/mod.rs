//! `omniq demo`: finds the duplicate files below a folder, one task per file. Separate worker processes run the tasks,
//! in Rust and, where there is a Python with the package, in Python.
//!
//! In reading order: `find` walks the folder, `feed` enqueues a task per file, `crew` manages the worker processes
//! (`work`), which run `hash`, `watch` waits for the end, `report` reads the results and `show` prints them. `round`
//! makes an interrupted demo resume where it was.

mod crew;
mod feed;
mod file;
mod find;
mod hash;
mod language;
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
use omniq::backend::postgres::Placement;

use crate::args::Global;
use crate::connect::Database;
use crate::fail::{Exit, Failure, Result};
use crate::host::Host;
use crate::output::{Output, count, printable, shell_word};
use crate::span;

use crew::{Crew, Programs};
use feed::Feed;
use language::Language;
use progress::Progress;
use round::Round;
use show::Shown;
use stop::Stop;
use watch::End;
pub use work::work;

const HELP: &str = "\
Finds the duplicate files below a folder: a real job for a real queue. One task per regular file
reads it and stores its SHA-256, size and number of lines as its result; worker processes share the
work, those of this same command and, if there is a Python with the package omniq, one in Python.
Files that cannot be read are failed tasks with their error.

It can be interrupted at any time, also by a crash: the same command goes on with what is left.
Symbolic links are not followed. Without a configured database it starts the embedded server, and
stops it again at the end.

Examples:
  omniq demo
  omniq demo ~/Pictures --workers 4
  omniq demo --python .venv/bin/python
  omniq demo --json /usr/share/doc | jq '.groups[0]'";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct DemoArgs {
    /// The folder
    #[arg(default_value = "/usr/share", value_name = "DIR")]
    folder: PathBuf,
    /// How many worker processes in Rust
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// A Python with the package omniq: one more worker process runs in it [default: the one that runs this command, if any]
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
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

pub async fn run(args: &DemoArgs, global: &Global, host: &Host, out: &Output) -> Result<()> {
    if args.keep.is_zero() {
        return Err(Failure::usage(
            "--keep is 0: the results are read at the end, keep them at least for a while",
        ));
    }
    let folder = find::folder(&args.folder)?;
    let programs = Programs::find(host, args.python.as_ref()).await?;
    let mut stop = Stop::listen()?;
    let mut database = Database::find_or_private(global, out)?;
    for place in [&mut database.settings.results, &mut database.settings.events] {
        // The demo shows both, so neither may be off.
        if *place == Placement::Off {
            *place = Placement::Postgres;
        }
    }
    database.settings.result_ttl = Some(args.keep);
    let demo = Demo { args, global, host, programs, out, folder, database };
    let done = demo.open_and_run(&mut stop).await;
    let left = demo.database.leave();
    done.and(left)
}

struct Demo<'a> {
    args: &'a DemoArgs,
    global: &'a Global,
    host: &'a Host,
    programs: Programs,
    out: &'a Output,
    folder: PathBuf,
    database: Database,
}

impl Demo<'_> {
    async fn open_and_run(&self, stop: &mut Stop) -> Result<()> {
        let opened = self.database.work().await?;
        let done = self.run(opened.backend(), stop).await;
        let closed = opened.close().await;
        done?;
        Ok(closed?)
    }

    async fn run(&self, backend: &Backend, stop: &mut Stop) -> Result<()> {
        let begun = Instant::now();
        let mut round = Round::begin(backend, &self.folder, self.args.keep).await?;
        self.greet(&round);
        let orders = work::Orders {
            settings: self.database.settings.clone(),
            queue: round.queue().to_owned(),
            concurrency: self.args.concurrency.into(),
            lease: work::LEASE,
            grace: work::GRACE,
        };
        let mut crew = Crew::start(&orders, self.programs.clone(), self.team()).await?;
        let mut feed = Feed::start(backend.clone(), &round, self.folder.clone());
        let mut progress = Progress::new(self.out);
        let end = watch::until_done(backend, &round, &mut feed, &mut crew, &mut progress, stop).await;
        progress.end();
        feed.stop().await;
        if matches!(end, Ok(End::Interrupted)) {
            self.out.note("Stopping: the workers finish the files they are reading (Ctrl-C again: at once).");
        }
        // Also after an error: the workers must release their tasks and end before the database closes.
        let stopped = crew.stop(stop).await;
        let end = end?;
        stopped?;
        if end == End::Interrupted {
            return Err(self.interrupted(&progress));
        }

        let took = begun.elapsed();
        let report = report::read(backend, round.queue(), round.begun()).await?;
        round.finish(backend, &report, self.args.keep).await?;
        Shown { demo: self, report: &report, round: &round, took, session: progress.session() }
            .show(&feed.skipped(), self.out)?;
        match feed.found().iter().filter(|id| !report.ids.contains(id)).count() as u64 {
            0 => Ok(()),
            lost => Err(Failure::new(
                Exit::Failure,
                format!("{} files have no result: somebody else has removed their tasks", count(lost)),
            )),
        }
    }

    /// How many worker processes there are of each language.
    fn team(&self) -> Vec<(Language, u16)> {
        let mut team = vec![(Language::Rust, self.args.workers)];
        if self.programs.has_python() {
            team.push((Language::Python, 1));
        }
        team
    }

    fn greet(&self, round: &Round) {
        let folder = printable(&self.folder.to_string_lossy());
        let team: Vec<_> =
            self.team().into_iter().map(|(language, count)| format!("{count} in {language}")).collect();
        let team = team.join(" and ");
        let again = if round.resumed {
            format!(", going on with the run begun {}", round.age())
        } else {
            String::new()
        };
        self.out.note(format!("Reading the files below {folder} by worker processes, {team}{again}."));
    }

    fn interrupted(&self, progress: &Progress<'_>) -> Failure {
        let tally = progress.tally();
        let folder = shell_word(&self.args.folder.to_string_lossy());
        let message = format!(
            "interrupted after {} of {} files. `omniq demo{} {folder}` goes on from here.",
            count(tally.done),
            count(tally.found),
            self.global.repeated(),
        );
        Failure::new(Exit::Interrupted, message)
    }
}
