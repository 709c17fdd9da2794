//! No password in `Debug`, `Display` or an error, however broken the address is.

use std::fs;

use proptest::prelude::*;

use crate::settings::{DatabaseUrl, Placement, Settings, Values};

/// Every form of an outcome, in one text.
fn shown(outcome: omniq_core::Result<Settings>) -> String {
    match outcome {
        Ok(settings) => {
            let error = settings.connect_config().err();
            format!("{settings} {settings:?} {settings:#?} {error:?}")
        }
        Err(error) => format!("{error} {error:?} {error:#?}"),
    }
}

/// Parts of a password that are long enough to be distinguished from other words.
fn pieces(password: &str) -> impl Iterator<Item = &str> {
    password.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| piece.len() >= 5)
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Valid and invalid addresses with the password in every position, encoded or raw.
fn addresses(password: &str) -> Vec<String> {
    let mut all = Vec::new();
    for written in [encode(password), password.to_owned()] {
        for rest in
            ["h/db", "h:port/db", "h/db?sslmode=bad", "h/db?unknown=1", "h/db?pool_max=x", "[::1/db", "h/a@b"]
        {
            all.push(format!("postgresql://u:{written}@{rest}"));
            all.push(format!("postgres://{rest}?password={written}"));
        }
        all.push(format!("postgresql://h/db?password={written}&sslmode=bad"));
        all.push(format!("postgresql://h/db?options={written}"));
        all.push(format!("http://u:{written}@h/db"));
        for scheme in ["postgresql+asyncpg", "jdbc:postgresql", "postgis", "\"postgres", "'postgres"] {
            all.push(format!("{scheme}://u:{written}@h/db"));
            all.push(format!("{scheme}://u:{written}@h/db?ssl=true"));
            all.push(format!("{scheme}://h/db?ssl=1&user=u&password={written}"));
            all.push(format!("{scheme}://u:{written}@h/db'"));
            all.push(format!("{scheme}://u:{written}@h/db?ssl=true\""));
        }
    }
    for rest in ["", " port=x", " unknown=1", " bare", " pool_max=x", " sslmode='", " ssl=true"] {
        all.push(format!("host=h password={password}{rest}"));
        all.push(format!("host=h password='{password}'{rest}"));
        all.push(format!("password='{password}{rest}"));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn c30_no_password_is_shown(
        password in "[a-zA-Z0-9]{7,12}[@:/?#&=%' \\\\+]{0,2}[a-zA-Z0-9]{7,12}[@:/?#&=%' ]?=?[a-z0-9]{6}"
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        for address in addresses(&password) {
            let mut texts = vec![shown(Settings::from_url(&address))];
            for name in ["url", "tasks", "results", "events", "schema", "pool_max", "lease", "migrate"] {
                let values = Values::from([(name.to_owned(), address.as_str().into())]);
                if name != "schema" || Settings::from_values(&values).is_err() {
                    texts.push(shown(Settings::from_values(&values)));
                }
            }
            for (file, text) in [
                ("a.toml", format!("pool_max = 5\nurl = {address}")),
                ("b.toml", format!("url = \"{address}\nx = 1")),
                ("c.yaml", format!("url: '{address}\nx: 1")),
                ("d.yaml", format!("url: [{address}")),
                ("e.yaml", format!("url: {address}\n- x")),
            ] {
                let path = folder.path().join(file);
                fs::write(&path, text).expect("a file");
                texts.push(shown(Settings::from_file(path)));
            }
            for name in ["DATABASE_URL", "PGHOST", "PGPORT"] {
                let variables = [(name.to_owned(), address.as_str().into())].into();
                texts.push(shown(Settings::load_with(None, None, &variables)));
            }
            for text in texts {
                for piece in pieces(&password) {
                    prop_assert!(!text.contains(piece), "{piece} of {password}\nin {text}\nfor {address}");
                }
            }
        }
    }
}

#[test]
fn c30_stars_stand_for_the_password() {
    let url: DatabaseUrl = "postgresql://me:hidden@h/db?options=-csecret%3D1&schema=x".parse().expect("good");
    assert_eq!(url.to_string(), "postgresql://me:***@h/db?options=***&schema=x");
    assert_eq!(format!("{url:?}"), "\"postgresql://me:***@h/db?options=***&schema=x\"");
    assert!(url.expose().starts_with("postgresql://me:hidden@h/db?options=-csecret"), "{}", url.expose());
    let part = Placement::Url("postgresql://me:hidden@h".parse().expect("good"));
    assert_eq!(format!("{part} {part:?}"), "postgresql://me:***@h Url(\"postgresql://me:***@h\")");
}
