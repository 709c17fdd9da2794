//! The states of a worker: values that all its runs share, by their types.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// The type of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateType {
    id: TypeId,
    name: &'static str,
}

impl StateType {
    /// That of `T`.
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

/// The states of a worker, by their types.
#[derive(Clone, Default)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    /// Error `is_config` if there is one of this type already.
    pub(crate) fn add<T: Send + Sync + 'static>(&mut self, value: T) -> Result<()> {
        if self.0.insert(TypeId::of::<T>(), Arc::new(value)).is_some() {
            let name = type_name::<T>();
            return Err(Error::config(format!(
                "the worker was given two states of type {name}: wrap one in a type of its own"
            )));
        }
        Ok(())
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Error `is_config` for a function that needs a state that is not there.
    pub(crate) fn check(&self, func: &str, needs: &[StateType]) -> Result<()> {
        match needs.iter().find(|need| !self.0.contains_key(&need.id)) {
            None => Ok(()),
            Some(need) => Err(Error::config(format!(
                "function {func:?} takes State<{name}>, and the worker has none: give it one by .state(…)",
                name = need.name
            ))),
        }
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}
