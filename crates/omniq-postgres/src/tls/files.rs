//! Certificates and keys from PEM files and from the system's store.

use omniq_core::{Error, Result};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::verify::Roots;

/// The certificates that `sslrootcert` names.
pub(super) fn roots(path: &str) -> Result<Roots> {
    let mut roots = Roots::empty();
    for certificate in certificates("sslrootcert", path)? {
        roots.add(certificate).map_err(|error| refused("sslrootcert", path, &error.to_string()))?;
    }
    Ok(roots)
}

/// The root certificates of the machine. One that cannot be read is skipped.
pub(super) fn system_roots() -> Result<Roots> {
    let mut roots = Roots::empty();
    let found = rustls_native_certs::load_native_certs();
    let usable = found.certs.into_iter().filter_map(|certificate| roots.add(certificate).ok()).count();
    if usable == 0 {
        return Err(Error::config(
            "sslrootcert = system: this machine has no root certificates; install them, or name a PEM file",
        ));
    }
    Ok(roots)
}

pub(super) fn certificates(parameter: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let list = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(parameter, path, error))?;
    if list.is_empty() {
        return Err(refused(parameter, path, "there is no PEM certificate in it"));
    }
    Ok(list)
}

pub(super) fn key(path: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => refused(
            "sslkey",
            path,
            "there is no PEM private key in it, or one with a passphrase: take that away",
        ),
        error => unreadable("sslkey", path, error),
    })
}

/// The PEM reader's own message could quote the file; a message of the system does not.
fn unreadable(parameter: &str, path: &str, error: pem::Error) -> Error {
    match error {
        pem::Error::Io(error) => refused(parameter, path, &error.to_string()),
        _ => refused(parameter, path, "it is not a valid PEM file"),
    }
}

fn refused(parameter: &str, path: &str, why: &str) -> Error {
    Error::config(format!("{parameter} = {path:?} cannot be used: {why}"))
}
