//! The ear of a queue: one connection, apart from the pool, that listens for the bell and tells who sleeps. It comes back by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq_core::{Result, WorkerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client};

use crate::db::Db;
use crate::error::from_driver;
use crate::hands::{Hand, Hands};
use crate::rows::Columns;
use crate::sessions::Sessions;

/// The shortest and the longest wait between two tries to connect.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long a sleeper waits until it is known to sleep; it polls anyway.
const LISTED: Duration = Duration::from_secs(2);
/// Who sleeps on more queues than this takes one lock for whatever queue: locks are a scarce good of the server.
const LISTABLE: usize = 32;

enum Order {
    /// Somebody falls asleep on these queues; as a worker he may have an ear for what is handed over.
    Sleep { queues: Vec<String>, hand: Option<Arc<Hand>>, done: oneshot::Sender<Vec<String>> },
    /// He wakes.
    Wake { queues: Vec<String>, hand: Option<Arc<Hand>> },
    /// The worker leaves; his ear is to be told when all is heard.
    EndHandover(Arc<Hand>),
    /// Nothing is for this ear any more.
    Forget(Arc<Hand>),
}

/// What a sleeper sees.
#[derive(Debug, Default)]
pub(crate) struct Rings {
    pub(crate) count: u64,
    /// How often the connection was made.
    pub(crate) connections: u64,
    /// The transactions that wrote tasks when it was made the last time: they may have looked for sleepers before.
    pub(crate) unaware: Vec<String>,
}

/// Counts the rings; ends when dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    rings: watch::Receiver<Rings>,
    bed: Bed,
    task: JoinHandle<()>,
}

/// Where sleepers say so. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bed {
    orders: mpsc::UnboundedSender<Order>,
    hears: Arc<AtomicBool>,
}

impl Bed {
    /// Returns once bells of these queues are rung, or if there is no connection just now: there is a ring as soon as it is back.
    /// The answer is the transactions that wrote tasks at that moment: they may have looked for sleepers before.
    pub(crate) async fn sleep(&self, queues: &[String], hand: Option<Arc<Hand>>) -> Vec<String> {
        let (done, listed) = oneshot::channel();
        let sent = self.orders.send(Order::Sleep { queues: named(queues), hand, done });
        if sent.is_ok() && self.hears.load(Ordering::Acquire) {
            return tokio::time::timeout(LISTED, listed).await.ok().and_then(Result::ok).unwrap_or_default();
        }
        Vec::new()
    }

    /// The sleeper is awake.
    pub(crate) fn wake(&self, queues: &[String], hand: Option<Arc<Hand>>) {
        let _ = self.orders.send(Order::Wake { queues: named(queues), hand });
    }

    /// Nothing more is to be handed over to this ear; it is told when it has heard all.
    pub(crate) fn end_handover(&self, hand: &Arc<Hand>) {
        let _ = self.orders.send(Order::EndHandover(Arc::clone(hand)));
    }

    /// The ear is gone.
    pub(crate) fn forget(&self, hand: &Arc<Hand>) {
        let _ = self.orders.send(Order::Forget(Arc::clone(hand)));
    }
}

/// The queues as they are listed. No queue has an empty name: that one stands for all.
fn named(queues: &[String]) -> Vec<String> {
    if queues.len() > LISTABLE { vec![String::new()] } else { queues.to_vec() }
}

impl Listener {
    pub(crate) fn start(db: &Arc<Db>, hands: Hands) -> Self {
        let (ring, rings) = watch::channel(Rings::default());
        let (orders, from) = mpsc::unbounded_channel();
        let bed = Bed { orders, hears: Arc::default() };
        let ear = Ear {
            sessions: Arc::clone(&db.sessions),
            listen: format!("listen \"{}\"", db.schema.channel()),
            sleep: db.sql.sleep.text.clone(),
            wake: db.sql.wake.text.clone(),
            writers: db.sql.writers.text.clone(),
            hear: db.sql.hear.text.clone(),
            offer: db.sql.offer.text.clone(),
            withdraw_offer: db.sql.withdraw_offer.text.clone(),
            end_handover: db.sql.end_handover.text.clone(),
            bell: db.schema.channel(),
            hands,
            ring,
            orders: from,
            hears: Arc::clone(&bed.hears),
            asleep: HashMap::new(),
            offers: HashMap::new(),
            ears: HashSet::new(),
        };
        Self { rings, bed, task: tokio::spawn(ear.work()) }
    }

