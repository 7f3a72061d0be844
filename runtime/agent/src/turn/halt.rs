//! A turn that may ask no model at the moment: what it would ask waits until it may, and whoever asked is told why. What
//! costs nothing goes on.

use serde_json::json;

use super::pause::RELIEF;
use super::{Effect, Post, PostKind, Turn, is_by_operator};
use crate::session::Payload;

/// Why no model is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Halt {
    /// The broker has not said yet whether one may be.
    Unknown,
    /// Nothing is to be spent: who says so, until when and why, in words.
    Stopped(String),
}

#[derive(Debug, Default)]
pub(super) struct State {
    why: Option<Halt>,
    /// What it asks once it may.
    held: Option<Effect>,
    /// Whoever asked knows that it waits.
    told: bool,
}

impl Effect {
    fn asks_model(&self) -> bool {
        match self {
            Self::Ask | Self::Compact(_) | Self::Judge(_) => true,
            Self::Abandon
            | Self::Alert(_)
            | Self::Append(_)
            | Self::AskPeople { .. }
            | Self::Close(_)
            | Self::End(_)
            | Self::Observe(_)
            | Self::Post(_)
            | Self::Run(_)
            | Self::Wait { .. } => false,
        }
    }
}

impl Turn {
    /// How it is when the turn begins or goes on; `effects` are its first ones.
    pub fn under(&mut self, why: Option<Halt>, effects: Vec<Effect>) -> Vec<Effect> {
        self.halt.why = why;
        self.hold_back(effects)
    }

    /// Whether it waits for leave to ask a model.
    pub fn is_halted(&self) -> bool {
        self.halt.held.is_some()
    }

    /// The same, and the broker has said so: it has not just not said anything yet.
    pub fn is_stopped(&self) -> bool {
        self.is_halted() && matches!(self.halt.why, Some(Halt::Stopped(_)))
    }

    pub(super) fn halted(&mut self, why: Option<Halt>) -> Vec<Effect> {
        self.halt.why = why;
        match &self.halt.why {
            Some(_) if self.is_halted() => self.tell_halted(),
            Some(_) => Vec::new(),
            None => self.leave_halt(),
        }
    }

    fn leave_halt(&mut self) -> Vec<Effect> {
        let Some(held) = self.halt.held.take() else { return Vec::new() };
        let mut effects = Vec::new();
        if std::mem::take(&mut self.halt.told) {
            self.reliefs += 1;
            effects.push(Effect::Append(Payload::custom(RELIEF, json!({}))));
        }
        if held == Effect::Ask {
            effects.extend(self.take_in());
        }
        effects.push(held);
        effects
    }

    /// The round was not made, or was broken off, because nothing is to be spent: it is made anew once something may.
    /// Whoever knows that first says so, before the broker has told us or after.
    pub(super) fn not_asked(&mut self, why: &str) -> Vec<Effect> {
        self.halt.why.get_or_insert_with(|| Halt::Stopped(why.to_owned()));
        vec![Effect::Ask]
    }

    /// A turn asks one thing at a time.
    pub(super) fn hold_back(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        if self.halt.why.is_none() {
            return effects;
        }
        let (held, mut others): (Vec<_>, Vec<_>) = effects.into_iter().partition(Effect::asks_model);
        if let Some(held) = held.into_iter().next() {
            self.halt.held = Some(held);
            others.extend(self.tell_halted());
        }
        others
    }

    /// Nothing is asked any more.
    pub(super) fn end_halt(&mut self) {
        self.halt.held = None;
    }

    fn tell_halted(&mut self) -> Vec<Effect> {
        let Some(Halt::Stopped(reason)) = &self.halt.why else { return Vec::new() };
        let text = reason.clone();
        let was_told = std::mem::replace(&mut self.halt.told, true);
        let answers = self.items.iter().find(|item| is_by_operator(item)).filter(|_| !was_told).cloned();
        let kind = PostKind::Halted(self.waits());
        // What it has spent is told with its end: told here as well, it would count twice.
        answers.map(|answers| Effect::Post(Post { answers, text, kind, meta: None })).into_iter().collect()
    }
}
