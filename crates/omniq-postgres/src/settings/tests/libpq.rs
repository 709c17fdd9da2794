//! What libpq's service files and variables add to an address.

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::home::Home;
use super::refusal;
use crate::settings::{DatabaseUrl, Settings};

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
    let url: DatabaseUrl = "postgresql://u@127.0.0.1/x".parse().unwrap();
    let private = Settings { url: Some(url.complete()), ..Settings::default() };
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
