//! What libpq's service files, variables and password files add to an address.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::refusal;
use crate::settings::Settings;
use crate::settings::environment::Variables;

/// A user's folder, and the variables that name it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file, private as libpq wants it.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        permit(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }

    fn completed(&self, url: &str, given: &[(&str, &str)]) -> omniq_core::Result<Settings> {
        let mut variables: Variables =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        // The machine's own files are not read.
        for (name, folder) in [("HOME", self.0.path()), ("PGSYSCONFDIR", Path::new("/nowhere"))] {
            variables.entry(name.to_owned()).or_insert_with(|| folder.into());
        }
        Settings::from_url(url).unwrap().completed_by(&variables)
    }

    /// The driver's configuration for each host.
    fn configs(&self, url: &str, given: &[(&str, &str)]) -> Vec<Config> {
        let configs = self.completed(url, given).and_then(|settings| settings.connect_configs());
        let (configs, _) = configs.unwrap_or_else(|error| panic!("{url} {given:?}: {error}"));
        configs.into_iter().map(|(config, _)| config).collect()
    }

    fn config(&self, url: &str, given: &[(&str, &str)]) -> Config {
        self.configs(url, given).remove(0)
    }

    fn password(&self, url: &str, given: &[(&str, &str)]) -> Option<String> {
        self.config(url, given).get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
    }
}

fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn tcp(name: &str) -> Host {
    Host::Tcp(name.into())
}