    /// Rings from now on.
    pub(crate) fn rings(&self) -> watch::Receiver<Rings> {
        let mut rings = self.rings.clone();
        rings.mark_unchanged();
        rings
    }

    pub(crate) fn bed(&self) -> Bed {
        self.bed.clone()
    }

    /// Ends the connection and waits until it is gone.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // The connection is dropped with its task, which closes its socket.
        while !self.task.is_finished() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ear {
    sessions: Arc<Sessions>,
    listen: String,
    sleep: String,
    wake: String,
    writers: String,
    hear: String,
    offer: String,
    withdraw_offer: String,
    end_handover: String,
    bell: String,
    hands: Hands,
    ring: watch::Sender<Rings>,
    orders: mpsc::UnboundedReceiver<Order>,
    hears: Arc<AtomicBool>,
    /// How many sleep on each queue.
    asleep: HashMap<String, usize>,
    /// By how many bells each worker sleeps that takes what is handed over.
    offers: HashMap<WorkerId, (usize, Arc<Hand>)>,
    /// Channels that this connection listens to beside the bell's.
    ears: HashSet<String>,
}

impl Ear {
    async fn work(mut self) {
        let mut pause = RETRY.0;
        loop {
            if let Err(error) = self.hear().await {
                tracing::debug!(%error, "the listening connection broke off; polling until it is back");
            }
            let heard = self.hears.swap(false, Ordering::AcqRel);
            self.hands.deafen();
            // Whoever sleeps looks now: bells may have rung unheard.
            self.ring();
            // A server that let us listen is up: only one that does not is given ever more time.
            pause = if heard { RETRY.0 } else { (pause * 2).min(RETRY.1) };
            tokio::time::sleep(pause).await;
        }
    }

    fn ring(&self) {
        self.ring.send_modify(|rings| rings.count += 1);
    }

