//! Against a real server, which reports whether the session is encrypted.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use omniq_embedded::{Lifetime, Options, Programs, Server};
use tempfile::TempDir;

use super::issue::{Issued, authority, self_signed};
use crate::settings::Settings;

/// A server for one test, and its folder.
struct Running {
    server: Server,
    folder: TempDir,
}

impl Running {
    /// The preferred programs may be built without TLS, as those of Python packages are: then others are used.
    async fn start() -> Self {
        for programs in Programs::locate().into_iter().chain(Programs::installed()) {
            let folder = tempfile::tempdir().expect("a folder");
            // The server's user must be able to enter the folder when the tests run as root.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our folder");
            let options = Options::new(folder.path().join("pg"))
                .bin_dir(programs.bin_dir())
                .lifetime(Lifetime::Owned)
                .setting("fsync", "off");
            let running = Self { server: Server::start(options).expect("a server"), folder };
            let (client, _) =
                running.connect("127.0.0.1", "sslmode=disable").await.expect("a plain connection");
            if client.batch_execute("ALTER SYSTEM SET ssl = on").await.is_ok() {
                client.batch_execute("ALTER SYSTEM RESET ssl").await.expect("as it was");
                return running;
            }
        }
        panic!("no PostgreSQL on this machine is built with TLS");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The server writes the files, because it insists that it owns them.
    async fn turn_on(&self, certificate: &Issued, clients: Option<&Issued>) {
        let (client, _) = self.connect("127.0.0.1", "sslmode=disable").await.expect("a plain connection");
        let mut files = vec![
            ("server.crt", certificate.certificate.pem()),
            ("server.key", certificate.key.serialize_pem()),
        ];
        files.extend(clients.map(|clients| ("root.crt", clients.certificate.pem())));
        for (name, text) in files {
            let copy = format!(
                "COPY (SELECT regexp_split_to_table('{text}', '\n')) TO PROGRAM 'umask 077; cat > {name}'"
            );
            client.batch_execute(&copy).await.expect(name);
        }
        if clients.is_some() {
            client.batch_execute("ALTER SYSTEM SET ssl_ca_file = 'root.crt'").await.expect("a setting");
        }
        client.batch_execute("ALTER SYSTEM SET ssl = on").await.expect("a setting");
        client.batch_execute("SELECT pg_reload_conf()").await.expect("a reload");
        for _ in 0..500 {
            if self.connect("127.0.0.1", "sslmode=require").await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!(
            "the server does not take TLS: {}",
            fs::read_to_string(self.server.log_file()).expect("a log")
        );
    }

    /// A session, and whether the server calls it encrypted.
    async fn connect(&self, host: &str, query: &str) -> Result<(tokio_postgres::Client, bool), String> {
        let url = self.server.url().replace("127.0.0.1", host);
        let settings = Settings::from_url(&format!("{url}?{query}")).expect(query);
        let (config, tls) = settings.connect_config().expect(query);
        let (client, connection) = config.connect(tls).await.map_err(|error| {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        })?;
        tokio::spawn(connection);
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let encrypted = client.query_one(sql, &[]).await.map_err(|error| error.to_string())?.get(0);
        Ok((client, encrypted))
    }

    /// Expects an encrypted session (`true`) or a plain one (`false`).
    async fn accepts(&self, host: &str, query: &str, encrypted: bool) {
        match self.connect(host, query).await {
            Ok((_, got)) => assert_eq!(got, encrypted, "{host} {query}"),
            Err(error) => panic!("{host} {query}: {error}"),
        }
    }

    async fn refuses(&self, host: &str, query: &str, part: &str) {
        let error = self.connect(host, query).await.map(|(_, encrypted)| encrypted).expect_err(query);
        assert!(error.contains(part), "{host} {query}: {part} is missing in {error}");
    }
}

#[tokio::test]
async fn c29_tls_every_mode_against_a_server() {
    let running = Running::start().await;
    for mode in ["disable", "allow", "prefer"] {
        running.accepts("127.0.0.1", &format!("sslmode={mode}"), false).await;
    }
    running.refuses("127.0.0.1", "sslmode=require", "does not support TLS").await;

    let (ca, other) = (authority("ca"), authority("other"));
    let right = format!("sslrootcert={}", ca.own.write(running.path(), "right").display());
    let wrong = format!("sslrootcert={}", other.own.write(running.path(), "wrong").display());
    running.turn_on(&ca.server(&["localhost"]), None).await;
    // The certificate is for `localhost`, so 127.0.0.1 is the wrong name.
    for host in ["127.0.0.1", "localhost"] {
        running.accepts(host, "sslmode=disable", false).await;
        for mode in ["allow", "prefer", "require"] {
            running.accepts(host, &format!("sslmode={mode}"), true).await;
        }
        running.accepts(host, "channel_binding=require", true).await;
        for mode in ["require", "verify-ca"] {
            running.accepts(host, &format!("sslmode={mode}&{right}"), true).await;
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            running.refuses(host, &format!("sslmode={mode}&{wrong}"), "UnknownIssuer").await;
        }
        // As with libpq, a mode that promises no encryption checks nothing.
        running.accepts(host, &format!("sslmode=prefer&{wrong}"), true).await;
    }
    running.accepts("localhost", &format!("sslmode=verify-full&{right}"), true).await;
    running.refuses("127.0.0.1", &format!("sslmode=verify-full&{right}"), "certificate").await;
    if running.server.version() >= 17 {
        running
            .accepts("localhost", &format!("sslmode=verify-full&{right}&sslnegotiation=direct"), true)
            .await;
    }
    // The machine's root certificates do not include the test's authority.
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        return;
    }
    running.refuses("localhost", "sslmode=verify-full", "UnknownIssuer").await;
    running.refuses("localhost", "sslrootcert=system", "UnknownIssuer").await;
}

#[tokio::test]
async fn c29_tls_self_signed_against_a_server() {
    let running = Running::start().await;
    let server = self_signed(&["localhost"]);
    let itself = format!("sslrootcert={}", server.write(running.path(), "itself").display());
    let other = self_signed(&["localhost"]).write(running.path(), "other");
    running.turn_on(&server, None).await;
    running.accepts("localhost", "sslmode=require", true).await;
    running.accepts("localhost", &format!("sslmode=verify-full&{itself}"), true).await;
    running.refuses("127.0.0.1", &format!("sslmode=verify-full&{itself}"), "certificate").await;
    let other = format!("sslmode=verify-ca&sslrootcert={}", other.display());
    running.refuses("localhost", &other, "certificate").await;
}

#[tokio::test]
async fn c29_tls_client_certificate_against_a_server() {
    let running = Running::start().await;
    let (ca, clients, strangers) = (authority("ca"), authority("clients"), authority("strangers"));
    running.turn_on(&ca.server(&["localhost"]), Some(&clients.own)).await;
    let files = |issued: &Issued, name: &str| {
        let (cert, key) = (issued.write(running.path(), name), issued.write_key(running.path(), name));
        format!("sslmode=require&sslcert={}&sslkey={}", cert.display(), key.display())
    };
    let known = files(&clients.client("me"), "known");
    let (client, _) = running.connect("localhost", &known).await.expect("a known client");
    let sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let name: Option<String> = client.query_one(sql, &[]).await.expect("a row").get(0);
    assert_eq!(name.as_deref(), Some("/CN=me"));
    let unknown = files(&strangers.client("me"), "unknown");
    running.refuses("localhost", &unknown, "alert: Unk").await;
}

#[tokio::test]
async fn c29_tls_is_not_asked_of_a_socket() {
    let running = Running::start().await;
    running.turn_on(&self_signed(&["localhost"]), None).await;
    let folder = running.server.socket_dir().display().to_string().replace('/', "%2F");
    running.accepts(&folder, "sslmode=verify-full", false).await;
}
