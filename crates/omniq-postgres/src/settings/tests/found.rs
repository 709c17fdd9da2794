//! Where the database is found: the settings of OmniQ, then `DATABASE_URL`, then the `PG…` variables.

use std::fs;

use super::refusal;
use crate::settings::environment::Variables;
use crate::settings::{Settings, Values};

fn variables(given: &[(&str, &str)]) -> Variables {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

fn found(given: &[(&str, &str)]) -> omniq_core::Result<Settings> {
    Settings::load_with(None, None, &variables(given))
}

/// The address, as text without its password.
fn url(given: &[(&str, &str)]) -> Option<String> {
    found(given).unwrap_or_else(|error| panic!("{given:?}: {error}")).url.map(|url| url.to_string())
}

const OURS: (&str, &str) = ("OMNIQ_URL", "postgresql://ours/a");
const COMMON: (&str, &str) = ("DATABASE_URL", "postgresql://me:geheim@common/b");
const PG: (&str, &str) = ("PGHOST", "pg");

#[test]
fn the_nearest_source_names_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("omniq.toml");
    fs::write(&file, "url = 'postgresql://file/c'").unwrap();
    let all = variables(&[OURS, COMMON, PG]);
    let of = |settings: Settings| settings.url.unwrap().to_string();
    let given = Settings::load_with(Some(&file), Some("postgresql://given/d"), &all).unwrap();
    assert_eq!(of(given), "postgresql://given/d");
    assert_eq!(of(Settings::load_with(Some(&file), None, &all).unwrap()), "postgresql://ours/a");
    let without_ours = variables(&[COMMON, PG]);
    assert_eq!(of(Settings::load_with(Some(&file), None, &without_ours).unwrap()), "postgresql://file/c");
    assert_eq!(url(&[COMMON, PG]).unwrap(), "postgresql://me:***@common/b");
    assert_eq!(url(&[PG]).unwrap(), "postgresql://pg");
    assert_eq!(url(&[]), None);
    assert_eq!(url(&[("OMNIQ_URL", ""), ("DATABASE_URL", ""), ("PGHOST", "")]), None);
}

#[test]
fn variables_of_libpq_name_a_database_or_change_a_connection() {
    for (given, wanted) in [
        (&[("PGHOST", "a,b"), ("PGPORT", "1,2"), ("PGDATABASE", "x")][..], Some("postgresql://a:1,b:2/x")),
        (&[("PGDATABASE", "x")], Some("postgresql:///x")),
        (&[("PGPORT", "5433")], Some("postgresql://?port=5433")),
        (&[("PGHOSTADDR", "10.0.0.1")], Some("postgresql://?hostaddr=10.0.0.1")),
        (&[("PGSERVICE", "s"), ("PGHOST", "a")], Some("postgresql://?service=s")),
        (&[("PGUSER", "me"), ("PGPASSWORD", "geheim"), ("PGSSLMODE", "require"), ("PGDATA", "/x")], None),
    ] {
        assert_eq!(url(given).as_deref(), wanted, "{given:?}");
    }
    refusal(found(&[("PGPORT", "five")]), &["PGPORT: port = \"five\" is refused", "65535"]);
}

