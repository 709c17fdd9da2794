//! Addresses as other libraries write them.

use super::refusal;
use crate::settings::{Placement, Settings};

#[test]
fn addresses_of_other_libraries_are_refused_with_the_mended_form() {
    for (given, why, mended) in [
        (
            "postgresql+asyncpg://me:geheim@db/app",
            "its scheme",
            "postgresql://me:***@db/app, with the secret",
        ),
        ("postgresql+psycopg2://db/app", "its scheme", "postgresql://db/app"),
        ("postgres+aiopg://db/app?sslmode=require", "its scheme", "postgresql://db/app?sslmode=require"),
        ("postgis://db/app", "its scheme", "postgresql://db/app"),
        ("POSTGRESQL://db/app", "its scheme", "postgresql://db/app"),
        (
            "jdbc:postgresql://db/app?user=me&ssl=true",
            "its scheme and its ssl",
            "postgresql://me@db/app?sslmode=require",
        ),
        ("postgresql://db/app?ssl=true", "its ssl", "postgresql://db/app?sslmode=require"),
        (
            "postgresql://db/app?ssl=false&schema=jobs",
            "its ssl",
            "postgresql://db/app?sslmode=disable&schema=jobs",
        ),
        ("postgresql+asyncpg://db/app?ssl=verify-full", "its ssl", "postgresql://db/app?sslmode=verify-full"),
        ("postgresql://db/app?sslmode=no-verify", "its sslmode", "postgresql://db/app?sslmode=require"),
        (
            "host=db password='geheim' ssl=on",
            "its ssl",
            "postgresql://:***@db?sslmode=require, with the secret",
        ),
        ("\"postgresql://me:geheim@db/app\"", "the quotes around it", "postgresql://me:***@db/app"),
        ("'postgres://db/app'", "the quotes around it", "postgresql://db/app"),
        ("'host=db dbname=app'", "the quotes around it", "postgresql://db/app"),
        (" `postgresql+asyncpg://db/app` ", "the quotes around it and its scheme", "postgresql://db/app"),
    ] {
        let words = [why, &format!("write {mended}"), "another library"];
        refusal(Settings::from_url(given), &[&words[..], &["url"]].concat());
        // A part that is kept in another database.
        if !given.contains("schema") {
            refusal(Settings::builder().results(given).build(), &[&words[..], &["results"]].concat());
        }
        let text = Settings::from_url(given).unwrap_err();
        assert!(!format!("{text} {text:?}").contains("geheim"), "{text:?}");
    }
}

/// If the mended form would be refused, too, the message says what is wrong with the address.
#[test]
fn other_mistakes_are_named_as_before() {
    for (given, words) in [
        ("postgresql+asyncpg://db/app?ssl=maybe", "must begin with postgresql://"),
        ("postgresql://db/app?ssl=maybe", "unknown parameter \"ssl\""),
        ("postgresql://db/app?ssl=true&x=1", "unknown parameter \"ssl\""),
        ("mysql+aiomysql://db/app", "must begin with postgresql://"),
        ("\"mysql://db/app\"", "must begin with postgresql://"),
    ] {
        refusal(Settings::from_url(given), &[words]);
    }
    refusal(Settings::builder().results("mysql://db/app").build(), &["results", "postgres, memory, off"]);
}

/// Parameters of libpq that OmniQ does not have.
#[test]
fn parameters_that_make_connections_safer_are_refused_and_others_left_out() {
    let plain = Settings::from_url("postgresql://db/app").unwrap();
    for harmless in
        ["gssencmode=prefer", "client_encoding=utf8", "ssl_min_protocol_version=TLSv1.2", "sslcompression=0"]
    {
        let url = format!("postgresql://db/app?{harmless}");
        assert_eq!(Settings::from_url(&url).unwrap(), plain, "{harmless}");
    }
    for (given, name) in [
        ("require_auth=scram-sha-256", "require_auth"),
        ("requirepeer=postgres", "requirepeer"),
        ("gssencmode=require", "gssencmode"),
        ("sslcrl=/a.crl", "sslcrl"),
        ("ssl_min_protocol_version=TLSv1.3", "ssl_min_protocol_version"),
        ("sslcertmode=require", "sslcertmode"),
    ] {
        let refused = format!("{name} is refused, because OmniQ cannot honour it: leave it out");
        refusal(Settings::from_url(&format!("postgresql://db/app?{given}")), &[&refused]);
    }
    let part = Placement::Url("postgresql://h".parse().unwrap());
    assert_eq!(part.to_string(), "postgresql://h");
}
