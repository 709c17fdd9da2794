//! Which certificates are accepted, and which files are refused.

use std::path::Path;

use rustls::CertificateError::{Expired, NotValidForNameContext, UnknownIssuer};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, Error};
use tokio_postgres::config::SslMode;

use super::issue::{Issued, authority, self_signed, self_signed_until, write};
use crate::settings::DatabaseUrl;
use crate::tls::Tls;
use crate::tls::verify::{Roots, Verifier};

fn verify(root: Option<&Issued>, name: bool, server: &Issued, host: &str) -> Result<(), Error> {
    let roots = root.map(|root| {
        let mut roots = Roots::empty();
        roots.add(root.certificate.der().clone()).expect("a good root");
        roots
    });
    let host = ServerName::try_from(host).expect("a good name");
    Verifier::new(roots, name)
        .verify_server_cert(server.certificate.der(), &[], &host, &[], UnixTime::now())
        .map(|_| ())
}

fn reason(outcome: Result<(), Error>) -> CertificateError {
    match outcome {
        Err(Error::InvalidCertificate(reason)) => reason,
        other => panic!("expected a refused certificate, got {other:?}"),
    }
}

#[test]
fn c29_tls_chain_and_name_are_checked() {
    let (ca, other) = (authority("ca"), authority("other"));
    let server = ca.server(&["db.example", "127.0.0.1"]);
    for (host, ours) in
        [("db.example", true), ("127.0.0.1", true), ("evil.example", false), ("127.0.0.2", false)]
    {
        verify(None, false, &server, host).expect("any certificate will do");
        verify(Some(&ca.own), false, &server, host).expect("any name will do");
        match verify(Some(&ca.own), true, &server, host) {
            Ok(()) => assert!(ours, "{host} is not in the certificate"),
            refused => {
                assert!(!ours, "{host} is in the certificate");
                assert!(matches!(reason(refused), NotValidForNameContext { .. }));
            }
        }
        for name in [false, true] {
            assert_eq!(reason(verify(Some(&other.own), name, &server, host)), UnknownIssuer);
        }
    }
    let old = ca.expired(&["db.example"]);
    verify(None, false, &old, "db.example").expect("any certificate will do");
    let refused = reason(verify(Some(&ca.own), false, &old, "db.example"));
    assert!(matches!(refused, CertificateError::ExpiredContext { .. }), "{refused:?}");
}

#[test]
fn c29_tls_a_servers_own_certificate_may_be_the_root() {
    let server = self_signed(&["db.example"]);
    verify(Some(&server), true, &server, "db.example").expect("it is the root itself");
    verify(Some(&server), false, &server, "evil.example").expect("any name will do");
    let refused = reason(verify(Some(&server), true, &server, "evil.example"));
    assert!(matches!(refused, NotValidForNameContext { .. }), "{refused:?}");
    // The same names with another key: this certificate is not trusted.
    let refused = reason(verify(Some(&server), true, &self_signed(&["db.example"]), "db.example"));
    assert!(format!("{refused:?}").contains("CaUsedAsEndEntity"), "{refused:?}");
    let old = self_signed_until(&["db.example"], 2020);
    assert_eq!(reason(verify(Some(&old), true, &old, "db.example")), Expired);
}

fn tls(query: &str) -> omniq_core::Result<(SslMode, Tls)> {
    let url: DatabaseUrl = format!("postgresql://h/db?{query}").parse().expect(query);
    Tls::of(&url)
}

#[test]
fn c29_tls_modes_lead_to_the_drivers() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = authority("ca").own.write(folder.path(), "root");
    let root = format!("&sslrootcert={}", root.display());
    for (query, mode, on) in [
        (String::new(), SslMode::Prefer, true),
        ("sslmode=disable&sslrootcert=/none".into(), SslMode::Disable, false),
        ("sslmode=allow".into(), SslMode::Prefer, true),
        ("sslmode=prefer".into(), SslMode::Prefer, true),
        ("sslmode=require".into(), SslMode::Require, true),
        (format!("sslmode=require{root}"), SslMode::Require, true),
        (format!("sslmode=verify-ca{root}"), SslMode::Require, true),
        (format!("sslmode=verify-full{root}"), SslMode::Require, true),
    ] {
        let (got, tls) = tls(&query).expect(&query);
        assert_eq!((got, tls.is_on()), (mode, on), "{query}");
    }
}

#[test]
fn c29_tls_bad_files_are_refused_with_their_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder: &Path = folder.path();
    let ca = authority("ca");
    let root = ca.own.write(folder, "root").display().to_string();
    let key = ca.own.write_key(folder, "root").display().to_string();
    let other = authority("other").own.write_key(folder, "other").display().to_string();
    let empty = write(folder, "empty.pem", "no certificate").display().to_string();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = write(folder, "broken.pem", broken).display().to_string();
    let torn = write(folder, "torn.pem", "-----BEGIN CERTIFICATE-----\nsecret!").display().to_string();
    for (query, parts) in [
        ("sslmode=verify-full&sslrootcert=/none/root.crt".to_owned(), ["sslrootcert", "/none/root.crt"]),
        (format!("sslmode=verify-ca&sslrootcert={empty}"), ["sslrootcert", &empty]),
        (format!("sslmode=require&sslrootcert={broken}"), ["sslrootcert", &broken]),
        (format!("sslmode=require&sslrootcert={torn}"), ["sslrootcert", &torn]),
        (format!("sslmode=require&sslrootcert={}", folder.display()), ["sslrootcert", "directory"]),
        ("sslmode=verify-ca".into(), ["sslmode", "sslrootcert"]),
        ("sslmode=require&sslrootcert=system".into(), ["sslrootcert", "verify-full"]),
        (format!("sslcert={root}"), ["sslcert", "sslkey"]),
        (format!("sslkey={key}"), ["sslkey", "sslcert"]),
        (format!("sslcert={root}&sslkey={root}"), ["sslkey", &root]),
        (format!("sslcert={root}&sslkey=/none/my.key"), ["sslkey", "/none/my.key"]),
        (format!("sslcert={key}&sslkey={key}"), ["sslcert", &key]),
        (format!("sslcert={root}&sslkey={other}"), ["sslcert", &other]),
    ] {
        let error = tls(&query).map(|(mode, _)| mode).expect_err(&query);
        assert!(error.is_config(), "{error:?}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is missing in {error}");
        }
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}
