//! The command as its users run it. One test program, because each takes its time to build.

mod db;
mod demo;
mod dev;
mod found;
mod locks;
mod looks;
mod manage;
mod schedules;
mod support;
mod usage;
mod versions;
