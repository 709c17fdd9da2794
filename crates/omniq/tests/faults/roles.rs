//! What child processes run: workers of several characters.

use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::argument;

use crate::effects::Effects;

/// Runs a role to its end.
pub fn run(role: &str) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(
        async {
            match role {
                "worker" => worker().await,
                other => panic!("no such role: {other}"),
            }
        },
    );
}

fn given(name: &str) -> String {
    argument(name).unwrap_or_else(|| panic!("the role needs the argument {name}"))
}

/// A worker whose handlers write effects. Arguments: url, effects (a URL), concurrency; lease and queue, if not the default.
async fn worker() {
    let backend = AsyncPostgresBackend::connect(&given("url")).await.unwrap();
    let effects = Effects::new(&given("effects"));
    let mut builder =
        Worker::builder(backend.backend().clone()).concurrency(given("concurrency").parse().unwrap());
    if let Some(lease) = argument("lease") {
        builder = builder.lease(Duration::from_secs_f64(lease.parse().unwrap()));
    }
    if let Some(queue) = argument("queues") {
        builder = builder.queues(queue.split(','));
    }
    let hangs = argument("hangs").is_some();
    let (quick, slow) = (effects.clone(), effects);
    let worker = builder
        .register("effect", move |_: i64, context: Context| {
            let effects = quick.clone();
            async move {
                effects.write(&context, "ran").await?;
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Failure>(std::process::id())
            }
        })
        .register("slow", move |millis: u64, context: Context| {
            let effects = slow.clone();
            async move {
                effects.write(&context, "begun").await?;
                tokio::time::sleep(Duration::from_millis(millis)).await;
                effects.write(&context, "ended").await?;
                Ok::<_, Failure>(std::process::id())
            }
        })
        .build()
        .unwrap();
    worker.run_with_signals().await.unwrap();
    backend.close().await.unwrap();
}
