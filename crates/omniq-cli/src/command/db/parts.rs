//! The parts of the schema that a command is about, and the databases that hold them.

use clap::{Args, ValueEnum};
use omniq::backend::postgres::{Placement, Settings};
use omniq::migrate::Part;

use crate::fail::{Failure, Result};

#[derive(Debug, Args)]
pub struct Parts {
    /// A part, instead of the configured ones; may be given more than once
    #[arg(long = "part", value_name = "PART", value_enum)]
    parts: Vec<PartName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    Tasks,
    Results,
    Events,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Self {
        match name {
            PartName::Tasks => Self::Tasks,
            PartName::Results => Self::Results,
            PartName::Events => Self::Events,
        }
    }
}

impl Parts {
    /// Those that the settings configure.
    pub fn configured() -> Self {
        Self { parts: Vec::new() }
    }

    pub fn named(&self) -> Option<Vec<Part>> {
        let named: Vec<Part> = self.parts.iter().map(|name| Part::from(*name)).collect();
        (!named.is_empty()).then_some(named)
    }

    /// Each database, with the parts that are kept there.
    pub fn targets(&self, settings: &Settings) -> Result<Vec<(Settings, Vec<Part>)>> {
        let named = self.named();
        let mut here = Vec::new();
        let mut targets = Vec::new();
        for (part, place) in Part::ALL.into_iter().zip([&settings.tasks, &settings.results, &settings.events])
        {
            if named.as_ref().is_some_and(|named| !named.contains(&part)) {
                continue;
            }
            match place {
                Placement::Url(url) => targets.push((settings.at(url)?, vec![part])),
                Placement::Postgres => here.push(part),
                // A part named with `--part` is included, even if the settings keep it in memory or turn it off.
                Placement::Memory | Placement::Off if named.is_some() => here.push(part),
                Placement::Memory | Placement::Off => {}
            }
        }
        if !here.is_empty() {
            targets.insert(0, (settings.clone(), here));
        }
        if targets.is_empty() {
            return Err(Failure::usage("the settings keep nothing in PostgreSQL: name parts with --part"));
        }
        Ok(targets)
    }
}
