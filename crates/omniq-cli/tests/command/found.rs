//! Where the command finds its database, besides its own options and variables: on a real server, by the files and variables of libpq.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Bench, Ran, folder, omniq};

/// Host, port, user, password and database of a test's URL.
fn parts(url: &str) -> [String; 5] {
    let (credentials, rest) =
        url.strip_prefix("postgresql://").and_then(|url| url.split_once('@')).expect(url);
    let (user, password) = credentials.split_once(':').expect(url);
    let (address, database) = rest.split_once('/').expect(url);
    let (host, port) = address.split_once(':').expect(url);
    [host, port, user, password, database].map(str::to_owned)
}

fn write(folder: &Path, name: &str, text: String) {
    fs::write(folder.join(name), text).expect("a file");
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// Issue 14, 15.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_found_by_what_other_programs_use() {
    let bench = Bench::ready().await;
    bench.run(&["tasks", "enqueue", "add", "--queue", "here"]).good();
    let url = bench.db.url();
    let [host, port, user, password, database] = parts(&url);
    let home = folder();
    write(home.path(), ".pgpass", format!("{host}:{port}:*:{user}:{password}\n"));
    let service = format!("[shop]\nhost={host}\nport={port}\nuser={user}\ndbname={database}\n");
    write(home.path(), ".pg_service.conf", service);
    write(home.path(), "other", "*:*:*:*:wrong\n".to_owned());
    let other = home.path().join("other");
    let found = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = omniq();
        command.env("OMNIQ_EMBEDDED", "off").env("HOME", home.path()).envs(variables.iter().copied());
        Ran::of(command.arg("queues").args(arguments))
    };
    let here = |ran: Ran| assert!(ran.good().stdout.contains("here"));
    let pg = [("PGHOST", host.as_str()), ("PGPORT", &port), ("PGUSER", &user), ("PGDATABASE", &database)];
    here(found(&[], &[("DATABASE_URL", &url)]));
    here(found(&[], &[&pg[..], &[("PGPASSWORD", &password)]].concat()));
    here(found(&[], &pg));
    here(found(&[], &[("PGSERVICE", "shop")]));
    here(found(&["--url", "postgresql://?service=shop"], &[]));
    here(found(&["--url", &format!("postgresql://{user}@{host}:{port}/{database}")], &[]));
    // What is nearer wins: this server does not exist.
    found(&[], &[&pg[..], &[("DATABASE_URL", "postgresql://127.0.0.1:1/x?connect_timeout=1")]].concat())
        .fails_with(4, "127.0.0.1:1");
    // A wrong password is refused by the server, and the error names the host.
    let refused = found(&[], &[&pg[..], &[("PGPASSFILE", other.to_str().expect("plain"))]].concat());
    assert!(!refused.stderr.contains("wrong"), "{refused:?}");
    refused.fails_with(1, &format!("no connection to {host}:{port}: "));
    fs::set_permissions(home.path().join(".pgpass"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    found(&[], &pg).fails_with(2, "others may access it; set its permissions to 0600");
}