    async fn hear(&mut self) -> Result<()> {
        let (client, mut connection) = self.sessions.connect().await?;
        let (ring, hands, bell) = (self.ring.clone(), self.hands.clone(), self.bell.clone());
        let serving = self.serve(&client);
        tokio::pin!(serving);
        loop {
            tokio::select! {
                message = std::future::poll_fn(|context| connection.poll_message(context)) => match message {
                    Some(Ok(AsyncMessage::Notification(heard))) if heard.channel() == bell => {
                        ring.send_modify(|rings| rings.count += 1);
                    }
                    Some(Ok(AsyncMessage::Notification(heard))) => {
                        if let Some(hand) = hands.by_ear(heard.channel()) {
                            hand.hear(heard.payload());
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(from_driver(error)),
                    None => return Ok(()),
                },
                served = &mut serving => return served,
            }
        }
    }

    /// Lists who sleeps already, then whoever comes.
    async fn serve(&mut self, client: &Client) -> Result<()> {
        self.sessions.make_ready(client).await?;
        client.batch_execute(&self.listen).await.map_err(from_driver)?;
        self.ears.clear();
        while let Ok(order) = self.orders.try_recv() {
            self.note(&order);
        }
        let asleep: Vec<_> = self.asleep.keys().cloned().collect();
        let hands: Vec<_> = self.offers.values().map(|(_, hand)| Arc::clone(hand)).collect();
        for hand in hands {
            self.offer(client, &hand).await?;
        }
        let unaware = self.sleep(client, &asleep).await?;
        self.hears.store(true, Ordering::Release);
        // Sleepers that looked before this moment may have missed a bell.
        self.ring.send_modify(|rings| {
            *rings = Rings { count: rings.count + 1, connections: rings.connections + 1, unaware };
        });
        while let Some(order) = self.orders.recv().await {
            let changed = self.note(&order);
            match order {
                Order::Sleep { done, .. } => {
                    if let Some(hand) = &changed.hand {
                        self.offer(client, hand).await?;
                    }
                    let _ = done.send(self.sleep(client, &changed.queues).await?);
                }
                Order::Wake { .. } => {
                    if let Some(hand) = &changed.hand {
                        self.withdraw(client, hand).await?;
                    }
                    list(client, &self.wake, &changed.queues).await?;
                }
                Order::EndHandover(hand) => {
                    if changed.hand.is_some() {
                        self.withdraw(client, &hand).await?;
                    }
                    let params: [(&(dyn ToSql + Sync), Type); 2] =
                        [(&hand.worker.0, Type::INT8), (&hand.ear, Type::TEXT)];
                    client.query_typed(&self.end_handover, &params).await.map_err(from_driver)?;
                }
                Order::Forget(hand) => {
                    if changed.hand.is_some() {
                        self.withdraw(client, &hand).await?;
                    }
                    if self.ears.remove(&hand.ear) {
                        let unlisten = format!("unlisten \"{}\"", hand.ear);
                        client.batch_execute(&unlisten).await.map_err(from_driver)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Lists sleepers; returns who writes right after: whoever does not yet will know of them.
    async fn sleep(&self, client: &Client, queues: &Vec<String>) -> Result<Vec<String>> {
        let listed = list(client, &self.sleep, queues);
        let writers = client.query_typed(&self.writers, &[(&None::<Vec<String>>, Type::TEXT_ARRAY)]);
        let (listed, writers) = tokio::join!(listed, writers);
        listed?;
        Columns::new(&writers.map_err(from_driver)?[0]).take()
    }

    /// Listens before it says so.
    async fn offer(&mut self, client: &Client, hand: &Hand) -> Result<()> {
        if self.ears.insert(hand.ear.clone()) {
            client.query_typed(&self.hear, &[(&hand.ear, Type::TEXT)]).await.map_err(from_driver)?;
        }
        let offered = client.query_typed(&self.offer, &[(&hand.worker.0, Type::INT8)]).await;
        offered.map(drop).map_err(from_driver)
    }

    async fn withdraw(&self, client: &Client, hand: &Hand) -> Result<()> {
        let withdrawn = client.query_typed(&self.withdraw_offer, &[(&hand.worker.0, Type::INT8)]).await;
        withdrawn.map(drop).map_err(from_driver)
    }

    /// Counts, and returns what the server is to be told of.
    fn note(&mut self, order: &Order) -> Changed {
        let mut changed = Changed::default();
        let (queues, hand, sleeps) = match order {
            Order::Sleep { queues, hand, .. } => (queues.as_slice(), hand.as_ref(), true),
            Order::Wake { queues, hand } => (queues.as_slice(), hand.as_ref(), false),
            Order::EndHandover(hand) | Order::Forget(hand) => {
                changed.hand = self.offers.remove(&hand.worker).map(|(_, hand)| hand);
                return changed;
            }
        };
        for queue in queues {
            let before = self.asleep.get(queue).copied().unwrap_or(0);
            let now = if sleeps { before + 1 } else { before.saturating_sub(1) };
            if now == 0 {
                self.asleep.remove(queue);
            } else {
                self.asleep.insert(queue.clone(), now);
            }
            if (before == 0) != (now == 0) {
                changed.queues.push(queue.clone());
            }
        }
        if let Some(hand) = hand {
            let before = self.offers.get(&hand.worker).map_or(0, |(bells, _)| *bells);
            let now = if sleeps { before + 1 } else { before.saturating_sub(1) };
            if now == 0 {
                self.offers.remove(&hand.worker);
            } else {
                self.offers.insert(hand.worker, (now, Arc::clone(hand)));
            }
            changed.hand = ((before == 0) != (now == 0)).then(|| Arc::clone(hand));
        }
        changed
    }
}

/// What the server is to be told of.
#[derive(Default)]
struct Changed {
    queues: Vec<String>,
    hand: Option<Arc<Hand>>,
}

async fn list(client: &Client, statement: &str, queues: &Vec<String>) -> Result<()> {
    if queues.is_empty() {
        return Ok(());
    }
    client.query_typed(statement, &[(queues, Type::TEXT_ARRAY)]).await.map(drop).map_err(from_driver)
}
