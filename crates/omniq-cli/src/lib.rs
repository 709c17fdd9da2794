//! The `omniq` command: looks into queues, results and events, runs the embedded server and the demo.

mod args;
mod command;
mod connect;
mod demo;
mod fail;
mod logging;
mod output;
mod record;
mod span;

use std::process::ExitCode;

use args::Cli;
use output::Output;

/// Runs the command with the arguments of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
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
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            failure.exit().into()
        }
    }
}
