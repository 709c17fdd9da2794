//! C29: calls that are made while the server is away or full wait for it as for a connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use omniq::TaskFilter;
use omniq::backend::postgres::Settings;
use omniq::prelude::*;
use omniq_embedded::StopMode;
use omniq_testkit::{Proxy, TestDb, fault_server, heavy};

use crate::effects::number;

const CALLERS: i64 = 100;
const AWAY: Duration = Duration::from_secs(2);

/// Issue 12, C10. The server stops without warning under calls of a hundred callers, three times, and comes back after some seconds: no
/// call fails, no task is lost, and none is added twice, although the answers of calls that were just carried out are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_calls_wait_for_a_server_that_is_away() {
    let _turn = heavy();
    let mut server = fault_server("away");
    let db = TestDb::on(&server.url()).await;
    let backend = AsyncPostgresBackend::connect(&format!("{}?acquire_timeout=60", db.url())).await.unwrap();
    // Issue 12, E11.
    let said = std::fs::read_to_string(server.log_file()).unwrap();
    assert!(!said.contains("does not exist"), "{said}");

    let (over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (backend, over, next) = (backend.clone(), Arc::clone(&over), Arc::clone(&next));
            tokio::spawn(async move {
                let (mut ids, mut looks) = (Vec::new(), 0);
                while !over.load(Ordering::Relaxed) {
                    let new = || NewTask::new("f", &next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    match caller % 4 {
                        0 => ids.push(backend.enqueue(new().id(TaskId::new())).await.unwrap()),
                        1 => ids.extend(
                            backend.enqueue_many(vec![new(), new(), new().priority(1)]).await.unwrap(),
                        ),
                        _ => ids.push(backend.enqueue(new()).await.unwrap()),
                    }
                    if caller % 10 == 0 {
                        assert!(backend.queue().get(*ids.last().unwrap()).await.unwrap().is_some());
                        looks += 1;
                    }
                }
                (ids, looks)
            })
        })
        .collect();
    let server = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(700));
            server.stop(StopMode::Immediate).unwrap();
            std::thread::sleep(AWAY);
            server.restart(StopMode::Immediate).unwrap();
        }
        std::thread::sleep(Duration::from_millis(300));
        server
    });
    let _server = server.await.unwrap();
    over.store(true, Ordering::Relaxed);
    let (mut ids, mut looks) = (Vec::new(), 0);
    for caller in callers {
        let (more, looked) = caller.await.unwrap();
        ids.extend(more);
        looks += looked;
    }
    let told: HashSet<_> = ids.iter().copied().collect();
    assert_eq!(told.len(), ids.len());
    let count = backend.queue().count(&TaskFilter::default()).await.unwrap();
    println!("{} tasks and {looks} looks through three outages", ids.len());
    assert_eq!(
        count,
        u64::try_from(ids.len()).unwrap(),
        "one task for each call that succeeded, and no other"
    );
    assert_eq!(next.load(Ordering::Relaxed), i64::try_from(ids.len()).unwrap());
    // An id that is in use is still refused.
    let again = backend.enqueue(NewTask::new("f", &0).unwrap().id(ids[0])).await.unwrap_err();
    assert!(again.is_duplicate(), "{again:?}");
    backend.close().await.unwrap();
}

/// Issue 12, C10. A hundred waiting callers do not ask a server a hundred times: a refusal a moment ago counts for all callers.
/// Without that they ask some thousand times in this time.
#[tokio::test]
async fn c29_callers_that_wait_ask_a_server_that_is_away_together() {
    let db = TestDb::new().await;
    let (proxy, url) = Proxy::in_front_of(&db.url()).await;
    let backend =
        AsyncPostgresBackend::connect(&format!("{url}?acquire_timeout=2&pool_min=0")).await.unwrap();
    proxy.retarget("127.0.0.1:1");
    proxy.cut();
    let before = proxy.opened();
    let calls = (0..CALLERS).map(|_| {
        let backend = backend.clone();
        tokio::spawn(async move { backend.enqueue_many(vec![NewTask::new("f", &1).unwrap()]).await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(error.is_unavailable(), "{error}");
    }
    let asked = proxy.opened() - before;
    // At most as often as the pool has connections, in each tenth of a second.
    assert!((1..=200).contains(&asked), "{asked}");
    backend.close().await.unwrap();
}

/// Issue 12, C10. If a role may have fewer sessions than the pool would open, calls wait as for a full pool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_a_role_with_few_sessions_is_waited_for() {
    let db = TestDb::new().await;
    let (admin, role) = (db.client().await, format!("few_{}", db.name()));
    admin
        .batch_execute(&format!(
            "create role {role} login password 'secret' connection limit 2; grant all on database {} to {role}",
            db.name()
        ))
        .await
        .unwrap();
    let url = db.url();
    let (_, address) = url.rsplit_once('@').unwrap();
    let settings = Settings::builder().url(format!("postgresql://{role}:secret@{address}")).pool_max(10);
    let backend = AsyncPostgresBackend::with_settings(&settings.build().unwrap()).await.unwrap();
    let began = Instant::now();
    let calls: Vec<_> = (0..200)
        .map(|value| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.enqueue_many(vec![NewTask::new("f", &value).unwrap()]).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    println!("200 calls by two sessions of a pool of ten: {:?}", began.elapsed());
    assert_eq!(number(&admin, "select sum(count)::bigint from omniq.tasks").await, 200);
    backend.close().await.unwrap();
    admin.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

/// Issue 12, C10. A connect that waits for its server waits as long as it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c29_a_worker_starts_before_its_server() {
    let mut server = fault_server("late");
    let db = TestDb::on(&server.url()).await;
    let settings = Settings::from_url(&format!("{}?acquire_timeout=0.5", db.url())).unwrap();
    server.stop(StopMode::Immediate).unwrap();
    let error = AsyncPostgresBackend::with_settings(&settings).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    let waiting = tokio::spawn(async move { AsyncPostgresBackend::with_settings_patiently(&settings).await });
    // Any other connect waits as long as a call does.
    let other = Settings::from_url(&db.url()).unwrap();
    let other = tokio::spawn(async move { AsyncPostgresBackend::with_settings(&other).await });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished());
    assert!(!other.is_finished(), "{:?}", other.await);
    server.restart(StopMode::Immediate).unwrap();
    let backend = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    backend.enqueue(NewTask::new("f", &1).unwrap()).await.unwrap();
    backend.close().await.unwrap();
    let backend = tokio::time::timeout(Duration::from_secs(10), other).await.unwrap().unwrap().unwrap();
    backend.close().await.unwrap();
}
