//! The creation of a database cluster, with its user and its database.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::account::Account;
use crate::error::{At, Kind, Result};
use crate::folder::{Folder, write_private};
use crate::programs::Programs;

/// Makes the cluster if it does not exist. It is made under another name and renamed when it is complete, so that an
/// interruption leaves nothing half done.
pub(crate) fn ensure(folder: &Folder, programs: &Programs, account: &Account, careless: bool) -> Result<()> {
    let data = folder.data();
    if data.exists() {
        return check_version(folder, programs);
    }
    let fresh = folder.root().join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).at("remove the unfinished", &fresh)?;
    }
    fs::create_dir(&fresh).and_then(|()| account.give(&fresh)).at("create", &fresh)?;
    initialize(folder, &fresh, programs, account, careless)?;
    let settings = fresh.join("postgresql.conf");
    let mut text = fs::read(&settings).at("read", &settings)?;
    text.extend_from_slice(b"\ninclude_if_exists = '../omniq.conf'\n");
    fs::write(&settings, text).at("write", &settings)?;
    create_database(&fresh, programs, account, careless)?;
    fs::rename(&fresh, &data).at("rename to", &data)?;
    let root = folder.root();
    fs::File::open(root).and_then(|file| file.sync_all()).at("write to disk", root)
}

fn initialize(
    folder: &Folder,
    fresh: &Path,
    programs: &Programs,
    account: &Account,
    careless: bool,
) -> Result<()> {
    // The server's user cannot read the folder's own password file, so it gets a temporary one.
    let passfile = folder.root().join("initial-password");
    write_private(&passfile, &folder.make_password()?)?;
    account.give(&passfile).at("give away", &passfile)?;
    let program = programs.program("initdb");
    let run = |locale: &str| {
        let mut command = account.command(&program);
        command.args(["--username=omniq", "--auth=scram-sha-256", "--encoding=UTF8"]);
        command.arg(format!("--locale={locale}")).arg("--pwfile").arg(&passfile).arg("-D").arg(fresh);
        if careless {
            command.arg("--no-sync");
        }
        finish(command, &program)
    };
    // Some systems have no locale of that name; `C` sorts the same.
    let result = match run("C.UTF-8") {
        Err(error) if error.to_string().contains("locale") => run("C"),
        result => result,
    };
    let _ = fs::remove_file(&passfile);
    result.map(|_| ())
}

/// Uses single-user mode, which needs no client program and no password.
fn create_database(fresh: &Path, programs: &Programs, account: &Account, careless: bool) -> Result<()> {
    let program = programs.program("postgres");
    let mut command = account.command(&program);
    command.arg("--single").arg("-D").arg(fresh);
    if careless {
        command.args(["-c", "fsync=off"]);
    }
    command.arg("postgres").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().at("run", &program)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(b"CREATE DATABASE omniq\n").at("write to", &program)?;
    }
    let output = child.wait_with_output().at("run", &program)?;
    let said = String::from_utf8_lossy(&output.stderr);
    // In this mode, a failed statement does not change the exit status.
    if !output.status.success() || said.contains("ERROR:") {
        return Err(failed(&program, &output).into());
    }
    Ok(())
}

fn finish(mut command: Command, program: &Path) -> Result<Output> {
    let output = command.output().at("run", program)?;
    if output.status.success() { Ok(output) } else { Err(failed(program, &output).into()) }
}

fn failed(program: &Path, output: &Output) -> Kind {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let output_text = String::from_utf8_lossy(&text).trim().to_owned();
    Kind::Failed { program: program.into(), status: output.status.to_string(), output: output_text }
}

fn check_version(folder: &Folder, programs: &Programs) -> Result<()> {
    let path = folder.data().join("PG_VERSION");
    let version = fs::read_to_string(&path).at("read the version in", &path)?;
    if version.trim() == programs.version().to_string() {
        return Ok(());
    }
    Err(Kind::Version {
        path: folder.root().into(),
        folder: version.trim().into(),
        bin: programs.bin_dir().into(),
        programs: programs.version(),
    }
    .into())
}
