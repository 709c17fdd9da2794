//! The hosts of an address, tried one after the other, each within the connect timeout, which includes its log-in.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use omniq_core::{Error, Result};
use rand::seq::SliceRandom;
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};

use crate::error::from_connect;
use crate::settings::Settings;
use crate::tls::Tls;
use omniq_core::sync::locked;

pub(crate) type Open = (Client, Connection<Socket, <Tls as MakeTlsConnect<Socket>>::Stream>);

/// For this long a host that did not answer is tried after the others.
const LATE: Duration = Duration::from_secs(60);
/// A host that takes longer counts as one that did not answer.
const SLOW: Duration = Duration::from_secs(1);

/// Where to connect to.
pub(crate) struct Hosts {
    list: Vec<(Config, Tls)>,
    /// The user's own `options` for the start of sessions.
    options: String,
    /// When each host last failed to answer.
    late: Arc<Mutex<Vec<Option<Instant>>>>,
    limit: Duration,
}

impl Hosts {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let (list, options) = settings.connect_configs()?;
        let late = Arc::new(Mutex::new(vec![None; list.len()]));
        Ok(Self { list, options, late, limit: settings.connect_timeout })
    }

    /// No host: connections are made elsewhere, each within this time.
    pub(crate) fn none(limit: Duration) -> Self {
        Self { list: Vec::new(), options: String::new(), late: Arc::default(), limit }
    }

    pub(crate) fn options(&self) -> &str {
        &self.options
    }

    /// How long each host may take.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The same hosts, with these options for the start of sessions.
    pub(crate) fn asking_for(&self, start: Option<&str>) -> Self {
        let mut list = self.list.clone();
        if let Some(start) = start {
            for (config, _) in &mut list {
                config.options(start);
            }
        }
        Self { list, options: self.options.clone(), late: Arc::clone(&self.late), limit: self.limit }
    }

    fn late(&self) -> MutexGuard<'_, Vec<Option<Instant>>> {
        locked(&self.late)
    }

    /// The hosts in the order in which they are tried.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.list.len()).collect();
        if self
            .list
            .first()
            .is_some_and(|(config, _)| config.get_load_balance_hosts() == LoadBalanceHosts::Random)
        {
            order.shuffle(&mut rand::rng());
        }
        let late = self.late();
        order.sort_by_key(|host| late[*host].is_some_and(|since| since.elapsed() < LATE));
        order
    }

    /// Notes that a host gave a connection but did not answer on it.
    pub(crate) fn did_not_answer(&self, host: usize) {
        self.late()[host] = Some(Instant::now());
    }

    /// Connects to the first host that answers within this time. Returns its index and the connection, which the caller drives. Errors:
    /// `is_unavailable` if a later attempt may succeed.
    pub(crate) async fn connect(&self, limit: Duration) -> Result<(usize, Open)> {
        let mut failed: Vec<Error> = Vec::new();
        for host in self.order() {
            match self.connect_to(host, limit).await {
                Ok(open) => return Ok((host, open)),
                Err(error) => failed.push(error),
            }
        }
        let passing = failed.iter().position(Error::is_unavailable);
        let Some(last) = passing.map(|place| failed.swap_remove(place)).or_else(|| failed.pop()) else {
            return Err(Error::internal("an address without a host"));
        };
        Err(failed.into_iter().fold(last, |error, other| error.context(other.message())))
    }

    async fn connect_to(&self, host: usize, limit: Duration) -> Result<Open> {
        let (config, tls) = &self.list[host];
        let waiting = Waiting { hosts: self, host, since: Instant::now() };
        let addresses = addresses(config, limit).await?;
        let open = connect_to_one_of(addresses, tls, limit).await.unwrap_or_else(|| {
            let name = named(config);
            Err(Error::unavailable(format!("no connection to {name}: the name has no address")))
        })?;
        waiting.answered();
        Ok(open)
    }
}

/// Connects to the first address of a host that answers, else returns the last address's error. Each address has the whole time.
async fn connect_to_one_of(addresses: Vec<Config>, tls: &Tls, limit: Duration) -> Option<Result<Open>> {
    let mut failed = None;
    for one in addresses {
        let error = match tokio::time::timeout(limit, one.connect(tls.clone())).await {
            Ok(Ok(open)) => return Some(Ok(open)),
            Ok(Err(error)) => from_connect(error, &named(&one)),
            Err(_) => {
                let name = named(&one);
                Error::unavailable(format!("no connection to {name}: no answer within {limit:?}"))
            }
        };
        failed = Some(Err(error));
    }
    failed
}

/// A host that is being asked. If that takes long, even if the caller gives up, the host counts as one that does not answer.
struct Waiting<'a> {
    hosts: &'a Hosts,
    host: usize,
    since: Instant,
}

impl Waiting<'_> {
    fn answered(self) {
        self.hosts.late()[self.host] = None;
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= SLOW {
            self.hosts.late()[self.host] = Some(Instant::now());
        }
    }
}

/// One configuration for each address of a host's name: the connect timeout holds for each address.
async fn addresses(config: &Config, limit: Duration) -> Result<Vec<Config>> {
    let ([Host::Tcp(name)], []) = (config.get_hosts(), config.get_hostaddrs()) else {
        return Ok(vec![config.clone()]);
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let unknown = |why: String| Error::unavailable(format!("no connection to {name}:{port}: {why}"));
    let found = tokio::time::timeout(limit, tokio::net::lookup_host((name.as_str(), port)))
        .await
        .map_err(|_| unknown(format!("its name was not resolved within {limit:?}")))?
        .map_err(|error| unknown(error.to_string()))?;
    let at = |address: std::net::SocketAddr| {
        let mut config = config.clone();
        config.hostaddr(address.ip());
        config
    };
    let mut found: Vec<_> = found.map(at).collect();
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        found.shuffle(&mut rand::rng());
    }
    Ok(found)
}

/// The host as the user has named it.
fn named(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(name)), _) => format!("{name}:{port}"),
        #[cfg(unix)]
        (Some(Host::Unix(folder)), _) => format!("{}/.s.PGSQL.{port}", folder.display()),
        (None, Some(address)) => format!("{address}:{port}"),
        (None, None) => format!("port {port}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Issue 12, C5: a name has two addresses; the first one accepts the connection and never answers.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_next_address_of_a_name_is_tried_when_the_first_one_does_not_answer() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let answering = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let server = tokio::spawn(async move {
            let (mut client, _) = answering.accept().await.unwrap();
            let read = client.read(&mut [0; 1024]).await.unwrap();
            // Accepts the log-in and reports that the session is ready.
            client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.unwrap();
            (client, read)
        });
        let url = format!("postgres://user@name:{port}/db?sslmode=disable");
        let settings = Settings::builder().url(url).build().unwrap();
        let (config, tls) = settings.connect_configs().unwrap().0.pop().unwrap();
        let at = |address: &str| {
            let mut config = config.clone();
            config.hostaddr(address.parse().unwrap());
            config
        };
        let limit = Duration::from_millis(200);
        let error = connect_to_one_of(vec![at("127.0.0.1")], &tls, limit).await.unwrap().err().unwrap();
        assert!(
            error.is_unavailable()
                && error.message().contains(&format!("name:{port}: no answer within 200ms"))
        );
        let both = vec![at("127.0.0.1"), at("127.0.0.2")];
        assert!(connect_to_one_of(both, &tls, limit).await.unwrap().is_ok());
        server.await.unwrap();
    }
}
