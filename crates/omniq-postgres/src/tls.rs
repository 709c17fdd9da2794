//! TLS as the connection address asks for it, in the terms of libpq.

mod files;
#[cfg(test)]
mod tests;
mod verify;

use std::io;
use std::sync::Arc;

use futures_util::future::{Either, Ready, ready};
use omniq_core::{Error, Result};
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio_postgres::Socket;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::settings::DatabaseUrl;
use verify::Verifier;

/// The values of `sslmode`.
pub(crate) const MODES: &str = "disable, allow, prefer, require, verify-ca or verify-full";

/// Encrypts connections, or leaves them plain, as the address says.
///
/// | `sslmode` | encrypted | certificate of the server |
/// |---|---|---|
/// | `disable` | no | |
/// | `allow`, `prefer` (default) | if the server can | not checked |
/// | `require` | always | not checked; with `sslrootcert`, as `verify-ca` |
/// | `verify-ca` | always | must be signed by `sslrootcert` |
/// | `verify-full` | always | the same, and its name must be the host's |
///
/// `sslrootcert` is a PEM file, or `system` for the machine's root certificates, which requires (and implies)
/// `verify-full`; `verify-full` without `sslrootcert` uses them too. A certificate that is itself in `sslrootcert`
/// is trusted, self-signed or not. `sslcert` and `sslkey` are the client's own certificate and key, PEM
/// files without a passphrase.
///
/// Differences from libpq: `allow` does what `prefer` does, and a failed handshake is an error, never
/// followed by an attempt without encryption. Only the certificate's list of alternative names is searched for the host's
/// name. Certificates of X.509 version 1 are accepted only where certificates are not checked (and under TLS 1.3). A list
/// of hosts that mixes sockets and names needs `prefer` or weaker. Files in `~/.postgresql` are not read.
#[derive(Clone)]
pub struct Tls(Option<MakeRustlsConnect>);

impl Tls {
    /// Leaves connections plain.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// The TLS that the address asks for, with the driver's mode. Errors: `is_config`, naming the parameter and the file.
    pub(crate) fn of(url: &DatabaseUrl) -> Result<(SslMode, Self)> {
        let root = url.get("sslrootcert");
        let system = root == Some("system");
        let default = if system { "verify-full" } else { "prefer" };
        let mode = url.get("sslmode").unwrap_or(default);
        if mode == "disable" {
            return Ok((SslMode::Disable, Self::off()));
        }
        if system && mode != "verify-full" {
            return Err(Error::config(format!(
                "sslrootcert = system needs sslmode = verify-full, not {mode}: anyone can get a certificate \
                 that the system trusts, so its name must be checked"
            )));
        }
        let roots = match (mode, root) {
            ("verify-full", None | Some("system")) => Some(files::system_roots()?),
            ("verify-ca", None) => {
                return Err(Error::config("sslmode = verify-ca needs sslrootcert = a PEM file"));
            }
            ("require" | "verify-ca" | "verify-full", Some(path)) => Some(files::roots(path)?),
            _ => None,
        };
        let weak = matches!(mode, "allow" | "prefer");
        let mode_of_driver = if weak { SslMode::Prefer } else { SslMode::Require };
        let config = client_config(url, Verifier::new(roots, mode == "verify-full"))?;
        Ok((mode_of_driver, Self(Some(MakeRustlsConnect::new(config)))))
    }

    /// Whether connections can be encrypted.
    #[cfg(test)]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

fn client_config(url: &DatabaseUrl, verifier: Verifier) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match (url.get("sslcert"), url.get("sslkey")) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let (chain, private) = (files::certificates("sslcert", cert)?, files::key(key)?);
            builder.with_client_auth_cert(chain, private).map_err(|error| {
                Error::config(format!("sslcert = {cert:?} and sslkey = {key:?} do not go together: {error}"))
            })?
        }
        (Some(_), None) => return Err(Error::config("sslcert needs sslkey, the file of its private key")),
        (None, Some(_)) => return Err(Error::config("sslkey needs sslcert, the file of its certificate")),
    };
    if url.get("sslnegotiation") == Some("direct") {
        // Without ALPN, which names the protocol, the server refuses a direct TLS connection.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

type Rustls = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;

/// The part of [`Tls`] for one connection.
pub struct Connector(Option<Rustls>);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = Connector;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Connector> {
        match &mut self.0 {
            None => Ok(Connector(None)),
            Some(rustls) => MakeTlsConnect::<Socket>::make_tls_connect(rustls, host)
                .map(Some)
                .map(Connector)
                .map_err(|e| match e {}),
        }
    }
}

impl TlsConnect<Socket> for Connector {
    type Stream = <Rustls as TlsConnect<Socket>>::Stream;
    type Error = io::Error;
    type Future = Either<Ready<io::Result<Self::Stream>>, <Rustls as TlsConnect<Socket>>::Future>;

    fn connect(self, socket: Socket) -> Self::Future {
        match self.0 {
            Some(rustls) => Either::Right(rustls.connect(socket)),
            None => Either::Left(ready(Err(io::Error::other("TLS is off for this connection")))),
        }
    }
}
