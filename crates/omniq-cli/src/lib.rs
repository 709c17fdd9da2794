//! The `omniq` command: looks into queues, results and events, runs the embedded server and the demo.

mod args;
mod command;
mod connect;
mod demo;
mod fail;
mod host;
mod logging;
mod output;
mod record;
mod span;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Cli;
pub use host::Host;
use output::Output;

/// Runs the command with the arguments of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect(), Host::default()).into()
}

/// Runs the command with these arguments, the first of which is its name, and returns its exit code.
pub fn run(arguments: Vec<OsString>, host: Host) -> u8 {
    let cli = match Cli::read(arguments, host) {
        Ok(cli) => cli,
        Err(error) => {
            // If the help cannot be written, there is nowhere to report it.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(1);
        }
    };
    let out = Output::new(&cli.global);
    let done = logging::start(&cli.global).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new()?;
        let done = runtime.block_on(command::run(&cli, &out));
        // A thread may still wait for input that never comes.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => 0,
        Err(failure) => {
            out.failure(&failure);
            failure.exit() as u8
        }
    }
}
