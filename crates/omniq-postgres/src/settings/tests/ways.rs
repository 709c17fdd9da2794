//! The five ways have equal effect, and the order of precedence holds.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::samples::{ALL, TOML, URL, YAML, builder, environment, pairs, the_struct, url};
use crate::settings::{DatabaseUrl, Placement, Settings, Values};

#[test]
fn c03_all_ways_have_equal_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        Settings::from_file(path)
    };
    let values: Values =
        ALL.iter().chain(&[("url", URL)]).map(|(n, v)| ((*n).to_owned(), json!(v))).collect();
    let expected = the_struct();
    expected.check().expect("good settings");
    for (way, got) in [
        ("builder", Ok(builder())),
        ("url", Settings::from_url(&url())),
        ("pairs", Settings::from_url(&pairs())),
        ("toml", file("a.toml", TOML)),
        (
            "toml, top level",
            file("b.TOML", &TOML.replace("[omniq]", "").replace("[another.tool]\nschema = 1", "")),
        ),
        ("yaml", file("c.yaml", YAML)),
        ("yaml, in a table", file("d.yml", &format!("other: 1\nomniq:{}", YAML.replace('\n', "\n  ")))),
        ("dict", Settings::from_values(&values)),
        ("env", Settings::load_with(None, None, &environment())),
    ] {
        assert_eq!(got.unwrap_or_else(|error| panic!("{way}: {error}")), expected, "{way}");
    }
}

/// Variables can be set only for a new process: this test starts itself again with them.
#[test]
fn c03_the_environment_of_the_process_is_read() {
    if std::env::var_os("OMNIQ_URL").is_some_and(|url| url == URL) {
        assert_eq!(Settings::from_env().expect("good settings"), the_struct());
        assert_eq!(Settings::load(None, None).expect("good settings"), the_struct());
        return;
    }
    let name = "settings::tests::ways::c03_the_environment_of_the_process_is_read";
    let output = Command::new(std::env::current_exe().expect("the test's path"))
        .args(["--exact", name])
        .envs(environment())
        .envs([("OMNIQ_LOG_LEVEL", "debug"), ("OMNIQ_HOME", "/nowhere")])
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn c03_defaults_file_environment_url_in_this_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("omniq.toml");
    fs::write(&path, "url = 'postgresql://file/db?lease=2'\nschema = 'file'\npool_max = 7\npool_min = 3")
        .expect("a file");
    let env = [("OMNIQ_SCHEMA", "env"), ("OMNIQ_POOL_MAX", "8"), ("OMNIQ_LEASE", "")];
    let env = env.map(|(name, value)| (name.to_owned(), value.into())).into();
    let all =
        Settings::load_with(Some(&path), Some("postgresql://given/db?schema=given"), &env).expect("good");
    let expected = Settings {
        url: Some("postgresql://given/db".parse().expect("a good URL")),
        schema: "given".into(),
        pool_max: 8,
        pool_min: 3,
        lease: Duration::from_secs(2),
        ..Settings::default()
    };
    assert_eq!(all, expected);
    assert_eq!(Settings::load_with(None, None, &Default::default()).expect("good"), Settings::default());
    let built = Settings::builder().pool_max(9).build_over(all).expect("good");
    assert_eq!(built, Settings { pool_max: 9, ..expected });
}

#[test]
fn c03_a_setting_by_itself_wins_over_the_one_in_the_url() {
    let built = Settings::builder().schema("mine").url("postgresql://h/db?schema=other&pool_max=3");
    let settings = built.build().expect("good settings");
    assert_eq!((settings.schema.as_str(), settings.pool_max), ("mine", 3));
}

#[test]
fn c04_the_url_of_a_part_changes_what_it_names() {
    let settings = Settings::from_url("postgresql://h/db?schema=a&pool_max=3").expect("good");
    let other: DatabaseUrl = "postgresql://h2/db2?schema=b".parse().expect("a good URL");
    let there = settings.at(&other).expect("good");
    assert_eq!(there.url.expect("a URL").to_string(), "postgresql://h2/db2");
    assert_eq!((there.schema.as_str(), there.pool_max), ("b", 3));
}

/// YAML readers of version 1.1 take `off` for false.
#[test]
fn c04_flags_name_parts() {
    let values = |value| Values::from([("events".to_owned(), value)]);
    for (value, part) in [
        (json!(false), Placement::Off),
        (json!(true), Placement::Postgres),
        (json!("Memory"), Placement::Memory),
        (json!(" off "), Placement::Off),
    ] {
        assert_eq!(Settings::from_values(&values(value)).expect("good").events, part);
    }
}
