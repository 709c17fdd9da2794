//! Tests of the settings, by file: the five ways, refusals, writing and reading back, secrets, connecting; where the database is found,
//! what libpq's files and variables add, its passwords, addresses of other libraries.

mod connecting;
mod foreign;
mod found;
mod home;
mod libpq;
mod passwords;
mod refusals;
mod rounds;
mod samples;
mod secrets;
mod ways;

use super::Settings;

/// Expects a refusal whose message holds all of these texts, such as the setting's name.
fn refusal(outcome: omniq_core::Result<Settings>, parts: &[&str]) {
    let error = match outcome {
        Ok(settings) => panic!("accepted, though {parts:?} should have been refused: {settings}"),
        Err(error) => error,
    };
    assert!(error.is_config(), "{error:?}");
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} is missing in {error}");
    }
}
