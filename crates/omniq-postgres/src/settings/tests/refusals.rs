//! Bad values are refused, and the message names the setting.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::refusal;
use crate::settings::{Placement, Settings, Values, as_written};

#[test]
fn c03_bad_values_are_refused_with_their_name() {
    let long = "x".repeat(64);
    for (name, value, allowed) in [
        ("schema", json!(""), "1 to 63 bytes"),
        ("schema", json!(long), "1 to 63 bytes"),
        ("schema", json!("a\0b"), "NUL"),
        ("schema", json!("pg_jobs"), "pg_"),
        ("schema", json!(5), "text"),
        ("pool_min", json!(11), "0 to pool_max, which is 10"),
        ("pool_min", json!(-1), "whole number"),
        ("pool_max", json!(0), "1 to 10000"),
        ("pool_max", json!(10_001), "1 to 10000"),
        ("pool_max", json!("five"), "whole number"),
        ("pool_max", json!(2.5), "whole number"),
        ("pool_max", json!(true), "whole number"),
        ("acquire_timeout", json!(0), "more than 0 seconds"),
        ("acquire_timeout", json!("10s"), "seconds"),
        ("connect_timeout", json!(-3), "seconds"),
        ("idle_timeout", json!("inf"), "seconds"),
        ("idle_timeout", json!("nan"), "seconds"),
        ("idle_timeout", json!(1e300), "seconds"),
        ("idle_timeout", json!(4e9), "100 years"),
        ("statement_cache", json!("maybe"), "true or false"),
        ("migrate", json!(2), "true or false"),
        ("application_name", json!(long), "63 bytes"),
        ("max_payload", json!(0), "1 to 1000000000 bytes"),
        ("max_payload", json!("16MiB"), "whole number"),
        ("keep_completed", json!([]), "true or false"),
        ("result_ttl", json!(0), "more than 0"),
        ("result_ttl", json!("never"), "or none"),
        ("lease", json!(0.05), "at least 0.1"),
        ("tasks", json!("off"), "postgres, memory"),
        ("tasks", json!("redis"), "postgres, memory"),
        ("results", json!("sqlite"), "postgres, memory, off"),
        ("events", json!(7), "postgres, memory, off"),
        ("results", json!("postgresql://h/db?pool_max=0"), "pool_max"),
        ("results", json!("postgresql://h/db?pool_min=x"), "pool_min"),
        ("url", json!("mysql://h/db"), "postgresql://"),
        ("url", json!(7), "text"),
    ] {
        let outcome = Settings::from_values(&Values::from([(name.to_owned(), value.clone())]));
        refusal(outcome, &[name, allowed]);
        let shown = json!(value).to_string();
        if !shown.contains("://") && shown.len() < 40 {
            let outcome = Settings::from_values(&Values::from([(name.to_owned(), value)]));
            let error = outcome.expect_err("refused above").to_string();
            assert!(error.contains(shown.trim_end_matches(".0")), "{shown} is missing in {error}");
        }
    }
}

/// Issue 12, errors: they were shown as null, or taken for no limit.
#[test]
fn numbers_that_json_does_not_hold_are_shown_as_they_were_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        Settings::from_file(path)
    };
    for (line, shown) in [
        ("lease = inf", "lease = inf is refused: give at least 0.1 seconds and at most 100 years"),
        ("lease = -inf", "lease = -inf is refused"),
        ("result_ttl = nan", "result_ttl = nan is refused: give more than 0 seconds and at most 100 years"),
        ("pool_max = inf", "pool_max = inf is refused: give a whole number, 1 to 10000"),
    ] {
        refusal(write("a.toml", line), &[shown]);
    }
    refusal(write("a.yaml", "dead_ttl: .nan"), &["dead_ttl = nan is refused", "or none for no limit"]);
    refusal(write("b.yaml", "omniq:\n  lease: .inf"), &["lease = inf is refused"]);
    refusal(write("c.yaml", "pool_max: 1000000000000000000000000000000"), &["pool_max = ", "1 to 10000"]);
    let huge = Values::from([("pool_max".to_owned(), as_written("1".repeat(300)))]);
    refusal(
        Settings::from_values(&huge),
        &["pool_max = 1111", "… is refused: give a whole number, 1 to 10000"],
    );
    // Values that JSON can hold are not affected.
    let settings =
        write("d.yaml", "lease: 5\nresult_ttl: none\nevents: off\nmigrate: true").expect("accepted");
    assert_eq!((settings.lease, settings.result_ttl), (Duration::from_secs(5), None));
    refusal(
        Settings::from_values(&Values::from([("lease".to_owned(), json!(null))])),
        &["lease = none is refused"],
    );
}

