//! The private server, as a program uses it. One test program, because each takes its time to build.
#![allow(missing_docs, clippy::print_stdout)]

mod folders;
mod lifecycle;
mod owned;
mod programs;
mod shared;
mod support;