#[test]
fn variables_of_libpq_fill_in_what_the_address_leaves_open() {
    let home = Home::new();
    let all = [
        ("PGHOST", "envhost"),
        ("PGPORT", "6543"),
        ("PGUSER", "envuser"),
        ("PGPASSWORD", "geheim"),
        ("PGDATABASE", "envdb"),
        ("PGSSLMODE", "disable"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGOPTIONS", "-c work_mem=1MB"),
        ("PGAPPNAME", "envapp"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGCLIENTENCODING", "latin1"),
        ("PGDATA", "/x"),
        ("PGKRBSRVNAME", ""),
    ];
    let config = home.config("postgresql://", &all);
    assert_eq!(config.get_hosts(), [tcp("envhost")]);
    assert_eq!(
        (config.get_ports(), config.get_user(), config.get_dbname()),
        (&[6543][..], Some("envuser"), Some("envdb"))
    );
    assert_eq!(config.get_password(), Some(b"geheim".as_slice()));
    assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(config.get_application_name(), Some("envapp"));
    assert_eq!(home.completed("postgresql://", &all).unwrap().connect_timeout.as_secs(), 3);
    assert_eq!(
        home.completed("postgresql://", &all).unwrap().connect_configs().unwrap().1,
        "-c work_mem=1MB"
    );
    // What the address and the settings say wins.
    let own = "postgresql://me:own@db:1/app?sslmode=require&target_session_attrs=any&application_name=mine";
    let config = home.config(own, &all);
    assert_eq!(config.get_hosts(), [tcp("db")]);
    assert_eq!(
        (config.get_ports(), config.get_user(), config.get_dbname()),
        (&[1][..], Some("me"), Some("app"))
    );
    assert_eq!(config.get_password(), Some(b"own".as_slice()));
    assert_eq!(config.get_ssl_mode(), SslMode::Require);
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::Any);
    assert_eq!(config.get_application_name(), Some("mine"));
    // libpq's word for no limit leaves OmniQ's own.
    assert_eq!(home.completed(own, &[("PGCONNECT_TIMEOUT", "0")]).unwrap().connect_timeout.as_secs(), 10);
    // The private server is none of the user's.
    let private: Settings = Settings {
        url: Some("postgresql://u@127.0.0.1/x".parse::<crate::settings::DatabaseUrl>().unwrap().complete()),
        ..Settings::default()
    };
    let variables = all.map(|(name, value)| (name.to_owned(), value.into())).into();
    assert_eq!(private.completed_by(&variables).unwrap(), private);
}

#[test]
fn variables_that_cannot_be_honoured_are_refused_if_they_make_connections_safer() {
    let home = Home::new();
    let url = "postgresql://db/app";
    for (variable, value) in [
        ("PGREQUIREAUTH", "scram-sha-256"),
        ("PGREQUIREPEER", "postgres"),
        ("PGREQUIRESSL", "1"),
        ("PGSSLCRL", "/a.crl"),
        ("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
        ("PGGSSENCMODE", "require"),
    ] {
        refusal(home.completed(url, &[(variable, value)]), &[variable, "OmniQ cannot honour it"]);
    }
    refusal(
        home.completed(url, &[("PGSSLMODE", "on")]),
        &["PGSSLMODE: sslmode = \"on\" is refused", "verify-full"],
    );
    refusal(home.completed(url, &[("PGCONNECT_TIMEOUT", "soon")]), &["connect_timeout = \"soon\""]);
    assert!(home.completed(url, &[("PGREQUIREAUTH", ""), ("PGSSLMINPROTOCOLVERSION", "TLSv1.2")]).is_ok());
}

#[test]
fn a_service_wins_over_variables_and_the_address_over_both() {
    let home = Home::new();
    home.write(
        ".pg_service.conf",
        "[shop]\nhost=service\nport=1\nuser=su\npassword=geheim\napplication_name=sapp\ngssencmode=disable\ndbname=\n",
    );
    for (url, given) in [
        ("postgresql://?service=shop&user=me", &[("PGHOST", "env"), ("PGDATABASE", "envdb")][..]),
        ("service=shop user=me", &[("PGSERVICE", "nobody"), ("PGDATABASE", "envdb")]),
        ("postgresql://me@", &[("PGSERVICE", "shop"), ("PGDATABASE", "envdb")]),
    ] {
        let config = home.config(url, given);
        assert_eq!(config.get_hosts(), [tcp("service")], "{url}");
        assert_eq!(
            (config.get_ports(), config.get_user(), config.get_dbname()),
            (&[1][..], Some("me"), Some("envdb"))
        );
        assert_eq!(config.get_password(), Some(b"geheim".as_slice()));
        assert_eq!(config.get_application_name(), Some("sapp"));
    }
}

#[test]
fn service_files_are_looked_for_where_libpq_does() {
    let (home, machine) = (Home::new(), Home::new());
    let host = |given: &[(&str, &str)]| home.config("postgresql://?service=s", given).get_hosts().to_vec();
    machine.write("pg_service.conf", "[s]\nhost=machine\n");
    let folder = machine.0.path().to_str().unwrap();
    assert_eq!(host(&[("PGSYSCONFDIR", folder)]), [tcp("machine")]);
    home.write(".pg_service.conf", "[other]\nhost=x\n");
    assert_eq!(host(&[("PGSYSCONFDIR", folder)]), [tcp("machine")]);
    home.write(".pg_service.conf", "[s]\nhost=home\n");
    assert_eq!(host(&[("PGSYSCONFDIR", folder)]), [tcp("home")]);
    let named = home.write("named.conf", "[s]\nhost=named\n");
    assert_eq!(host(&[("PGSYSCONFDIR", folder), ("PGSERVICEFILE", &named)]), [tcp("named")]);
    let url = format!("postgresql://?service=s&servicefile={named}");
    assert_eq!(home.config(&url, &[("PGSERVICEFILE", "/nowhere")]).get_hosts(), [tcp("named")]);
}

#[test]
fn a_bad_service_is_refused_with_its_file_and_line() {
    let home = Home::new();
    let file = home.write(
        "s.conf",
        "[a]\nhost=db\n[b]\nnonsense\n[c]\nmy geheim=1\n[d]\nport=x\n[e]\nservice=a\n[f]\nrequire_auth=md5",
    );
    let completed = |service: &str, file: &str| {
        home.completed(&format!("postgresql://?service={service}"), &[("PGSERVICEFILE", file)])
    };
    for (service, words) in [
        ("b", &["s.conf: line 4 must be name=value"][..]),
        ("c", &["s.conf: line 6: ", "name=value", "sslmode"]),
        ("d", &["s.conf: line 8: port = \"x\" is refused"]),
        ("e", &["s.conf: line 10: a service cannot name another"]),
        ("f", &["s.conf: line 12: require_auth is refused"]),
        (
            "nobody",
            &[
                "service \"nobody\" is not defined: add a section [nobody] to one of ",
                "s.conf, /nowhere/pg_service.conf",
            ],
        ),
    ] {
        let outcome = completed(service, &file);
        assert!(!format!("{outcome:?}").contains("geheim"), "{outcome:?}");
        refusal(outcome, words);
    }
    refusal(completed("a", "/nowhere/s.conf"), &["service file /nowhere/s.conf cannot be read"]);
}

#[test]
fn passwords_are_found_as_libpq_finds_them() {
    let home = Home::new();
    home.write(".pgpass", "# hosts\nlocalhost:5432:*:me:local\na:5432:app:me:of a\nb:*:*:*:of b\n10.0.0.1:1:app:me:numeric\n*:*:*:nobody:x\n");
    let password = |url: &str| home.password(url, &[]);
    assert_eq!(password("postgresql://me@a/app").as_deref(), Some("of a"));
    assert_eq!(password("postgresql://me@a:1/app"), None);
    assert_eq!(password("postgresql://me@a/other"), None);
    // Without a host, and for the usual sockets.
    assert_eq!(password("postgresql://me@/app").as_deref(), Some("local"));
    assert_eq!(password("postgresql://me@%2Fvar%2Frun%2Fpostgresql/app").as_deref(), Some("local"));
    assert_eq!(password("postgresql://me@%2Fsomewhere/app"), None);
    assert_eq!(password("host=c hostaddr=10.0.0.1 port=1 user=me dbname=app"), None);
    assert_eq!(password("hostaddr=10.0.0.1 port=1 user=me dbname=app").as_deref(), Some("numeric"));
    // The user of the operating system, and the database of the user's name.
    let user = whoami::username().unwrap();
    home.write(".pgpass", &format!("*:*:{user}:{user}:mine"));
    assert_eq!(password("postgresql://a").as_deref(), Some("mine"));
    // The address, the service and PGPASSWORD win; PGPASSFILE names another file, and the address one that wins.
    let (one, two) = (home.write("one", "*:*:*:*:one"), home.write("two", "*:*:*:*:two"));
    let given = [("PGPASSFILE", one.as_str())];
    assert_eq!(home.password("postgresql://me@a/app", &given).as_deref(), Some("one"));
    assert_eq!(
        home.password(&format!("postgresql://me@a/app?passfile={two}"), &given).as_deref(),
        Some("two")
    );
    assert_eq!(home.password("postgresql://me:own@a/app", &given).as_deref(), Some("own"));
    let both = [given[0], ("PGPASSWORD", "env")];
    assert_eq!(home.password("postgresql://me@a/app", &both).as_deref(), Some("env"));
    assert_eq!(home.password("postgresql://me@a/app?passfile=/nowhere", &[]), None);
}

#[test]
fn each_host_has_the_password_of_its_own_line() {
    let home = Home::new();
    home.write(".pgpass", "a:1:*:*:of a\nb:2:*:*:of b\n");
    let configs = home.configs("postgresql://me@a:1,b:2,c:3/app", &[]);
    let passwords: Vec<_> = configs.iter().map(|config| config.get_password()).collect();
    assert_eq!(passwords, [Some(b"of a".as_slice()), Some(b"of b"), None]);
}

/// The log of what is done, as text.
fn logged(work: impl FnOnce()) -> String {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || log.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, work);
    let text = written.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_password_file_that_others_may_read_is_ignored_with_a_warning() {
    let home = Home::new();
    let file = home.write(".pgpass", "*:*:*:*:geheim");
    for mode in [0o640, 0o604, 0o660] {
        permit(Path::new(&file), mode);
        let log = logged(|| assert_eq!(home.password("postgresql://me@a/app", &[]), None));
        let words =
            [".pgpass is ignored: its group or others may access it; set its permissions to 0600", "WARN"];
        assert!(words.iter().all(|word| log.contains(word)) && !log.contains("geheim"), "{log}");
        // Nobody is warned of a file that is not needed.
        let log = logged(|| drop(home.password("postgresql://me:own@a/app", &[])));
        assert!(!log.contains("ignored"), "{log}");
    }
    permit(Path::new(&file), 0o600);
    assert_eq!(home.password("postgresql://me@a/app", &[]).as_deref(), Some("geheim"));
    let folder = home.0.path().to_str().unwrap();
    let log = logged(|| assert_eq!(home.password("postgresql://me@a/app", &[("PGPASSFILE", folder)]), None));
    assert!(log.contains("it is not a plain file"), "{log}");
    // Neither the settings nor an error shows what was found.
    let settings = home.completed("postgresql://me@a/app", &[("PGPASSWORD", "hidden")]).unwrap();
    assert!(!format!("{settings} {settings:?}").contains("hidden"), "{settings:?}");
}
