//! Makes certificates for the tests.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate and its key.
pub(super) struct Issued {
    pub(super) certificate: rcgen::Certificate,
    pub(super) key: KeyPair,
}

impl Issued {
    /// Writes `name.crt` into the folder.
    pub(super) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, &format!("{name}.crt"), &self.certificate.pem())
    }

    /// Writes `name.key` into the folder.
    pub(super) fn write_key(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, &format!("{name}.key"), &self.key.serialize_pem())
    }
}

pub(super) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

/// A certificate authority.
pub(super) struct Authority {
    pub(super) own: Issued,
    params: CertificateParams,
}

fn params(names: &[&str], common_name: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("good names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

pub(super) fn authority(name: &str) -> Authority {
    let mut params = params(&[], name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    Authority { own: Issued { certificate, key }, params }
}

/// Signed by itself, and an authority, as `openssl req -x509` makes certificates.
pub(super) fn self_signed(names: &[&str]) -> Issued {
    self_signed_until(names, 2090)
}

pub(super) fn self_signed_until(names: &[&str], year: i32) -> Issued {
    let mut params = params(names, "itself");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = KeyPair::generate().expect("a key");
    Issued { certificate: params.self_signed(&key).expect("a certificate"), key }
}

impl Authority {
    pub(super) fn server(&self, names: &[&str]) -> Issued {
        self.issue(params(names, "server"), ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(super) fn expired(&self, names: &[&str]) -> Issued {
        let mut params = params(names, "server");
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(super) fn client(&self, common_name: &str) -> Issued {
        self.issue(params(&[], common_name), ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Issued {
        params.extended_key_usages = vec![purpose];
        let issuer = Issuer::from_params(&self.params, &self.own.key);
        let key = KeyPair::generate().expect("a key");
        Issued { certificate: params.signed_by(&key, &issuer).expect("a certificate"), key }
    }
}