#[test]
fn a_database_url_is_that_of_other_programs_too() {
    // Of another system: the next source is asked.
    for other in
        ["mysql://root:geheim@db/app", "sqlite:///db.sqlite3", "sqlite+aiosqlite://", "mongodb+srv://db", "x"]
    {
        assert_eq!(url(&[("DATABASE_URL", other)]), None, "{other}");
        assert_eq!(url(&[("DATABASE_URL", other), PG]).unwrap(), "postgresql://pg");
    }
    // Where no other database is named, the error says why this one is not taken.
    for (other, what) in [
        ("mysql://root:geheim@db/app", "it is a mysql:// URL"),
        ("sqlite+aiosqlite://", "it is a sqlite+aiosqlite:// URL"),
        ("root:geheim@x://y", "it is no postgresql:// URL"),
    ] {
        let off = [("OMNIQ_EMBEDDED", "off"), ("DATABASE_URL", other)];
        let forbidden = Settings::default().check_embedded_by(&variables(&off));
        let words = [
            "forbidden by OMNIQ_EMBEDDED = off: url is missing",
            "(DATABASE_URL is not read, because ",
            what,
        ];
        refusal(forbidden.map(|()| Settings::default()), &words);
        refusal(Settings::default().completed_by(&variables(&off)), &words[1..]);
    }
    // For another library: the user may not be able to change it.
    refusal(
        found(&[("DATABASE_URL", "postgresql+asyncpg://me:geheim@db/app")]),
        &["DATABASE_URL: ", "write postgresql://me:***@db/app", "set OMNIQ_URL, which is read first"],
    );
    refusal(
        found(&[("DATABASE_URL", "postgresql://db/app?schema=public")]),
        &["DATABASE_URL: its parameter schema may be meant for another program: set OMNIQ_SCHEMA"],
    );
    refusal(
        found(&[("DATABASE_URL", "postgresql://db/app?pgbouncer=true")]),
        &["DATABASE_URL: ", "pgbouncer"],
    );
    // It is not read where it is not needed.
    for place in ["memory", "postgresql://other/x"] {
        let parts =
            [("OMNIQ_TASKS", place), ("OMNIQ_RESULTS", "off"), ("DATABASE_URL", "postgresql+asyncpg://x")];
        assert_eq!(url(&parts), None, "{place}");
    }
    assert_eq!(url(&[OURS, ("DATABASE_URL", "postgresql+asyncpg://x")]).unwrap(), "postgresql://ours/a");
}

#[test]
fn settings_of_omniq_win_over_those_in_a_database_url() {
    let common = ("DATABASE_URL", "postgresql://db/app?application_name=shop&connect_timeout=3");
    let settings = found(&[common, ("OMNIQ_CONNECT_TIMEOUT", "7")]).unwrap();
    assert_eq!((settings.application_name.as_str(), settings.connect_timeout.as_secs()), ("shop", 7));
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    fs::write(&file, "application_name = 'mine'").unwrap();
    let settings = Settings::load_with(Some(file.path()), None, &variables(&[common])).unwrap();
    assert_eq!(settings.application_name, "mine");
    assert_eq!(settings.url.unwrap().to_string(), "postgresql://db/app");
}

#[test]
fn a_private_server_is_forbidden_by_setting_or_variable() {
    let allowed = Settings::default();
    let forbidden = Settings::from_values(&Values::from([("embedded".to_owned(), false.into())])).unwrap();
    let check = |settings: &Settings, given: &[(&str, &str)]| {
        settings.check_embedded_by(&variables(given)).map(|()| settings.clone())
    };
    assert!(check(&allowed, &[]).is_ok());
    assert!(check(&allowed, &[("OMNIQ_EMBEDDED", "on")]).is_ok());
    let remedy = "give a postgresql:// URL, or set OMNIQ_URL, DATABASE_URL or PGHOST";
    refusal(check(&forbidden, &[]), &["forbidden by embedded = off", remedy]);
    // The operator's word counts, whatever the program says.
    refusal(check(&allowed, &[("OMNIQ_EMBEDDED", "off")]), &["forbidden by OMNIQ_EMBEDDED = off", remedy]);
    refusal(
        check(&allowed, &[("OMNIQ_EMBEDDED", "perhaps")]),
        &["OMNIQ_EMBEDDED = \"perhaps\"", "true or false"],
    );
    refusal(check(&allowed, &[("OMNIQ_EMBEDED", "off")]), &["OMNIQ_EMBEDDED was meant"]);
    assert!(!found(&[("OMNIQ_EMBEDDED", "off")]).unwrap().embedded);
    refusal(allowed.completed_by(&Variables::new()), &["url is missing", remedy]);
}
