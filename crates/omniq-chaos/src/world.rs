//! The environment of the load: a private server, perhaps on a small disk of its own, a pooler, a proxy, and the team.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq_embedded::{Lifetime, Options, Programs, Server};
use omniq_testkit::{Pooler, Proxy, TestDb};
use tokio_postgres::{Client, NoTls};

use crate::args::Args;
use crate::fallible::Fallible;
use crate::history::Writer;
use crate::orders::{LEASE, Orders, Role};
use crate::part::Part;
use crate::team::Team;

/// Set if this process already runs in a mount namespace of its own.
pub const MOUNTS: &str = "OMNIQ_TEST_CHAOS_MOUNTS";

/// The size of the server's disk, where it can be full.
const DISK: &str = "1g";

pub struct World {
    /// Where the server's disk is mounted, if it has its own.
    pub disk: Option<PathBuf>,
    pub server: Arc<Mutex<Server>>,
    pub db: TestDb,
    pub pooler: RefCell<Option<Pooler>>,
    pub proxy: Proxy,
    pub team: RefCell<Team>,
    pub history: Writer,
    /// How often each fault was carried out, and how often it could not be.
    pub done: RefCell<Vec<(Part, bool)>>,
    /// Members that a fault concerns. At most one fault at a time concerns a member.
    pub busy: RefCell<Vec<usize>>,
    /// Whether the server may be away.
    pub restarting: Cell<bool>,
}

impl World {
    pub async fn make(args: &Args, folder: &Path) -> Fallible<Self> {
        for part in ["history", "logs"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        let disk = own_disk(folder)?;
        let data = disk.clone().unwrap_or_else(|| folder.to_owned()).join("server");
        let programs = match std::env::var_os("OMNIQ_TEST_PG_BIN") {
            Some(programs) => Programs::in_folder(programs)?,
            None => Programs::locate()?,
        };
        let options = Options::new(data)
            .bin_dir(programs.bin_dir())
            .lifetime(Lifetime::Owned)
            .setting("max_connections", "300")
            .setting("min_wal_size", "64MB")
            .setting("max_wal_size", "160MB");
        let server = Server::start(options)?;
        let db = TestDb::on(&server.url()).await;
        db.client().await.batch_execute(include_str!("tables.sql")).await?;
        let pooler = Pooler::start(&db, "default_pool_size = 20\nserver_connect_timeout = 3\n");
        let pooled = if args.has(Part::Pooler) { pooler.url().to_owned() } else { db.url() };
        let (proxy, through) = Proxy::in_front_of(&db.url()).await;
        let mut team = Team::new(folder.join("logs"));
        let orders = |role, name: &str, url: &str| Orders {
            role,
            who: name.to_owned(),
            seed: args.seed.wrapping_mul(1_000_003).wrapping_add(name.bytes().map(u64::from).sum()),
            url: url.to_owned(),
            other_url: pooled.clone(),
            direct: db.url(),
            history: folder.join("history"),
            lease: LEASE,
            first: 0,
            queues: queues(name),
            payments: args.has(Part::Payments),
            callers: args.callers,
            python: args.python.clone(),
            script: Some(folder.join("worker.py")),
        };
        std::fs::write(folder.join("worker.py"), include_str!("actor/worker.py"))?;
        // The first connect makes the schema, which is not under test here.
        omniq::backend::postgres::AsyncPostgresBackend::connect(&format!("{}?events=postgres", db.url()))
            .await?
            .close()
            .await?;
        team.add(orders(Role::Producer, "producer-1", &db.url()))?;
        team.add(orders(Role::Producer, "producer-2", &pooled))?;
        team.add(orders(Role::Worker, "rust-1", &db.url()))?;
        team.add(orders(Role::Worker, "rust-2", &pooled))?;
        team.add(orders(Role::Worker, "rust-3", &through))?;
        if args.python.is_some() && args.has(Part::Python) {
            team.add(orders(Role::Python, "python-1", &db.url()))?;
            team.add(orders(Role::Python, "python-2", &pooled))?;
        }
        if args.has(Part::Verbs) {
            team.add(orders(Role::Manager, "manager-1", &db.url()))?;
        }
        Ok(Self {
            disk,
            server: Arc::new(Mutex::new(server)),
            history: Writer::open(&folder.join("history"), "nemesis")?,
            pooler: RefCell::new(Some(pooler)),
            db,
            proxy,
            team: RefCell::new(team),
            done: RefCell::default(),
            busy: RefCell::default(),
            restarting: Cell::new(false),
        })
    }

    /// A connection for the nemesis; fails after three seconds.
    pub async fn client(&self) -> Fallible<Client> {
        let (client, connection) =
            tokio::time::timeout(Duration::from_secs(3), tokio_postgres::connect(&self.db.url(), NoTls))
                .await??;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A connection, once the server is back.
    pub async fn patient_client(&self) -> Fallible<Client> {
        for _ in 0..300 {
            if let Ok(client) = self.client().await {
                return Ok(client);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.client().await
    }
}

/// Every second worker begins with the queues of the manager, so that verbs and claims meet.
fn queues(name: &str) -> Vec<String> {
    let order = if name.ends_with('2') { ["bulk", "purge", "main"] } else { ["main", "bulk", "purge"] };
    order.map(str::to_owned).into()
}

/// A small file system in memory, which the nemesis can fill and on which restarts are quick. It ends with this process.
fn own_disk(folder: &Path) -> Fallible<Option<PathBuf>> {
    if std::env::var_os(MOUNTS).is_none() {
        return Ok(None);
    }
    let disk = folder.join("disk");
    std::fs::create_dir_all(&disk)?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &format!("size={DISK},mode=755"), "omniq-chaos"])
        .arg(&disk)
        .status();
    Ok(mounted.is_ok_and(|status| status.success()).then_some(disk))
}

/// Removes the folder of a run, after its disk.
pub fn remove(folder: &Path) {
    let disk = folder.join("disk");
    if disk.exists() && std::env::var_os(MOUNTS).is_some() {
        let _ = Command::new("umount").arg("--lazy").arg(disk).status();
    }
    // A leftover folder does no harm except for its size.
    let _ = std::fs::remove_dir_all(folder);
}
