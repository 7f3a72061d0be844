//! What people want done, made into requests, with the words for it.

use nexus_wire::alert::AlertAck;
use nexus_wire::approval::{ApprovalAnswer, Verdict};
use nexus_wire::chat::ChatSend;
use nexus_wire::hands::{DispatchCancel, DispatchRetry};
use nexus_wire::turn::{TurnCancel, TurnGoOn};
use nexus_wire::{ApprovalId, AspectName, DispatchId, ThreadId};

use super::App;
use super::event::{Act, Asked, Effect};

/// What is done, or why it cannot be.
pub(super) type Doing = Result<Vec<Effect>, String>;

/// The end of an id, which tells it from others; its beginning is a time.
pub fn short(id: impl std::fmt::Display) -> String {
    let id = id.to_string();
    id[id.len().saturating_sub(8)..].to_owned()
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

impl App {
    /// Nothing is sent while there is no connection: whoever typed it would not know when it is done.
    fn ask(&self, act: Act, what: String) -> Doing {
        if self.link.is_up() {
            Ok(vec![Effect::Act(Asked { act, what })])
        } else {
            Err("there is no connection, so nothing was sent; try again when there is".to_owned())
        }
    }

    pub(super) fn ack(&self, key: String) -> Doing {
        let what = format!("acknowledge {key}");
        self.ask(Act::Ack(AlertAck { key }), what)
    }

    pub(super) fn decide(&self, approval: ApprovalId, verdict: Verdict, text: &str) -> Doing {
        let text = filled(text);
        let word = match verdict {
            Verdict::Approve => "approve",
            Verdict::Deny => "deny",
            Verdict::Answer if text.is_none() => return Err("an answer has a text".to_owned()),
            Verdict::Answer => "answer",
        };
        let what = match self.approvals.get(&approval) {
            Some(info) => format!("{word} what {} asks", info.aspect),
            None => format!("{word} …{}", short(approval)),
        };
        self.ask(Act::Answer(ApprovalAnswer { approval, verdict, text }), what)
    }

    pub(super) fn cancel(&self, dispatch: DispatchId, reason: &str) -> Doing {
        let what = format!("cancel {}", self.dispatch_name(dispatch));
        self.ask(Act::Cancel(DispatchCancel { dispatch, reason: filled(reason) }), what)
    }

    pub(super) fn retry(&self, dispatch: DispatchId) -> Doing {
        let what = format!("retry {}", self.dispatch_name(dispatch));
        self.ask(Act::Retry(DispatchRetry { dispatch, deadline_s: None, budget: Default::default() }), what)
    }

    pub(super) fn stop(&self, of: AspectName, reason: &str) -> Doing {
        let what = format!("stop the turns of {of}");
        self.ask(Act::Stop(TurnCancel { of, thread: None, turn: None, reason: filled(reason) }), what)
    }

    pub(super) fn go_on(&self, of: AspectName) -> Doing {
        let what = format!("let {of} go on");
        self.ask(Act::GoOn(TurnGoOn { of, thread: None }), what)
    }

    pub(super) fn post(&self, to: Option<AspectName>, thread: Option<ThreadId>, text: &str) -> Doing {
        let content = filled(text).ok_or("a message has a text")?;
        let to = to.into_iter().filter(|_| thread.is_none()).map(|name| name.to_string()).collect();
        let message = ChatSend { thread, to, content, ..ChatSend::default() };
        self.ask(Act::Say(Box::new(message)), "post the message".to_owned())
    }

    fn dispatch_name(&self, id: DispatchId) -> String {
        let hand = self.work.get(&id).map(|info| format!("{} ", info.hand)).unwrap_or_default();
        format!("{hand}…{}", short(id))
    }
}
