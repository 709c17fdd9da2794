//! A server that shows a certificate whose key it does not have.

use std::io::Cursor;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConnection, Error, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use x509_cert::der::{Decode, Encode};
use x509_cert::{Certificate, Version};

use super::issue::self_signed;
use crate::settings::DatabaseUrl;
use crate::tls::client_config;
use crate::tls::verify::Verifier;

/// A certificate as older tools make them. The issuer's signature does not fit any more, which is not checked here.
fn as_version_1(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    let mut certificate = Certificate::from_der(certificate).expect("a certificate");
    certificate.tbs_certificate.version = Version::V1;
    certificate.tbs_certificate.extensions = None;
    certificate.to_der().expect("a certificate").into()
}

/// A handshake with a server that shows one certificate and signs with its key or another. Returns the client's outcome.
fn handshake(old: bool, matching: bool, version: &'static SupportedProtocolVersion) -> Result<(), Error> {
    let (shown, other) = (self_signed(&["h"]), self_signed(&["h"]));
    let key = if matching { &shown.key } else { &other.key };
    let shown = if old { as_version_1(shown.certificate.der()) } else { shown.certificate.der().clone() };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let key = ring::sign::any_supported_type(&key).expect("a signer");
    let shown = CertifiedKey::new(vec![shown], key);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    let mut server = ServerConnection::new(Arc::new(config)).expect("a server");

    let url: DatabaseUrl = "postgresql://h".parse().expect("a URL");
    let config = client_config(&url, Verifier::new(None, false)).expect("a configuration");
    let host = ServerName::try_from("h").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), host).expect("a client");
    while client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("memory");
        server.read_tls(&mut Cursor::new(&wire)).expect("memory");
        server.process_new_packets()?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory");
        }
        client.read_tls(&mut Cursor::new(&wire)).expect("memory");
        client.process_new_packets()?;
    }
    Ok(())
}

/// Otherwise channel binding, which relies on the certificate, would accept any server that has copied it.
#[test]
fn c29_tls_the_server_must_hold_its_key_even_where_any_certificate_will_do() {
    for version in rustls::ALL_VERSIONS {
        handshake(false, true, version).expect("the server's own key");
        let error = handshake(false, false, version).expect_err("another key");
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature), "{version:?}");
    }
}

#[test]
fn c29_tls_certificates_of_version_1_will_do_where_any_will() {
    handshake(true, true, &TLS13).expect("the server's own key");
    let error = handshake(true, false, &TLS13).expect_err("another key");
    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn c29_tls_direct_negotiation_names_the_protocol() {
    for (url, names) in
        [("postgresql://h", vec![]), ("postgresql://h?sslnegotiation=direct", vec![b"postgresql".to_vec()])]
    {
        let parsed: DatabaseUrl = url.parse().expect(url);
        let config = client_config(&parsed, Verifier::new(None, false)).expect("a configuration");
        assert_eq!(config.alpn_protocols, names, "{url}");
    }
}
