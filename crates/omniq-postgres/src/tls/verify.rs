//! Checking the server's certificate as strictly as `sslmode` asks.

use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

/// The trusted certificates: as signers, and as server certificates themselves.
#[derive(Debug)]
pub(super) struct Roots {
    signers: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn empty() -> Self {
        Self { signers: RootCertStore::empty(), certificates: Vec::new() }
    }

    pub(super) fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), Error> {
        self.signers.add(certificate.clone())?;
        self.certificates.push(certificate);
        Ok(())
    }
}

/// Checks the server's certificate against the roots, if there are any.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Roots>,
    name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Without roots any certificate is accepted; with `name` it must also name the host.
    pub(super) fn new(roots: Option<Roots>, name: bool) -> Self {
        Self { roots, name, algorithms: ring::default_provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(certificate)?;
        if roots.certificates.contains(certificate) {
            // A server's own certificate as its root is the usual self-signed set-up: there is no chain, and the certificate may
            // call itself an authority.
            check_dates(certificate, now)?;
        } else {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &roots.signers, between, now, algorithms)?;
        }
        if self.name {
            verify_server_name(&parsed, host)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    // The signatures are checked even where any certificate is accepted: channel binding relies on the certificate, which
    // proves nothing unless the server holds its key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(certificate).is_ok() {
            return verify_tls13_signature(message, certificate, signature, &self.algorithms);
        }
        // Servers set up by hand often have a certificate of X.509 version 1. With roots it was refused already; without roots
        // only its key is needed.
        let key = key_of(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = Certificate::from_der(certificate).ok()?;
    certificate.tbs_certificate.subject_public_key_info.to_der().ok().map(Into::into)
}

fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let bad = |error| Error::InvalidCertificate(error);
    let parsed = Certificate::from_der(certificate).map_err(|_| bad(CertificateError::BadEncoding))?;
    let validity = parsed.tbs_certificate.validity;
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(bad(CertificateError::NotValidYet));
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(bad(CertificateError::Expired));
    }
    Ok(())
}
