//! The way from the team's MCP server to the core: a frame of ours, admitted as the identity behind the link, and
//! what the link is told unasked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_mcp_server::{Bus, Heard, Role, Who};
use nexus_wire::envelope::decode;
use nexus_wire::frame::FrameSet;
use nexus_wire::log::Subscribe;
use nexus_wire::observe::{ActivityChanged, RosterChanged};
use nexus_wire::{AspectName, ErrorBody, FromBroker, Json, RequestId, ToBroker};
use tokio::sync::broadcast;

use super::link::Link;
use crate::admit::{Admitted, admit};
use crate::deliver::outbox::{Out, Work};
use crate::edge::Edge;
use crate::identity;

/// Who listens more slowly than this is told to look again.
const NEWS_MAX: usize = 256;

/// What a link hears, for any number of listeners.
#[derive(Debug)]
pub(super) struct News {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None`: the link has ended, and nothing comes any more.
    sender: Option<broadcast::Sender<Heard>>,
    following: Option<Subscribe>,
}

impl Default for News {
    fn default() -> Self {
        let inner = Inner { sender: Some(broadcast::Sender::new(NEWS_MAX)), following: None };
        Self { inner: Mutex::new(inner) }
    }
}

impl News {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever listens learns that nothing comes any more.
    pub(super) fn end(&self) {
        self.inner().sender = None;
    }

    fn say(&self, heard: Heard) {
        if let Some(sender) = &self.inner().sender {
            // Nobody may be listening.
            let _ = sender.send(heard);
        }
    }

    fn frame(&self, frame: FromBroker) {
        self.say(Heard::Frame(Arc::new(frame)));
    }

    /// What the link was told; a close is for whoever runs it.
    pub(super) fn tell(&self, edge: &Edge, work: Work, frames: &mut impl Iterator<Item = Out>) {
        match work {
            Work::Frames => frames.for_each(|out| self.out(edge, out)),
            Work::Roster(names) => {
                for aspect in names.iter().filter_map(|name| edge.published.presence.info(name)) {
                    self.frame(FromBroker::RosterChanged(Box::new(RosterChanged { aspect })));
                }
            }
            Work::Active(names) => {
                let doing = |name: &AspectName| edge.published.presence.activity(name);
                for (aspect, activity) in names.iter().filter_map(doing) {
                    self.frame(FromBroker::Activity(ActivityChanged { aspect, activity }));
                }
            }
            Work::Close(_) => {}
        }
    }

    fn out(&self, edge: &Edge, out: Out) {
        edge.published.meter.sent(out.kind(), out.refusal());
        match out {
            Out::Log(line) => self.frame(FromBroker::Log(line.entry().clone())),
            Out::Stream(block) => {
                for text in block.texts() {
                    // It was written here.
                    if let Ok(decoded) = decode::<FromBroker>(text) {
                        self.frame(decoded.frame);
                    }
                }
            }
            Out::Gap(_) | Out::ObserveGap(_) => self.say(Heard::Anew),
            Out::Shutdown(_)
            | Out::Answer { .. }
            | Out::Complaint(_)
            | Out::Deliver { .. }
            | Out::Ping
            | Out::Pong(_) => {}
        }
    }
}

/// Both.
fn and(one: &Subscribe, other: &Subscribe) -> Subscribe {
    let kinds = if one.kinds.is_empty() || other.kinds.is_empty() {
        Vec::new()
    } else {
        let more = other.kinds.iter().filter(|kind| !one.kinds.contains(kind));
        one.kinds.iter().chain(more).cloned().collect()
    };
    Subscribe {
        from_seq: None,
        thread: one.thread.filter(|it| Some(*it) == other.thread),
        kinds,
        by: one.by.clone().filter(|it| Some(it) == other.by.as_ref()),
        observe: one.observe || other.observe,
        observe_from: None,
        roster: one.roster || other.roster,
        activity: one.activity || other.activity,
    }
}

impl Bus for Link {
    fn who(&self) -> Who {
        let role = match self.identity().role {
            identity::Role::Aspect => Role::Aspect,
            identity::Role::Viewer => Role::Viewer,
            identity::Role::Operator => Role::Operator,
            identity::Role::Admin => Role::Admin,
        };
        Who { party: self.identity().party.clone(), role }
    }

    async fn ask(&self, id: RequestId, frame: ToBroker) -> Result<Json, ErrorBody> {
        let kind = frame.kind();
        let bytes = Json::of(&frame).as_str().len();
        self.edge.published.meter.received(kind);
        let answer = self.edge.request(self.identity(), id, frame, bytes).await;
        if let Err(body) = &answer {
            self.edge.published.meter.refused(body.code);
        }
        answer
    }

    fn hear(&self, wanted: Subscribe) -> broadcast::Receiver<Heard> {
        let mut inner = self.news.inner();
        let Some(sender) = &inner.sender else { return broadcast::Sender::new(1).subscribe() };
        let receiver = sender.subscribe();
        let wanted = Subscribe { from_seq: None, observe_from: None, ..wanted };
        let all = inner.following.as_ref().map_or_else(|| wanted.clone(), |it| and(it, &wanted));
        if inner.following.as_ref() == Some(&all) {
            return receiver;
        }
        // An identity that may not subscribe looks from time to time. It has not asked for it, so what is refused
        // here is nothing for the trail.
        if let Ok(Admitted::Subscribe(subscribe)) =
            admit(self.identity(), ToBroker::Subscribe(all.clone()), 0)
        {
            let is_anew = inner.following.replace(all).is_some();
            self.edge.subscribe(&self.peer, None, &subscribe);
            if is_anew && let Some(sender) = &inner.sender {
                // What came between the two subscriptions was told to nobody.
                let _ = sender.send(Heard::Anew);
            }
        }
        receiver
    }
}
