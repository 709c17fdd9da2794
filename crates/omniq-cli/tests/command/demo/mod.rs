//! `omniq demo`, end to end: the figures are right, and nothing is lost or done twice however it ends.

mod embedded;
mod figures;
mod resume;
mod tree;
