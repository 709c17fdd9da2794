//! The command line: options that every command takes, and the commands.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command::{db, dev, events, queues, results, schedules, tasks, workers};
use crate::demo;
use crate::host::Host;

const HELP: &str = "\
The database is the one that --url, OMNIQ_URL or the --config file names, else DATABASE_URL, else
the PG… variables of psql. If none of them does, a private PostgreSQL server of your own is used, and
started when it is needed (see `omniq dev`), unless OMNIQ_EMBEDDED=off forbids it.

Where to begin:
  omniq demo                          a real job: the duplicate files below /usr/share
  omniq queues                        the queues and what waits in them
  omniq workers                       who works on them
  omniq tasks list --state dead       what failed for good
  omniq events tail                   what happens right now

Settings: the defaults, the --config file, OMNIQ_… variables, --url; what comes later wins.
  OMNIQ_URL, OMNIQ_SCHEMA, …          every setting, by its name in capitals
  OMNIQ_LOG_LEVEL                     off, error, warn (the default), info, debug or trace; to stderr
  OMNIQ_EMBEDDED=off                  no private server: without a database, commands fail
  OMNIQ_HOME                          where the embedded server keeps its data
  OMNIQ_PG_BIN                        the folder of the PostgreSQL programs to use for it
  NO_COLOR                            no colours, like --no-color

Exit codes:
  0  done                             4  the database cannot be reached
  1  failed                           5  the time ran out, or a lock was held
  2  wrong usage or bad input         130  interrupted
  3  no such task, result or object";

#[derive(Debug, Parser)]
#[command(name = "omniq", version, about = "OmniQ, a task queue on PostgreSQL: this command shows what is in it and keeps it in order",
    after_help = HELP)]
#[command(arg_required_else_help = true, infer_long_args = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
    #[arg(skip)]
    pub host: Host,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Global {
    /// The database, such as postgresql://me@localhost/app (in place of OMNIQ_URL)
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// A TOML or YAML file with settings
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The schema that holds the tables [default: omniq]
    #[arg(long, global = true, value_name = "NAME")]
    pub schema: Option<String>,
    /// JSON for programs: one document, or one line per item for a stream
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more to stderr: -v info, -vv debug, -vvv trace; and the causes of an error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only the requested output and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// An example: find the duplicate files below a folder, one task per file
    Demo(demo::DemoArgs),
    /// Show the queues and their figures; pause and resume them
    Queues(queues::QueuesArgs),
    /// Show the workers: where they run, what they serve, how busy they are
    Workers(workers::WorkersArgs),
    /// Look at tasks; enqueue, change, cancel, retry and delete them
    Tasks(tasks::TasksArgs),
    /// Show schedules and their ticks; save, pause, resume, trigger and delete them
    Schedules(schedules::SchedulesArgs),
    /// Show the results of tasks
    Results(results::ResultsArgs),
    /// Show what happened to tasks, and when
    Events(events::EventsArgs),
    /// The schema: migrate it, or show where it stands
    Db(db::DbArgs),
    /// The embedded PostgreSQL server: start, stop, status, url, psql
    Dev(dev::DevArgs),
    /// A worker process of the demo; it reads its orders from standard input
    #[command(hide = true)]
    DemoWorker,
}

impl Cli {
    /// Reads the arguments. `--help` and usage mistakes are returned as errors that clap can print.
    pub fn read(arguments: Vec<OsString>, host: Host) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        for (name, about) in host.commands {
            command = command.subcommand(clap::Command::new(*name).about(*about));
        }
        // The help is printed before the options are read.
        if arguments.iter().any(|argument| argument == "--no-color") {
            command = command.color(clap::ColorChoice::Never);
        }
        let matches = command.try_get_matches_from_mut(arguments)?;
        let cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut Self::command()))?;
        Ok(Self { host, ..cli })
    }
}

impl Global {
    fn colors_wanted(&self) -> bool {
        !self.no_color
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    pub fn colors_on_stdout(&self) -> bool {
        self.colors_wanted() && std::io::stdout().is_terminal()
    }

    pub fn colors_on_stderr(&self) -> bool {
        self.colors_wanted() && std::io::stderr().is_terminal()
    }

    /// The options that lead another call of this command to the same database. The URL is left out because it may hold
    /// a password.
    pub fn repeated(&self) -> String {
        let mut text = String::new();
        if let Some(config) = &self.config {
            text.push_str(&format!(" --config {}", crate::output::shell_word(&config.to_string_lossy())));
        }
        if let Some(schema) = &self.schema {
            text.push_str(&format!(" --schema {}", crate::output::shell_word(schema)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    #[test]
    fn the_definition_holds_together() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        fn check(command: &Command, path: &str) {
            for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
                let path = format!("{path} {}", part.get_name());
                let help = part.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains(&path), "no example in the help of `{path}`");
                check(part, &path);
            }
        }
        check(&super::Cli::command(), "omniq");
    }
}
