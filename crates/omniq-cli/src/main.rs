//! The `omniq` command. All of its code is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    omniq_cli::main()
}
