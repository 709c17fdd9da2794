//! The web server: an order and its tasks are written in one transaction.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use omniq::prelude::{AsyncPostgresBackend, TaskId};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::tasks::{PICTURE, Picture, RECEIPT, total};

#[derive(Clone)]
struct Shop {
    pool: PgPool,
    tasks: AsyncPostgresBackend,
}

#[derive(Deserialize)]
struct Order {
    item: String,
    width: u32,
}

const TOTALS: &str = "create table if not exists totals (item text primary key, orders bigint not null)";
const ORDERS: &str = "create table if not exists orders (id bigserial primary key, item text not null,
    receipts int not null default 0, ordered_at timestamptz not null default now())";

type Answer = Result<(StatusCode, Json<Value>), Problem>;

pub async fn serve(pool: PgPool, address: &str) -> anyhow::Result<()> {
    // Its own connections to the pool's database; the transactions below stay on the pool.
    let tasks = AsyncPostgresBackend::from_pool(&pool).await?;
    for table in [ORDERS, TOTALS] {
        sqlx::query(table).execute(&pool).await?;
    }
    let shop = Shop { pool, tasks: tasks.clone() };
    let router = Router::new().route("/orders", post(order)).route("/tasks/{id}", get(task)).with_state(shop);
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(stopped()).await?;
    tasks.close().await?;
    Ok(())
}

async fn order(State(shop): State<Shop>, Json(Order { item, width }): Json<Order>) -> Answer {
    let mut transaction = shop.pool.begin().await?;
    let (order,): (i64,) = sqlx::query_as("insert into orders (item) values ($1) returning id")
        .bind(&item)
        .fetch_one(&mut *transaction)
        .await?;
    let receipt =
        shop.tasks.enqueue_in(&mut transaction, RECEIPT.call(&order)?.metadata("item", &item)).await?;
    if width > 10_000 {
        // A rollback: neither the order nor its receipt has ever been there.
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": "at most 10000 wide" }))));
    }
    let picture = shop.tasks.enqueue_in(&mut transaction, PICTURE.call(&Picture { order, width })?).await?;
    let total = shop.tasks.enqueue_in(&mut transaction, total(&item)?).await?;
    transaction.commit().await?;
    let [receipt, picture, total] = [receipt, picture, total].map(|id| id.to_string());
    let answer = json!({ "order": order, "receipt": receipt, "picture": picture, "total": total });
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Waits for the result of a task, for ten seconds at most. A result that takes longer comes at the next request.
async fn task(State(shop): State<Shop>, Path(id): Path<String>) -> Answer {
    let Ok(id) = id.parse::<TaskId>() else {
        return Ok((StatusCode::NOT_FOUND, Json(json!({ "error": "no id of a task" }))));
    };
    match shop.tasks.wait(id, Duration::from_secs(10)).await {
        Ok(result) => Ok((StatusCode::OK, Json(json!({ "value": result.decode::<Value>()? })))),
        // It says why: no such task, no worker that serves the queue, a retry to come.
        Err(error) if error.is_timeout() => {
            Ok((StatusCode::ACCEPTED, Json(json!({ "waiting": error.to_string() }))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Any error is the server's.
struct Problem(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

async fn stopped() {
    let _ = tokio::signal::ctrl_c().await;
}
