//! C24: values come back with their type.

use crate::conformance::ResultFixture;
use crate::conformance::values::{Sample, byte_payloads, json_values, samples};
use crate::*;

async fn through_the_storage(fixture: &dyn ResultFixture, payloads: Vec<Payload>) -> Vec<Payload> {
    let results = fixture.results().await;
    let mut ids = Vec::new();
    let mut batch = Vec::new();
    for payload in payloads {
        let mut result = TaskResult::new(TaskId::new(), ResultStatus::Completed);
        result.value = Some(payload);
        ids.push(result.task_id);
        batch.push(result);
    }
    results.store_many(batch).await.unwrap();
    let found = results.get_many(&ids).await.unwrap();
    found.into_iter().map(|result| result.unwrap().value.unwrap()).collect()
}

/// Typed values come back, as JSON and as MessagePack.
pub async fn c24_values_come_back_with_their_type(fixture: &dyn ResultFixture) {
    let samples = samples();
    for encode in [|sample: &Sample| Payload::json(sample), |sample: &Sample| Payload::msgpack(sample)] {
        let payloads = samples.iter().map(|sample| encode(sample).unwrap()).collect();
        let back = through_the_storage(fixture, payloads).await;
        let back: Vec<Sample> = back.iter().map(|payload| payload.decode().unwrap()).collect();
        assert_eq!(back, samples);
    }
}

/// Arbitrary JSON values come back: nested, empty, extreme. `null` is a value, not the lack of one.
pub async fn c24_json_values_come_back(fixture: &dyn ResultFixture) {
    let values = json_values();
    let payloads = values.iter().map(|value| Payload::json(value).unwrap()).collect();
    let back = through_the_storage(fixture, payloads).await;
    let back: Vec<serde_json::Value> = back.iter().map(|payload| payload.decode().unwrap()).collect();
    assert_eq!(back, values);
}

/// Bytes and the codec's name are kept unchanged, whether the core knows the codec or not.
pub async fn c24_bytes_and_codec_are_kept(fixture: &dyn ResultFixture) {
    let payloads = byte_payloads();
    assert_eq!(through_the_storage(fixture, payloads.clone()).await, payloads);
}
