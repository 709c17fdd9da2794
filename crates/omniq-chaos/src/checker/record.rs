//! The record of each task: everything that was asked, answered and observed about it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::act::Act;
use super::facts::{Outcome, Row};
use crate::clock::Nanos;
use crate::history::{Answer, Call, Spec};

#[derive(Debug)]
pub struct Run<'a> {
    pub id: Uuid,
    pub who: &'a str,
    pub begun: Nanos,
    pub v: u64,
    pub attempt: u32,
    pub ended: Option<(Nanos, &'a str)>,
}

/// One call that enqueues it.
#[derive(Debug)]
pub struct Enqueue<'a> {
    pub asked: Nanos,
    pub answer: Option<(Nanos, &'a Answer)>,
    pub inside: bool,
}

#[derive(Debug)]
pub struct TaskRecord<'a> {
    pub n: u64,
    pub spec: &'a Spec,
    pub ids: BTreeSet<Uuid>,
    pub enqueues: Vec<Enqueue<'a>>,
    /// In the order of their beginnings.
    pub runs: Vec<Run<'a>>,
    pub acts: Vec<Act>,
    pub rows: Vec<&'a Row>,
    pub results: Vec<&'a Outcome>,
}

/// The faults of one life of a process.
#[derive(Debug, Default)]
pub struct Life {
    /// When it was certainly dead.
    pub killed: Option<Nanos>,
    pub frozen: Vec<(Nanos, Nanos)>,
    /// When it got the signal to stop.
    pub asked_to_stop: Option<Nanos>,
}

#[derive(Debug)]
pub struct History<'a> {
    pub records: BTreeMap<u64, TaskRecord<'a>>,
    pub by_id: HashMap<Uuid, u64>,
    pub lives: HashMap<&'a str, Life>,
    /// All calls: when asked, the call, when answered, the answer.
    pub calls: Vec<Asked<'a>>,
}

#[derive(Debug)]
pub struct Asked<'a> {
    pub at: Nanos,
    pub call: &'a Call,
    pub answer: Option<(Nanos, &'a Answer)>,
}