/// Issue 12, errors: the limit was not named, or another value was shown than the one given.
#[test]
fn spans_are_refused_with_their_limits() {
    for (name, value, words) in [
        (
            "acquire_timeout",
            json!(-1),
            "acquire_timeout = -1 is refused: give more than 0 seconds and at most 100 years",
        ),
        ("acquire_timeout", json!(0), "acquire_timeout = 0 is refused: give more than 0 seconds"),
        ("lease", json!(0), "lease = 0 is refused: give at least 0.1 seconds and at most 100 years"),
        ("event_ttl", json!(-0.5), "event_ttl = -0.5 is refused: give more than 0 seconds"),
    ] {
        refusal(Settings::from_values(&Values::from([(name.to_owned(), value)])), &[words]);
    }
}

#[test]
fn c03_unknown_names_are_refused_with_those_that_are_known() {
    let values = Values::from([("poolmax".to_owned(), json!(5))]);
    refusal(Settings::from_values(&values), &["poolmax", "pool_max"]);
    // Its name until tasks, results and events were named alike.
    let values = Values::from([("queue".to_owned(), json!("memory"))]);
    refusal(Settings::from_values(&values), &["unknown setting \"queue\"", "tasks, results, events"]);
    refusal(Settings::from_url("postgresql://h/db?queue=memory"), &["unknown parameter \"queue\"", "tasks"]);
    refusal(Settings::from_url("postgresql://h/db?sslmodus=x"), &["sslmodus", "sslmode", "pool_max"]);
    refusal(Settings::from_url("postgresql://h/db?url=x"), &["unknown parameter \"url\""]);
    let json = serde_json::from_str::<Settings>(r#"{"poolmax": 5}"#).expect_err("unknown");
    assert!(json.to_string().contains("poolmax"), "{json}");
}

#[test]
fn c03_bad_parameters_of_the_address_are_refused_with_their_name() {
    for (query, parts) in [
        ("sslmode=verify", ["sslmode", "verify-full"]),
        ("sslmode=", ["sslmode", "verify-full"]),
        ("sslrootcert=", ["sslrootcert", "PEM"]),
        ("port=70000", ["port", "65535"]),
        ("host=user%40db", ["host = ", "host names"]),
        ("hostaddr=localhost", ["hostaddr", "IP addresses"]),
        ("target_session_attrs=master", ["target_session_attrs", "read-write"]),
        ("channel_binding=on", ["channel_binding", "require"]),
        ("keepalives_idle=1m", ["keepalives_idle", "seconds"]),
        ("keepalives_count=x", ["keepalives_count", "whole number"]),
        ("tcp_user_timeout=1s", ["tcp_user_timeout", "milliseconds"]),
        ("dbname=a%00b", ["dbname", "NUL"]),
        ("dbname=%zz", ["%", "hexadecimal"]),
        ("dbname=%ff", ["value", "UTF-8"]),
        ("dbname", ["query", "name=value"]),
        ("pool_max=five", ["pool_max", "\"five\""]),
    ] {
        refusal(Settings::from_url(&format!("postgresql://h/db?{query}")), &parts);
    }
    for url in ["postgresql://u:p@h:port/db", "postgresql://[::1/db", "postgresql://[::1]5432/db"] {
        assert!(Settings::from_url(url).expect_err(url).is_config());
    }
    // URLs that arise from a password with an unencoded character. If they were accepted, parts of it would be shown elsewhere.
    for url in [
        "postgresql://u:5/half@h/db",
        "postgresql://u:5?schema=half@h/db",
        "postgresql://u:5/?schema=half@h",
        "postgresql://h/db?schema=x?password=half",
    ] {
        let error = Settings::from_url(url).expect_err(url);
        assert!(error.is_config() && error.to_string().contains("%40"), "{error}");
        assert!(!error.to_string().contains("half"), "{error}");
    }
    for pairs in ["host", "host=h port", "host=h password='x", "=x", "host = h port=x"] {
        assert!(Settings::from_url(pairs).expect_err(pairs).is_config());
    }
}

#[test]
fn c03_files_are_refused_with_their_name_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        Settings::from_file(path)
    };
    refusal(Settings::from_file(folder.path().join("none.toml")), &["none.toml", "cannot be read"]);
    refusal(write("a.ini", ""), &["a.ini", ".toml"]);
    refusal(write("a.toml", "pool_min = 1\npool_max = 5 5"), &["a.toml", "line 2", "TOML"]);
    refusal(write("a.yaml", "pool_min: 1\npool_max: [1}"), &["a.yaml", "line 2", "YAML"]);
    refusal(write("b.yaml", "- 1"), &["b.yaml", "table"]);
    refusal(write("b.toml", "omniq = 1"), &["b.toml", "table"]);
    refusal(write("c.toml", "[omniq]\npool_max = 'x'"), &["c.toml", "pool_max", "\"x\""]);
    assert_eq!(write("empty.yaml", "\n").expect("defaults"), Settings::default());
    assert_eq!(write("empty.toml", "").expect("defaults"), Settings::default());
}

