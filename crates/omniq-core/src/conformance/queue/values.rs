//! C24: arguments come back with their type.

use crate::conformance::QueueFixture;
use crate::conformance::support::*;
use crate::conformance::values::{Sample, byte_payloads, exact_numbers, json_values, samples};
use crate::*;

async fn through_the_queue(fixture: &dyn QueueFixture, payloads: Vec<Payload>) -> Vec<Payload> {
    let queue = fixture.queue().await;
    let tasks = payloads.into_iter().map(|payload| NewTask::with_payload("work", payload));
    queue.enqueue_many(tasks.collect()).await.unwrap();
    take_many(&queue, 10_000).await.into_iter().map(|task| task.payload).collect()
}

/// Typed values come back, as JSON and as MessagePack.
pub async fn c24_arguments_come_back_with_their_type(fixture: &dyn QueueFixture) {
    let samples = samples();
    for encode in [|sample: &Sample| Payload::json(sample), |sample: &Sample| Payload::msgpack(sample)] {
        let payloads = samples.iter().map(|sample| encode(sample).unwrap()).collect();
        let back = through_the_queue(fixture, payloads).await;
        let back: Vec<Sample> = back.iter().map(|payload| payload.decode().unwrap()).collect();
        assert_eq!(back, samples);
    }
}

/// Arbitrary JSON values come back: nested, empty, extreme.
pub async fn c24_json_values_come_back(fixture: &dyn QueueFixture) {
    let values = json_values();
    let back = through_the_queue(fixture, values.iter().map(|v| Payload::json(v).unwrap()).collect()).await;
    let back: Vec<serde_json::Value> = back.iter().map(|payload| payload.decode().unwrap()).collect();
    assert_eq!(back, values);
}

/// Bytes and the codec's name are kept unchanged, whether the core knows the codec or not.
pub async fn c24_bytes_and_codec_are_kept(fixture: &dyn QueueFixture) {
    let payloads = byte_payloads();
    assert_eq!(through_the_queue(fixture, payloads.clone()).await, payloads);
}

/// Metadata keeps its numbers and their kinds, through an update too; numbers that it cannot keep are refused (issue
/// 12, E3).
pub async fn c24_numbers_are_kept_or_refused(fixture: &dyn QueueFixture) {
    let queue = fixture.queue().await;
    let id = queue.enqueue(task(1).metadata("numbers", exact_numbers())).await.unwrap();
    let kept = |task: Task| assert_eq!(task.metadata["numbers"].to_string(), exact_numbers().to_string());
    kept(queue.get(id).await.unwrap().unwrap());
    let metadata = [("numbers".to_owned(), exact_numbers())].into_iter().collect();
    let update = TaskUpdate { metadata: Some(metadata), ..TaskUpdate::default() };
    kept(queue.update(id, update).await.unwrap());
    kept(take(&queue).await);
    let bad =
        [task(1).metadata("n", [-0.0]), task(1).metadata("n", f64::NAN), task(1).metadata("n", u128::MAX)];
    for bad in bad {
        let error = queue.enqueue(bad).await.unwrap_err();
        assert!(error.is_invalid() && error.message().contains("metadata"), "{error:?}");
    }
    assert_eq!(total(&queue).await, 1);
}
