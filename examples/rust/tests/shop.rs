//! The shop as its users have it: a web server and a worker, two processes on one database.

use std::process::Stdio;
use std::time::Duration;

use omniq::prelude::*;
use omniq_testkit::TestDb;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

fn shop(db: &TestDb, words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_shop"))
        .args(words)
        .env("DATABASE_URL", db.url())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The status and the body of an answer.
async fn ask(address: &str, request: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

async fn stop(mut child: Child) {
    let pid = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await;
    assert!(ended.unwrap().unwrap().success());
}

#[tokio::test]
async fn an_order_and_its_tasks_are_written_together_and_done_by_the_worker() {
    let db = TestDb::new().await;
    let mut web = shop(&db, &["web", "127.0.0.1:0"]);
    let mut line = String::new();
    BufReader::new(web.stdout.as_mut().unwrap()).read_line(&mut line).await.unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().to_owned();
    let worker = shop(&db, &["worker"]);

    let (status, refused) = ask(&address, "POST /orders", r#"{ "item": "bike", "width": 10001 }"#).await;
    assert_eq!((status, &refused["error"]), (422, &Value::from("at most 10000 wide")));
    let (status, order) = ask(&address, "POST /orders", r#"{ "item": "bike", "width": 50 }"#).await;
    assert_eq!(status, 202, "{order}");
    let (_, second) = ask(&address, "POST /orders", r#"{ "item": "bike", "width": 50 }"#).await;
    assert_eq!(second["total"], order["total"], "one task sums up both orders");
    let result = async |task: &Value| {
        let path = format!("GET /tasks/{}", task.as_str().unwrap());
        let (status, answer) = ask(&address, &path, "").await;
        assert_eq!(status, 200, "{answer}");
        answer["value"].clone()
    };
    for order in [&order, &second] {
        assert_eq!(result(&order["receipt"]).await, Value::from(format!("1 bike, order {}", order["order"])));
        assert!(result(&order["picture"]).await.as_u64().is_some());
    }
    assert_eq!(result(&order["total"]).await, Value::from(2));
    // A receipt for an order that is not there is not tried again.
    let backend = AsyncPostgresBackend::connect(&db.url()).await.unwrap();
    let lost = backend.enqueue(NewTask::new("receipt", &0).unwrap()).await.unwrap();
    let result = backend.wait(lost, Duration::from_secs(10)).await.unwrap();
    assert_eq!((result.status, result.attempt), (ResultStatus::Failed, 1));
    // The report of the night, by hand.
    let schedules = backend.require_schedules().unwrap();
    assert!(schedules.get("report").await.unwrap().unwrap().next_at.is_some());
    let report = schedules.trigger("report").await.unwrap();
    assert_eq!(backend.wait_for::<i64>(report, Duration::from_secs(10)).await.unwrap(), 2);
    assert_eq!(backend.latest_result("report").await.unwrap().unwrap().task_id, report);
    backend.close().await.unwrap();
    let witness = db.client().await;
    let sql = "select (select count(*) from orders), (select sum(receipts) from orders), (select count(*) from omniq.results)";
    let row = witness.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (2, 2, 7));
    stop(worker).await;
    stop(web).await;
}
