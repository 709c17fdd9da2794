//! Handlers by name.

use std::collections::HashMap;

use super::common::Handler;
use super::states::{StateType, States};
use crate::model::check_name;
use crate::{Error, Result};

/// Handlers by the name of their function. A worker claims the tasks of these functions and leaves others alone.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    handlers: HashMap<String, Handler>,
    /// The states that each function takes.
    needs: Vec<(String, Vec<StateType>)>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler. Errors: `is_invalid` for a bad name, `is_config` for a name that is registered already.
    pub fn add(&mut self, name: impl Into<String>, mut handler: Handler) -> Result<()> {
        let name = name.into();
        check_name("function name", &name)?;
        if self.handlers.contains_key(&name) {
            return Err(Error::config(format!(
                "function {name:?} was registered twice: give each its own name"
            )));
        }
        // Kept apart, because a handler is cloned for each run.
        let needs = std::mem::take(&mut handler.needs);
        if !needs.is_empty() {
            self.needs.push((name.clone(), needs));
        }
        self.handlers.insert(name, handler);
        Ok(())
    }

    /// Error `is_config` for a function that needs a state that is not there.
    pub(crate) fn check(&self, states: &States) -> Result<()> {
        self.needs.iter().try_for_each(|(func, needs)| states.check(func, needs))
    }

    /// Puts something around each handler.
    #[cfg(feature = "tower")]
    pub(crate) fn wrap(&mut self, wrap: impl Fn(Handler) -> Handler) {
        for handler in self.handlers.values_mut() {
            *handler = wrap(handler.clone());
        }
    }

    /// The handler of a function.
    pub fn get(&self, name: &str) -> Option<&Handler> {
        self.handlers.get(name)
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.handlers.keys().cloned().collect();
        names.sort();
        names
    }
}
