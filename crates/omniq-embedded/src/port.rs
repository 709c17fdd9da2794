//! The choice of a TCP port on the loopback interface.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Kind, Result};

/// Below the range from which systems take the ports of outgoing connections. From within it, a
/// client could take the server's port while the server restarts, even by connecting to itself.
const RANGE: std::ops::Range<u16> = 15_000..32_000;
const TRIES: u32 = 200;

/// Returns the wanted port if it is free, else a random free one.
pub(crate) fn choose(wanted: Option<u16>) -> Result<u16> {
    if let Some(port) = wanted.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    let random = (0..TRIES).map(|_| RANGE.start + random() % (RANGE.end - RANGE.start));
    let port = random.into_iter().find(|port| is_free(*port));
    Ok(port.ok_or(Kind::NoPort { tries: TRIES })?)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    // Without a source of randomness, the search begins at the same port each time.
    let _ = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    u16::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Ipv4Addr, RANGE, TcpListener, choose};

    #[test]
    fn a_taken_port_is_left_alone() {
        let port = choose(None).expect("a free port");
        assert!(RANGE.contains(&port));
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port was free");
        assert_ne!(choose(Some(port)).expect("another port"), port);
    }
}
