//! The private server as a program that uses it meets it. One program, as each takes its time to build.
#![allow(missing_docs, clippy::print_stdout)]

mod folders;
mod lifecycle;
mod owned;
mod programs;
mod shared;
mod support;
