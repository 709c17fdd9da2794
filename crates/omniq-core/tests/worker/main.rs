//! The worker, its handlers and the backend, each on the in-memory storage: one module a subject.
#![cfg(feature = "conformance")]

mod basics;
mod by_filter;
mod cancels;
mod faults;
mod faulty;
mod functions;
mod group;
mod held_up;
mod ids;
mod joint;
#[cfg(feature = "tower")]
mod layers;
mod logs;
mod maintenance;
mod missing;
mod outcomes;
mod panics;
mod parts;
mod prefetch;
mod run_events;
mod schedules;
mod settings;
mod stops;
mod stores;
mod support;
#[cfg(feature = "testing")]
mod testing;
mod timeouts;
mod triggers;
mod wait_many;
