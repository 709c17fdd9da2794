//! The same settings, none at its default, in all five ways.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use crate::settings::{Placement, Settings};

pub(super) const URL: &str = "postgresql://p%40ss:p%40ss%3Aw%2Ford%25@db.example:5433/app?sslmode=require";

/// A value other than the default for every setting, as text.
pub(super) const ALL: [(&str, &str); 21] = [
    ("schema", "jobs \"x\""),
    ("pool_min", "2"),
    ("pool_max", "5"),
    ("acquire_timeout", "0.25"),
    ("connect_timeout", "3"),
    ("idle_timeout", "90.5"),
    ("statement_cache", "false"),
    ("migrate", "off"),
    ("application_name", "my app"),
    ("max_payload", "1000"),
    ("keep_completed", "yes"),
    ("keep_args", "on"),
    ("completed_ttl", "90.5"),
    ("dead_ttl", "7200"),
    ("result_ttl", "none"),
    ("event_ttl", "none"),
    ("lease", "1.5"),
    ("tasks", "memory"),
    ("results", "postgresql://other/res?schema=r"),
    ("events", "postgres"),
    ("embedded", "off"),
];

pub(super) fn the_struct() -> Settings {
    Settings {
        url: Some(URL.parse().expect("a good URL")),
        schema: "jobs \"x\"".into(),
        pool_min: 2,
        pool_max: 5,
        acquire_timeout: Duration::from_millis(250),
        connect_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_millis(90_500),
        statement_cache: false,
        migrate: false,
        application_name: "my app".into(),
        max_payload: 1000,
        keep_completed: true,
        keep_args: true,
        completed_ttl: Some(Duration::from_millis(90_500)),
        dead_ttl: Some(Duration::from_secs(7200)),
        result_ttl: None,
        event_ttl: None,
        lease: Duration::from_millis(1500),
        tasks: Placement::Memory,
        results: Placement::Url("postgresql://other/res?schema=r".parse().expect("a good URL")),
        events: Placement::Postgres,
        embedded: false,
    }
}

pub(super) fn builder() -> Settings {
    let builder = Settings::builder()
        .schema("jobs \"x\"")
        .pool_min(2)
        .pool_max(5)
        .acquire_timeout(Duration::from_millis(250))
        .connect_timeout(Duration::from_secs(3))
        .idle_timeout(Duration::from_millis(90_500))
        .statement_cache(false)
        .migrate(false)
        .application_name("my app")
        .max_payload(1000)
        .keep_completed(true)
        .keep_args(true)
        .completed_ttl(Duration::from_millis(90_500))
        .dead_ttl(Duration::from_secs(7200))
        .result_ttl(None)
        .event_ttl(None)
        .lease(Duration::from_millis(1500))
        .tasks(Placement::Memory)
        .results("postgresql://other/res?schema=r")
        .events("postgres")
        .embedded(false);
    builder.url(URL).build().expect("good settings")
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(super) fn url() -> String {
    ALL.iter().fold(URL.to_owned(), |url, (name, value)| format!("{url}&{name}={}", encode(value)))
}

pub(super) fn pairs() -> String {
    let base = "host=db.example port=5433 dbname=app user='p@ss' password='p@ss:w/ord%' sslmode=require";
    ALL.iter().fold(base.to_owned(), |text, (name, value)| format!("{text} {name} = '{value}'"))
}

pub(super) fn environment() -> BTreeMap<String, OsString> {
    let with_url = ALL.iter().copied().chain([("url", URL)]);
    with_url.map(|(name, value)| (format!("OMNIQ_{}", name.to_uppercase()), value.into())).collect()
}

pub(super) const TOML: &str = r#"
[omniq]
url = "postgresql://p%40ss:p%40ss%3Aw%2Ford%25@db.example:5433/app?sslmode=require"
schema = 'jobs "x"'
pool_min = 2
pool_max = 5
acquire_timeout = 0.25
connect_timeout = 3
idle_timeout = 90.5
statement_cache = false
migrate = false
application_name = "my app"
max_payload = 1000
keep_completed = true
keep_args = true
completed_ttl = 90.5
dead_ttl = 7200
result_ttl = "none"
event_ttl = "none"
lease = 1.5
tasks = "memory"
results = "postgresql://other/res?schema=r"
events = "postgres"
embedded = false
[another.tool]
schema = 1
"#;

pub(super) const YAML: &str = r#"
url: postgresql://p%40ss:p%40ss%3Aw%2Ford%25@db.example:5433/app?sslmode=require
schema: jobs "x"
pool_min: 2
pool_max: 5
acquire_timeout: 0.25
connect_timeout: 3.0
idle_timeout: 90.5
statement_cache: false
migrate: false
application_name: my app
max_payload: 1000
keep_completed: true
keep_args: true
completed_ttl: 90.5
dead_ttl: 7200
result_ttl: null
event_ttl: null
lease: 1.5
tasks: memory
results: postgresql://other/res?schema=r
events: postgres
embedded: off
"#;
