//! The `omniq` command; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    omniq_cli::main()
}
