//! `omniq demo`, end to end: right figures, and nothing lost or done twice whatever ends it.

mod embedded;
mod figures;
mod resume;
mod tree;
