//! Properties that hold for every input: ids, codecs, payloads, errors, backoff, schedules.

use std::time::Duration;

use omniq_core::*;
use proptest::prelude::*;

fn backoffs() -> impl Strategy<Value = Backoff> {
    let span = || (0..=1_000_000_u64).prop_map(Duration::from_millis);
    let step = prop_oneof![Just(Duration::ZERO), span()];
    (span(), 1.0..=1000.0_f64, step, span(), 0.0..=1.0_f64).prop_map(
        |(initial, factor, step, max, jitter)| Backoff {
            initial,
            factor,
            step,
            max,
            jitter,
            ..Backoff::default()
        },
    )
}

fn lists() -> impl Strategy<Value = Backoff> {
    let waits = prop::collection::vec((0..=1_000_000_u64).prop_map(Duration::from_millis), 1..=100);
    (waits, 0.0..=1.0_f64).prop_map(|(waits, jitter)| Backoff { jitter, ..Backoff::list(waits) })
}

/// Values of every kind that MessagePack and JSON know.
fn values() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO).prop_map(|f| json!(f)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..8).prop_map(|map| json!(map)),
        ]
    })
}

/// Integers at the limits of 53, 64 and 128 bits, and all others.
fn wide_integers() -> impl Strategy<Value = i128> {
    let near = |bits: u32| (-4..=4_i128).prop_map(move |distance| (1 << bits) + distance);
    prop_oneof![
        any::<i128>(),
        any::<i64>().prop_map(i128::from),
        any::<u64>().prop_map(i128::from),
        near(53),
        near(63),
        near(64),
        near(53).prop_map(|number| -number),
        near(63).prop_map(|number| -number),
        -9..=9_i128,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_backoff_stays_within_its_bounds(backoff in backoffs(), retry in any::<u32>()) {
        backoff.check().unwrap();
        let wait = backoff.delay(retry).as_secs_f64();
        let plain = Backoff { jitter: 0.0, ..backoff.clone() }.delay(retry).as_secs_f64();
        prop_assert!(plain <= backoff.max.as_secs_f64() + 1e-6);
        prop_assert!(plain + 1e-6 >= backoff.initial.min(backoff.max).as_secs_f64());
        prop_assert!(wait + 1e-6 >= plain);
        prop_assert!(wait <= plain * (1.0 + backoff.jitter) + 1e-6);
    }

    #[test]
    fn a_backoff_without_jitter_never_shrinks(backoff in backoffs(), one in 0..5000_u32, two in 0..5000_u32) {
        let plain = Backoff { jitter: 0.0, ..backoff };
        prop_assert!(plain.delay(one.min(two)) <= plain.delay(one.max(two)));
    }

    #[test]
    fn a_backoff_of_nothing_stays_nothing(factor in 1.0..=1000.0_f64, retry in any::<u32>()) {
        let none = Backoff { initial: Duration::ZERO, factor, ..Backoff::default() };
        prop_assert_eq!(none.delay(retry), Duration::ZERO);
    }

    #[test]
    fn a_list_of_waits_gives_each_and_then_its_last(backoff in lists(), retry in 1..300_u32) {
        backoff.check().unwrap();
        let expected = backoff.waits[(retry as usize).min(backoff.waits.len()) - 1].as_secs_f64();
        let wait = backoff.delay(retry).as_secs_f64();
        prop_assert!(wait + 1e-6 >= expected);
        prop_assert!(wait <= expected * (1.0 + backoff.jitter) + 1e-6);
    }

    #[test]
    fn a_backoff_survives_json(backoff in prop_oneof![backoffs(), lists()]) {
        let text = serde_json::to_string(&backoff).unwrap();
        prop_assert_eq!(serde_json::from_str::<Backoff>(&text).unwrap(), backoff);
    }

    #[test]
    fn ids_survive_text_and_keep_their_order(one in any::<u128>(), two in any::<u128>()) {
        let id = |number| TaskId::from(uuid::Uuid::from_u128(number));
        prop_assert_eq!(id(one).to_string().parse::<TaskId>().unwrap(), id(one));
        prop_assert_eq!(id(one).cmp(&id(two)), one.cmp(&two));
        prop_assert_eq!(id(one).to_string().cmp(&id(two).to_string()), one.cmp(&two));
    }

    #[test]
    fn text_that_is_no_id_is_refused_without_a_panic(text in any::<String>()) {
        if let Err(error) = text.parse::<TaskId>() {
            prop_assert!(error.is_invalid());
        }
    }

    #[test]
    fn own_codecs_survive_their_name(name in "x-[a-z0-9_-]{1,30}") {
        let codec: Codec = name.parse().unwrap();
        prop_assert_eq!(codec.name(), name.as_str());
        prop_assert_eq!(codec, Codec::Custom(name));
    }

    #[test]
    fn whatever_parses_as_a_codec_has_that_name(name in ".{0,40}|(x-)?[a-zA-Z0-9_-]{0,40}") {
        match name.parse::<Codec>() {
            Ok(codec) => prop_assert_eq!(codec.name(), name),
            Err(error) => prop_assert!(error.is_codec()),
        }
    }

    #[test]
    fn values_come_back(value in values()) {
        for payload in [Payload::json(&value).unwrap(), Payload::msgpack(&value).unwrap()] {
            prop_assert_eq!(&payload.decode::<serde_json::Value>().unwrap(), &value);
        }
    }

    #[test]
    fn floats_come_back_to_the_last_bit(float in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL) {
        for payload in [Payload::json(&float).unwrap(), Payload::msgpack(&float).unwrap()] {
            prop_assert_eq!(payload.decode::<f64>().unwrap().to_bits(), float.to_bits());
        }
    }

    #[test]
    fn integers_come_back_or_are_refused(number in wide_integers()) {
        let payload = Payload::json(&number).unwrap();
        prop_assert_eq!(payload.decode::<i128>().unwrap(), number);
        let is_narrow = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
        match payload.decode::<serde_json::Value>() {
            Ok(value) => prop_assert_eq!(value.to_string(), number.to_string()),
            Err(error) => prop_assert!(error.is_codec() && !is_narrow),
        }
        if let Ok(float) = payload.decode::<f64>() {
            prop_assert_eq!(float as i128, number);
        }
        // Wherever a float is read, it is kept or refused.
        let text = r#"{"a":[1.5,null],"b":{"x":4},"c":["One",{"Many":[2]},{"Named":{"x":3}}]}"#;
        let is_exact = is_narrow && number as f64 as i128 == number;
        for place in ["1.5", "null", "4", "2", "3"] {
            let changed = text.replacen(place, &number.to_string(), 1);
            let answer = Payload::new(Codec::Json, changed).decode::<Floats>();
            prop_assert_eq!(answer.is_ok(), is_exact, "{} in place of {}", number, place);
        }
        prop_assert!(Payload::msgpack(&[Some(number)]).unwrap_err().message().contains("use JSON"));
        if let Ok(number) = u64::try_from(number) {
            let payload = Payload::msgpack(&number).unwrap();
            prop_assert_eq!(payload.decode::<u64>().unwrap(), number);
            prop_assert_eq!(payload.decode::<f64>().is_ok(), number as f64 as u128 == u128::from(number));
        }
    }

    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        type Wide = (i64, Option<f64>, String, Vec<u8>, std::collections::HashMap<String, bool>);
        for codec in [Codec::Json, Codec::MessagePack, Codec::Raw, Codec::Pickle] {
            let payload = Payload::new(codec, bytes.clone());
            let answers = [
                payload.decode::<serde_json::Value>().err(),
                payload.decode::<Wide>().err(),
                payload.decode::<String>().err(),
                payload.decode::<Backoff>().err(),
                payload.decode::<TaskError>().err(),
            ];
            for error in answers.into_iter().flatten() {
                prop_assert!(error.is_codec());
            }
        }
    }

    #[test]
    fn a_task_error_can_always_be_stored(kind in any::<String>(), message in ".{0,20}\0.{0,20}", times in 1..4000_usize) {
        let error = TaskError::new(kind, message.repeat(times)).with_trace("a\0");
        for text in [&error.kind, &error.message, error.trace.as_ref().unwrap()] {
            prop_assert!(!text.contains('\0'));
            prop_assert!(text.len() <= 64 * 1024 + '…'.len_utf8());
        }
        prop_assert_eq!(error.clone().cleaned().kind, error.kind);
    }

    #[test]
    fn clean_text_is_left_alone(text in "[^\0]{0,200}") {
        let error = TaskError::new("Boom", text.clone());
        prop_assert_eq!(error.message, text);
    }

    #[test]
    fn any_cron_expression_is_read_or_refused(text in "([0-9*/,?LW#A-Z-]{1,9} ){4}[0-9*/,?LW#A-Z-]{1,9}|.{0,40}") {
        let timing = Timing::Cron { expression: text, time_zone: "UTC".to_owned() };
        if let Err(error) = Schedule::new("nightly", timing, NewTask::new("work", &1).unwrap()) {
            prop_assert!(error.is_invalid());
        }
    }
}

