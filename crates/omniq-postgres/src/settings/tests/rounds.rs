//! Settings that were written are read back the same, in every format; addresses keep their meaning.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use crate::settings::{DatabaseUrl, Placement, Settings};

fn part() -> impl Strategy<Value = Placement> {
    let words = prop_oneof![Just(Placement::Postgres), Just(Placement::Memory), Just(Placement::Off)];
    prop_oneof![words, address().prop_map(Placement::Url)]
}

/// Addresses with hostile text wherever a user may put some.
fn address() -> impl Strategy<Value = DatabaseUrl> {
    let text = "[^\0]{1,12}";
    let host = prop_oneof![
        Just("localhost"),
        Just("127.0.0.1"),
        Just("[::1]"),
        Just("%2Fvar%2Frun%2Fa%20b"),
        Just("a.example:5433,b.example:5434"),
        Just("a.example,b.example:5434"),
        Just(":5433"),
        Just(""),
    ];
    (text, text, text, host, any::<bool>()).prop_map(|(user, password, database, host, ssl)| {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let mut url =
            format!("postgresql://{}:{}@{host}/{}", encode(&user), encode(&password), encode(&database));
        if ssl {
            url.push_str("?sslmode=require&port=5435&options=-c%20x%3D1");
        }
        url.parse().expect(&url)
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let time = || (100_u64..100_000_000).prop_map(Duration::from_millis);
    let pool = (0_usize..5, 5_usize..100, time(), time(), time(), any::<bool>(), any::<bool>());
    let ttl = || proptest::option::of(time());
    let rest = ("[^\0]{1,15}", "[^\0]{0,15}", [ttl(), ttl(), ttl(), ttl()], time(), any::<bool>());
    let parts = (part(), part(), part(), proptest::option::of(address()), any::<bool>());
    (pool, rest, parts).prop_map(|(pool, rest, parts)| Settings {
        url: parts.3,
        schema: rest.0,
        pool_min: pool.0,
        pool_max: pool.1,
        acquire_timeout: pool.2,
        connect_timeout: pool.3,
        idle_timeout: pool.4,
        statement_cache: pool.5,
        migrate: pool.6,
        application_name: rest.1,
        max_payload: 1000,
        keep_completed: rest.4,
        keep_args: !rest.4,
        completed_ttl: rest.2[0],
        dead_ttl: rest.2[1],
        result_ttl: rest.2[2],
        event_ttl: rest.2[3],
        lease: rest.3,
        tasks: if parts.0 == Placement::Off { Placement::Memory } else { parts.0 },
        results: parts.1,
        events: parts.2,
        embedded: parts.4,
    })
}

proptest! {
    #[test]
    fn c03_files_round_trip(settings in settings()) {
        prop_assume!(!settings.schema.starts_with("pg_"));
        let folder = tempfile::tempdir().expect("a folder");
        let toml = folder.path().join("a.toml");
        fs::write(&toml, toml::to_string(&settings).expect("TOML")).expect("a file");
        prop_assert_eq!(Settings::from_file(&toml).expect("a good file"), settings.clone());
        let yaml = folder.path().join("a.yaml");
        let text = serde_saphyr::to_string(&settings).expect("YAML");
        fs::write(&yaml, &text).expect("a file");
        prop_assert_eq!(Settings::from_file(&yaml).expect(&text), settings.clone());
        let json = serde_json::to_string(&settings).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Settings>(&json).expect("good JSON"), settings);
    }

    #[test]
    fn addresses_round_trip(address in address()) {
        let text = address.expose();
        prop_assert_eq!(text.parse::<DatabaseUrl>().expect(&text), address);
    }
}
