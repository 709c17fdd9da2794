//! Tests of TLS: `certificates` without a server, `server` against a real one.

mod certificates;
mod issue;
mod server;
