//! Handlers: the user's functions by name, of any types, in one common form.

mod boxed;
mod common;
mod context;
mod error;
mod extract;
mod failure;
mod function;
#[cfg(feature = "tower")]
mod layers;
mod make;
mod panics;
mod registry;
mod signal;
mod states;

pub use boxed::BoxError;
pub use common::Handler;
pub(crate) use common::{Answer, Shape};
pub use context::Context;
pub(crate) use context::Origin;
pub use error::{RunError, Verdict};
pub use extract::{FromContext, Metadata, State};
pub(crate) use failure::Answer as FailureAnswer;
pub use failure::Failure;
pub use function::{Async, Blocking, Function};
#[cfg(feature = "tower")]
pub(crate) use layers::Layers;
#[cfg(feature = "tower")]
pub use layers::RunService;
pub(crate) use panics::{CatchPanic, catch, install_hook};
pub use registry::Registry;
pub use signal::StopReason;
pub use states::StateType;
pub(crate) use states::States;
