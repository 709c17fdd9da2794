//! Tests of TLS: `certificates` and `handshake` without a server, `server` against a real one.

mod certificates;
mod handshake;
mod issue;
mod server;
