//! The demo on the embedded server, which it starts and stops by itself. The commands that it suggests work.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Home, Ran, folder};

#[test]
fn the_demo_starts_and_stops_its_server_and_the_commands_it_prints_work() {
    let home = Home::new();
    // Some files there cannot be read even by root, so that the demo has failures to suggest.
    let ran = home.run(&["demo", "/proc/sys/vm"]).good();
    assert!(!home.is_running(), "{ran:?}");

    let (_, next) = ran.stdout.split_once("Where to look next\n").expect("a list of commands");
    let commands: Vec<_> =
        next.lines().filter_map(|line| line.find("omniq ").map(|start| &line[start..])).collect();
    assert!(commands.len() >= 4, "{next}");
    let programs = Path::new(env!("CARGO_BIN_EXE_omniq")).parent().expect("a folder");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    for command in commands {
        home.run(&["dev", "stop"]).good();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", &path).env("OMNIQ_HOME", home.path()).stdin(Stdio::null());
        if let Some(bin) = std::env::var_os("OMNIQ_TEST_PG_BIN") {
            shell.env("OMNIQ_PG_BIN", bin);
        }
        let looked = Ran::of(shell.env_remove("OMNIQ_URL")).good();
        let shows = ["hash_file", "completed", "count"].iter().any(|word| looked.stdout.contains(word));
        assert!(shows, "`{command}` shows nothing: {looked:?}");
    }
}

#[test]
fn a_server_that_ran_before_is_left_running() {
    let (home, folder) = (Home::new(), folder());
    std::fs::write(folder.path().join("one"), "1\n").expect("a file");
    home.run(&["dev", "start"]).good();
    // Issue 14, 15: the variables of libpq are for other servers, in the demo's workers, too.
    Ran::of(home.command(&["demo"]).arg(folder.path()).env("PGSSLMODE", "verify-full")).good();
    assert!(home.is_running());
}