/// Floats in places of all kinds.
#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "it is only read")]
struct Floats {
    a: (f64, Option<f64>),
    b: std::collections::HashMap<String, f64>,
    c: Vec<Several>,
}

#[derive(serde::Deserialize)]
#[allow(dead_code, reason = "it is only read")]
enum Several {
    One,
    Many(Vec<f64>),
    Named { x: f64 },
}

#[test]
fn new_ids_grow_and_end_in_zeros() {
    let ids: Vec<_> = (0..50_000).map(|_| TaskId::new()).collect();
    assert!(ids.is_sorted_by(|one, two| one < two));
    assert!(ids.iter().all(|id| id.as_uuid().as_u128() & 0xffff == 0 && id.as_uuid().get_version_num() == 7));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let json = Payload::new(Codec::Json, "[".repeat(1_000_000));
    let msgpack = Payload::new(Codec::MessagePack, vec![0x91; 1_000_000]);
    for payload in [json, msgpack] {
        assert!(payload.decode::<serde_json::Value>().unwrap_err().is_codec());
    }
}

#[test]
fn cron_expressions_are_checked_by_field() {
    let schedule = |expression: &str, time_zone: &str| {
        let timing = Timing::Cron { expression: expression.to_owned(), time_zone: time_zone.to_owned() };
        Schedule::new("nightly", timing, NewTask::new("work", &1).unwrap())
    };
    for good in ["* * * * *", "30 * * * * *", "*/5 0-6,22 1 JAN-MAR MON", "0 3 L * *", "59 23 31 12 7"] {
        assert!(schedule(good, "Europe/Berlin").is_ok(), "{good}");
    }
    for bad in [
        "",
        "@daily",
        "* * * *",
        "* * * * * * *",
        "60 * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "a b c d e",
    ] {
        let error = schedule(bad, "UTC").unwrap_err();
        assert!(error.is_invalid() && error.message().contains(bad), "{bad}: {error}");
    }
    assert!(schedule("* * * * *", "Europe/Nowhere").unwrap_err().message().contains("Europe/Nowhere"));
}

#[test]
fn a_value_of_another_type_is_an_error_with_the_tasks_id() {
    let id = TaskId::new();
    let text = Payload::json("text").unwrap();
    for value in [None, Some(text), Some(Payload::new(Codec::Raw, "1"))] {
        let mut result = TaskResult::new(id, ResultStatus::Completed);
        (result.value, result.func) = (value, "add".to_owned());
        let error = result.decode::<u32>().unwrap_err();
        assert!(error.is_codec());
        for word in [&id.to_string(), "\"add\"", "u32"] {
            assert!(error.message().contains(word), "{error}");
        }
    }
}