#[test]
fn c03_variables_are_refused_with_their_name() {
    let env = |name: &str, value: std::ffi::OsString| [(name.to_owned(), value)].into();
    refusal(
        Settings::load_with(None, None, &env("OMNIQ_POOL_MAX", "five".into())),
        &["OMNIQ_", "pool_max", "five"],
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let env = env("OMNIQ_SCHEMA", std::ffi::OsString::from_vec(vec![0xff]));
        refusal(Settings::load_with(None, None, &env), &["OMNIQ_SCHEMA", "UTF-8"]);
    }
}

/// Issue 12, E6: they were ignored, and the tasks went to another database.
#[test]
fn misspelt_variables_are_refused_with_the_one_that_was_meant() {
    let env = |name: &str| [(name.to_owned(), "x".into())].into();
    for (given, meant) in [
        ("OMNIQ_ULR", "OMNIQ_URL"),
        ("OMNIQ_URI", "OMNIQ_URL"),
        ("OMNIQ_SCHEME", "OMNIQ_SCHEMA"),
        ("OMNIQ_POOLMAX", "OMNIQ_POOL_MAX"),
        ("OMNIQ_RESULT", "OMNIQ_RESULTS"),
        ("OMNIQ_LOGLEVEL", "OMNIQ_LOG_LEVEL"),
        ("OMNIQ_HOM", "OMNIQ_HOME"),
        ("OMNIQ_STATEMENTS_CACHED", "OMNIQ_STATEMENT_CACHE"),
        ("OMNIQ_EMBEDED", "OMNIQ_EMBEDDED"),
    ] {
        let words = format!("{given} is no variable of OmniQ: {meant} was meant, perhaps; rename it");
        refusal(Settings::load_with(None, None, &env(given)), &[&words]);
    }
}

/// Issue 14, 15: those that were like no known one were ignored with a warning.
#[test]
fn unknown_variables_are_refused_with_the_nearest_one() {
    let env = |name: &str| [(name.to_owned(), "x".into())].into();
    for (given, nearest) in [
        ("OMNIQ_DATABASE_URL", "OMNIQ_URL"),
        ("OMNIQ_MAX_POOL", "OMNIQ_POOL_MAX"),
        ("OMNIQ_POOL_SIZE", "OMNIQ_POOL_MIN"),
        ("OMNIQ_TIMEOUT", "OMNIQ_IDLE_TIMEOUT"),
        ("OMNIQ_SCHEMA_NAME", "OMNIQ_SCHEMA"),
        ("OMNIQ_COLOUR", "OMNIQ_URL"),
    ] {
        let nearest = format!("the nearest is {nearest}, and known are OMNIQ_URL, OMNIQ_SCHEMA, ");
        refusal(Settings::load_with(None, None, &env(given)), &[given, "unset it", &nearest]);
    }
    // An empty one too: it is there by mistake.
    refusal(Settings::load_with(None, None, &[("OMNIQ_X".to_owned(), "".into())].into()), &["OMNIQ_X"]);
    // Variables that other programs set with this prefix, by design or by chance.
    for given in
        ["OMNIQ_PORT", "OMNIQ_PORT_5432_TCP_ADDR", "OMNIQ_SERVICE_HOST", "OMNIQ_DB_PORT", "OMNIQ_TEST_SLOW"]
    {
        assert_eq!(Settings::load_with(None, None, &env(given)).expect(given), Settings::default());
    }
}

#[test]
fn c03_the_struct_is_checked_as_the_others_are() {
    let bad = Settings { lease: Duration::from_millis(50), ..Settings::default() };
    refusal(bad.check().map(|()| bad.clone()), &["lease", "0.05", "0.1"]);
    let url = Some("postgresql://h/db?schema=x".parse().expect("a good URL"));
    let bad = Settings { url, ..Settings::default() };
    refusal(bad.check().map(|()| bad.clone()), &["url", "schema"]);
    let part = Placement::Url("postgresql://h/db?results=off".parse().expect("a good URL"));
    let bad = Settings { results: part, ..Settings::default() };
    refusal(bad.check().map(|()| bad.clone()), &["results", "cannot set results"]);
}
