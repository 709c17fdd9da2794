//! A TCP proxy that cuts, stalls and delays connections on command.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Stands between a client and a server on loopback.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: Mutex<String>,
    delay_ms: AtomicU64,
    /// Connections of an earlier generation are closed.
    generation: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    /// How many connections there have been. On the oldest `held` of them nothing passes.
    opened: AtomicU64,
    held: watch::Sender<u64>,
    deaf: AtomicBool,
}

impl Proxy {
    /// A proxy on a free loopback port in front of this address.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let state = Arc::new(State {
            target: Mutex::new(target.to_owned()),
            delay_ms: AtomicU64::new(0),
            generation: watch::channel(0).0,
            stalled: watch::channel(false).0,
            opened: AtomicU64::new(0),
            held: watch::channel(0).0,
            deaf: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&shared)));
            }
        });
        Self { port, state, task }
    }

    /// The loopback port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts a proxy in front of the server of this URL. Returns it, and the URL that leads through it.
    pub async fn in_front_of(url: &str) -> (Self, String) {
        let (start, rest) = url.rsplit_once('@').expect("a URL with user and host");
        let (address, database) = rest.split_once('/').expect("a URL with a database");
        let proxy = Self::start(address).await;
        let through = format!("{start}@127.0.0.1:{}/{database}", proxy.port);
        (proxy, through)
    }

    /// How many connections it has accepted so far, including failed ones.
    pub fn opened(&self) -> u64 {
        self.state.opened.load(Ordering::Relaxed)
    }

    /// From now on, new connections go to this address; open ones keep theirs.
    pub fn retarget(&self, target: &str) {
        target.clone_into(&mut self.state.target.lock().expect("no test panics with it"));
    }

    /// Ends all connections now; new ones are accepted.
    pub fn cut(&self) {
        self.state.generation.send_modify(|generation| *generation += 1);
    }

    /// While true, nothing passes in either direction, and no connection ends.
    pub fn stall(&self, stalled: bool) {
        self.state.stalled.send_replace(stalled);
    }

    /// While true, nothing passes on the connections that are open now; new ones are not affected.
    pub fn hold_open_ones(&self, held: bool) {
        let count = if held { self.state.opened.load(Ordering::Relaxed) } else { 0 };
        self.state.held.send_replace(count);
    }

    /// While true, the server's answers are dropped; requests still reach it.
    pub fn lose_answers(&self, lost: bool) {
        self.state.deaf.store(lost, Ordering::Relaxed);
    }

    /// Delays each piece of data by this much.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn carry(client: TcpStream, state: Arc<State>) {
    let target = state.target.lock().expect("no test panics with it").clone();
    let number = state.opened.fetch_add(1, Ordering::Relaxed);
    let mut generation = state.generation.subscribe();
    generation.mark_unchanged();
    let Ok(server) = TcpStream::connect(&target).await else { return };
    // Small packets must not wait for each other, because that delay would not be the one that a test set.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    tokio::select! {
        () = pump(client_in, server_out, number, false, &state) => {}
        () = pump(server_in, client_out, number, true, &state) => {}
        _ = generation.changed() => {}
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    number: u64,
    answers: bool,
    state: &State,
) {
    let (mut stalled, mut held) = (state.stalled.subscribe(), state.held.subscribe());
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if answers && state.deaf.load(Ordering::Relaxed) {
            continue;
        }
        let delay = state.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if stalled.wait_for(|stalled| !stalled).await.is_err()
            || held.wait_for(|held| number >= *held).await.is_err()
            || to.write_all(&buffer[..count]).await.is_err()
        {
            return;
        }
    }
}
