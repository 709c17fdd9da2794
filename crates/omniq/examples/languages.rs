//! A Rust program on the same queue as a Python program: it enqueues tasks for the other one, then runs its own until none is left. The
//! tests of the Python package start it.

#![allow(clippy::print_stdout, reason = "it prints the ids")]

use omniq::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Order {
    a: i64,
    x: i64,
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let backend = AsyncPostgresBackend::from_env().await?;
    let tasks = [
        NewTask::new("py_greet", &"Ann")?,
        NewTask::new("py_add", &(1, 2))?,
        NewTask::new("py_add", &Order { a: 3, x: 4 })?,
        NewTask::with_payload("py_greet", Payload::msgpack(&"Bob")?),
        NewTask::with_payload("py_add", Payload::msgpack(&Order { a: 5, x: 6 })?),
        NewTask::new("py_nothing", &())?,
    ];
    for id in backend.enqueue_many(tasks.map(|task| task.queue("python")).to_vec()).await? {
        println!("{id}");
    }
    let worker = Worker::builder(&backend)
        .queues(["rust"])
        .register(
            "rs_greet",
            |name: String, _: Context| async move { Ok::<_, Failure>(format!("Hello {name}")) },
        )
        .register("rs_add", |(a, x): (i64, i64), _: Context| async move { Ok::<_, Failure>(a + x) })
        .register("rs_order", |order: Order, _: Context| async move { Ok::<_, Failure>(order) })
        .register("rs_nothing", |_: (), _: Context| async move { Ok::<_, Failure>(()) })
        .build()?;
    worker.run_until_idle().await?;
    backend.close().await
}
