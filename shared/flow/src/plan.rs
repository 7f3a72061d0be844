//! A flow that has been checked, with its expressions parsed and its steps by their places.

use jiff::tz::TimeZone;
use nexus_expr::{Expr, Template};
use nexus_wire::flow::{Flow, OnTimeout, StepEvent};
use nexus_wire::hands::Wanted;
use nexus_wire::name::{FlowName, RegistryName, StepName};
use nexus_wire::{AspectName, HandRef, Ms, OperatorName};

use crate::act::Moment;
use crate::check::{Checker, Problem};

/// What runs go by.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub output: Option<Template>,
    pub groups: Vec<Template>,
    /// How many tasks of a run are at work at the same time.
    pub parallel: usize,
    /// In which its `date` is read.
    pub timezone: TimeZone,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub id: StepName,
    pub act: Act,
    /// Places of the steps that have to have ended.
    pub needs: Vec<usize>,
    /// Places of the steps whose failure leads here; empty: it begins in the ordinary way.
    pub led_from: Vec<usize>,
    pub when: Option<Expr>,
    pub for_each: Option<Expr>,
    pub on_error: OnFailure,
    pub retries: u32,
    /// Before the first retry.
    pub backoff_ms: Ms,
    pub timeout_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnFailure {
    Fail,
    Continue,
    SkipRest,
    /// The place of a step.
    Goto(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Approve {
        text: Template,
        by: Option<OperatorName>,
        expires_ms: Ms,
        on_timeout: OnTimeout,
    },
    Ask {
        aspect: AspectName,
        text: Template,
    },
    Dispatch {
        hand: Option<HandRef>,
        capability: Option<Wanted>,
        input: Template,
    },
    Flow {
        id: FlowName,
        input: Template,
    },
    /// For an entry of the log.
    Hear(StepEvent),
    Wait(Moment),
    Write {
        registry: RegistryName,
        row: Option<Template>,
        values: Template,
    },
}

impl Plan {
    /// The plan of a flow, or everything that is wrong with it.
    pub fn of(flow: &Flow) -> Result<Self, Vec<Problem>> {
        Checker::plan(flow)
    }

    /// The place of a step.
    pub fn place(&self, id: &StepName) -> Option<usize> {
        self.steps.iter().position(|step| step.id == *id)
    }

    /// That step and everything that has to wait for it.
    pub fn after(&self, step: usize) -> std::collections::BTreeSet<usize> {
        let mut after = std::collections::BTreeSet::from([step]);
        loop {
            let before = after.len();
            for (place, step) in self.steps.iter().enumerate() {
                if step.needs.iter().chain(&step.led_from).any(|needed| after.contains(needed)) {
                    after.insert(place);
                }
            }
            if after.len() == before {
                return after;
            }
        }
    }
}
