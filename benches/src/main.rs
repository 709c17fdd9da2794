//! OmniQ's program in the benchmark, and `server`, which runs the private server for all of them. `collect COUNT`
//! measures the collection of results by itself, `costs` what features cost the server.
//!
//! `benches/run.py` starts it; see `benches/README.md`.

mod collect;
mod costs;
mod omniq_peer;
mod server;

use bench_protocol::Mode;

/// Any error ends the program with a message.
type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    if std::env::args().nth(1).as_deref() == Some("server") {
        return server::hold(std::env::args().skip(2));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().nth(1).as_deref() == Some("collect") {
        let count = std::env::args().nth(2).ok_or("collect COUNT")?.parse()?;
        return runtime.block_on(collect::run(count));
    }
    if std::env::args().nth(1).as_deref() == Some("costs") {
        return runtime.block_on(costs::run());
    }
    let mode = Mode::from_args()?;
    runtime.block_on(omniq_peer::run(mode))
}
