//! Whether a pooler hands out whole sessions, or a session for each transaction.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::sql::Columns;

const PROCESS: &str = include_str!("../../sql/session/process.sql");

/// How long the probe may take: a pooler whose connections are all in use does not answer.
const BOUND: Duration = Duration::from_secs(2);
/// Which of the two clients sends each statement, in this order. A pooler that gives each transaction the connection that was used last
/// shows itself when the client changes; one that gives connections in turn shows itself when the same client sends twice in a row.
const ASKED: [usize; 16] = [0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0];

/// Whether each of two clients is served by one process of its own for as long as it is open. In doubt `false`: without sessions of its
/// own a caller polls, which is slower but correct.
///
/// Other clients of the pooler can hide that the processes change, because each client may get the same process by chance. But a client
/// that used the process in between has left its statement there, so each client also checks the last statement of the other's process.
pub(crate) async fn are_sessions(clients: [&Client; 2]) -> bool {
    let probe = async {
        let token: u64 = rand::random();
        let mut seen = [const { None }; 2];
        for (number, asked) in ASKED.into_iter().enumerate() {
            let (own, other): (&Option<Seen>, &Option<Seen>) = (&seen[asked], &seen[1 - asked]);
            // At the beginning, because the server shows only the beginning of a statement.
            let statement = format!("/* {token:016x} {number} */ {PROCESS}");
            let asks_of = other.as_ref().map(|other| other.process);
            let rows = clients[asked].query_typed(&statement, &[(&asks_of, Type::INT4)]).await.ok()?;
            let mut columns = Columns::new(rows.first()?);
            let process: i32 = columns.take().ok()?;
            let last: Option<String> = columns.take().ok()?;
            let same = own.as_ref().is_none_or(|own| own.process == process);
            let others = other.as_ref().is_none_or(|other| other.process != process && other.is_last(last));
            if !(same && others) {
                return None;
            }
            seen[asked] = Some(Seen { process, statement });
        }
        Some(())
    };
    matches!(tokio::time::timeout(BOUND, probe).await, Ok(Some(())))
}

/// The process that served a client, and the statement.
struct Seen {
    process: i32,
    statement: String,
}

impl Seen {
    /// Whether the process has executed nothing since. The server shows at least 99 bytes, and nothing if it is configured to keep none.
    fn is_last(&self, shown: Option<String>) -> bool {
        shown.is_some_and(|shown| shown.len() >= 64 && self.statement.starts_with(&shown))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use omniq_testkit::{Pooler, TestDb};
    use tokio::task::JoinSet;
    use tokio_postgres::NoTls;

    use super::*;

    async fn client(url: &str) -> Client {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// How many of eight concurrent pairs, 25 times each, were taken for sessions, while other clients use the pooler.
    async fn taken_for_sessions(more: &str) -> usize {
        let db = TestDb::new().await;
        let pooler = Pooler::start(&db, more);
        let mut load = JoinSet::new();
        for _ in 0..6 {
            let client = client(pooler.url()).await;
            load.spawn(async move {
                loop {
                    client.batch_execute("select pg_sleep(0.0005 * random())").await.unwrap();
                }
            });
        }
        let mut pairs = JoinSet::new();
        for _ in 0..8 {
            let url = pooler.url().to_owned();
            pairs.spawn(async move {
                let mut taken = 0;
                for _ in 0..25 {
                    let (one, two) = (client(&url).await, client(&url).await);
                    taken += usize::from(are_sessions([&one, &two]).await);
                }
                taken
            });
        }
        pairs.join_all().await.into_iter().sum()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_crowd_in_a_pooler_by_transaction_gives_no_session() {
        for more in ["", "server_round_robin = 1", "default_pool_size = 3"] {
            assert_eq!(taken_for_sessions(more).await, 0, "{more:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_crowd_in_a_pooler_by_session_is_seen_as_such() {
        let taken = taken_for_sessions("pool_mode = session\ndefault_pool_size = 40").await;
        // On a busy machine a probe may take longer than its bound, and is in doubt then.
        assert!(taken > 180, "{taken} of 200");
    }

    /// Found by a run of the suite: a storage that was opened through a busy pooler by transaction got the same process each time by
    /// chance, and kept statements in sessions of other clients. Here it always gets the same process.
    #[tokio::test]
    async fn what_others_do_in_between_shows() {
        let db = TestDb::new().await;
        let (one, two) = (Arc::new(client(&db.url()).await), client(&db.url()).await);
        assert!(are_sessions([&one, &two]).await);
        let other = tokio::spawn({
            let one = Arc::clone(&one);
            async move { while one.batch_execute("select 1").await.is_ok() {} }
        });
        // On a busy machine the other client may be asleep for the length of one probe.
        for tries in 1.. {
            if !are_sessions([&one, &two]).await {
                break;
            }
            assert!(tries < 20, "it does not show");
        }
        other.abort();
    }
}
