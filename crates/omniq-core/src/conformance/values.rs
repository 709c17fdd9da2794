//! Values that a storage must return unchanged.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Codec, Payload};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Shape {
    Nothing,
    Named { name: String },
    Pair(i8, Option<bool>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    signed: i64,
    unsigned: u64,
    float: f64,
    text: String,
    bytes: Vec<u8>,
    nested: Vec<Option<Vec<Shape>>>,
    map: BTreeMap<String, (u8, char)>,
    unit: (),
}

pub(super) fn samples() -> Vec<Sample> {
    let plain = Sample {
        signed: 0,
        unsigned: 0,
        float: 0.0,
        text: String::new(),
        bytes: Vec::new(),
        nested: Vec::new(),
        map: BTreeMap::new(),
        unit: (),
    };
    let floats = [0.1, -1e-7, f64::MAX, f64::MIN_POSITIVE, 1.0, 5e-324, 123456.789e-30];
    let mut all: Vec<_> = floats.into_iter().map(|float| Sample { float, ..plain.clone() }).collect();
    all.push(Sample {
        signed: i64::MIN,
        unsigned: u64::MAX,
        text: "ü🦀\0\n\\u0000 \"quoted\" \u{202e}".to_owned(),
        bytes: (0..=255).collect(),
        nested: vec![
            None,
            Some(vec![]),
            Some(vec![Shape::Nothing, Shape::Named { name: "ann".to_owned() }, Shape::Pair(-1, None)]),
        ],
        map: [("".to_owned(), (0, '🦀')), ("key".to_owned(), (255, '\0'))].into(),
        ..plain.clone()
    });
    all.push(Sample { signed: i64::MAX, ..plain });
    all
}

pub(super) fn json_values() -> Vec<Value> {
    let deep = (0..60).fold(json!("bottom"), |inner, _| json!([{ "in": inner }]));
    vec![
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!([i64::MIN, i64::MAX, u64::MAX, 0, -1]),
        json!([0.1, 1e300, -2.5, 1.0]),
        json!({"": {"ü🦀": [null, [[]], {"a": {"b": "\0"}}]}}),
        deep,
        json!("x".repeat(100_000)),
    ]
}

/// Numbers that come back from JSON as the same numbers of the same kind.
pub(super) fn exact_numbers() -> Value {
    json!([
        i64::MIN,
        u64::MAX,
        9007199254740993_u64,
        0,
        0.0,
        1.0,
        -1e15,
        1e16,
        123456789012345678.0,
        1e20,
        2f64.powi(70),
        1e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1,
        -1e-7
    ])
}

pub(super) fn byte_payloads() -> Vec<Payload> {
    let own = Codec::Custom("x-my_own-1".to_owned());
    [Codec::Raw, Codec::Pickle, Codec::Dill, own, Codec::Json, Codec::MessagePack]
        .into_iter()
        .flat_map(|codec| {
            // The core never reads payloads, so bytes that their codec could not read are kept too.
            [Vec::new(), vec![0], (0..=255).collect(), vec![255; 70_000]]
                .into_iter()
                .map(move |bytes: Vec<u8>| Payload::new(codec.clone(), bytes))
        })
        .collect()
}
