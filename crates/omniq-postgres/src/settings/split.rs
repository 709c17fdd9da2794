//! Splits an address into its parameters, in either of its forms.

use omniq_core::{Error, Result};

use super::parameters::Parameter;
use super::{split_pairs, split_url};

/// Whether the text is meant as an address, valid or not.
pub(super) fn is_address(text: &str) -> bool {
    split_url::without_scheme(text).is_some() || split_pairs::looks_like_pairs(text)
}

pub(super) fn split(text: &str) -> Result<Vec<Parameter>> {
    match split_url::without_scheme(text) {
        Some(rest) => split_url::split(rest),
        None if split_pairs::looks_like_pairs(text) => split_pairs::split(text),
        None => Err(Error::config(
            "the address must begin with postgresql:// or postgres://, or be key=value pairs",
        )),
    }
}
