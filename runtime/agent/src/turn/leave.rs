//! Calls that people have to allow: before they run, or before they run again without the sandbox that stopped them.
//!
//! What was asked and what was answered is put on record before anything follows from it. So whoever goes on after a
//! crash asks nothing twice, and runs nothing twice that was allowed once.

use std::collections::HashMap;

use nexus_wire::approval::ApprovalState;

use super::{Call, Effect, Phase, Turn, shown_call};
use crate::session::ApprovalMark;

/// What is on record of the calls of a round, by their ids.
pub(super) type Marks = HashMap<String, ApprovalMark>;

impl Turn {
    /// A call without a result begins, or goes on from its mark.
    pub(super) fn begin(&mut self, call: &Call, mark: Option<&ApprovalMark>) -> Vec<Effect> {
        match mark {
            None if self.rules.natures.of(&call.name).asks => self.ask(call, None),
            None => self.run(call),
            Some(mark) if mark.state == ApprovalState::Open => {
                self.asked_people.insert(call.id.clone(), mark.blocked.clone());
                vec![
                    shown_call(call),
                    Effect::AskPeople { call: call.clone(), blocked: mark.blocked.is_some() },
                ]
            }
            Some(mark) => self.after(call, mark),
        }
    }

    /// `blocked`: what it brought when the sandbox stopped it.
    pub(super) fn ask(&mut self, call: &Call, blocked: Option<String>) -> Vec<Effect> {
        let mark = ApprovalMark {
            tool_use_id: call.id.clone(),
            state: ApprovalState::Open,
            approval: None,
            by: None,
            text: None,
            blocked: blocked.clone(),
        };
        let is_first = blocked.is_none();
        let ask = Effect::AskPeople { call: call.clone(), blocked: !is_first };
        self.asked_people.insert(call.id.clone(), blocked);
        let show = is_first.then(|| shown_call(call));
        [Effect::Append(mark.into())].into_iter().chain(show).chain([ask]).collect()
    }

    /// The sandbox stopped a call.
    pub(super) fn blocked(&mut self, id: &str, content: String) -> Vec<Effect> {
        let Phase::Calling(open) = &self.phase else { return Vec::new() };
        match open.get(id).cloned() {
            Some(call) if self.rules.natures.of(&call.name).asks_again => self.ask(&call, Some(content)),
            Some(_) | None => self.tool_done(id, content, true),
        }
    }

    /// People have answered, or will not any more.
    pub(super) fn decided(&mut self, mark: ApprovalMark) -> Vec<Effect> {
        let Phase::Calling(open) = &self.phase else { return Vec::new() };
        let Some(call) = open.get(&mark.tool_use_id).cloned() else { return Vec::new() };
        let Some(blocked) = self.asked_people.remove(&call.id) else { return Vec::new() };
        let mark = ApprovalMark { blocked, ..mark };
        let mut effects = vec![Effect::Append(mark.clone().into())];
        effects.extend(self.after(&call, &mark));
        effects
    }

    fn after(&mut self, call: &Call, mark: &ApprovalMark) -> Vec<Effect> {
        if mark.state == ApprovalState::Approved {
            let call = Call { allowed: true, free: mark.blocked.is_some(), ..call.clone() };
            return self.started(&call).into_iter().chain([Effect::Run(call)]).collect();
        }
        let why = refused(mark);
        let content = match &mark.blocked {
            Some(content) => format!("{content}\n\n[Not run again without the sandbox: {why}]"),
            None => format!("not run: {why}"),
        };
        self.tool_done(&call.id, content, true)
    }
}

fn refused(mark: &ApprovalMark) -> String {
    let by = mark.by.as_deref().unwrap_or("nobody");
    let said = mark.text.as_ref().map(|text| format!(", who said: {text}")).unwrap_or_default();
    match mark.state {
        ApprovalState::Expired => "nobody answered in time whether this is allowed".to_owned(),
        ApprovalState::Withdrawn => "it was not waited for whether this is allowed".to_owned(),
        ApprovalState::Denied if mark.by.is_none() => {
            format!("people could not be asked whether this is allowed{said}")
        }
        ApprovalState::Denied | ApprovalState::Open | ApprovalState::Approved | ApprovalState::Answered => {
            format!("denied by {by}{said}. Do not try to do the same in another way; go on without it or ask")
        }
    }
}
