//! The private server: one cluster in a folder of its own, with the given settings, until standard input ends.

use std::io::Read;
use std::path::PathBuf;

use omniq_embedded::{Lifetime, Options, Programs, Server, StopMode};

use crate::Failed;

/// `server FOLDER [KEY=VALUE …]`: prints one line of JSON with the server's address, then waits for standard input to end.
pub(crate) fn hold(mut args: impl Iterator<Item = String>) -> Result<(), Failed> {
    let folder = PathBuf::from(args.next().ok_or("server FOLDER [KEY=VALUE …]")?);
    let programs = match std::env::var_os("OMNIQ_PG_BIN") {
        Some(bin) => Programs::in_folder(bin)?,
        None => Programs::locate()?,
    };
    let mut options = Options::new(&folder).bin_dir(programs.bin_dir()).lifetime(Lifetime::Owned);
    for setting in args {
        let (key, value) = setting.split_once('=').ok_or("a setting is KEY=VALUE")?;
        options = options.setting(key, value);
    }
    let mut server = Server::start(options)?;
    println!(
        "{{\"url\": {:?}, \"version\": {:?}, \"bin\": {:?}, \"folder\": {:?}}}",
        server.url(),
        server.version().to_string(),
        programs.bin_dir(),
        folder,
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    server.stop(StopMode::Fast)?;
    Ok(())
}
