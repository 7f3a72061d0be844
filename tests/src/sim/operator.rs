//! A model operator: talks to the team, dispatches, sends again what was not answered.

use std::collections::BTreeMap;

use nexus_wire::admin::{OperatorAdd, OperatorRole};
use nexus_wire::approval::{ApprovalAnswer, Verdict};
use nexus_wire::budget::{Budget, BudgetClear, BudgetGoOn, BudgetPer, BudgetSet, BudgetStop};
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::hands::{Dispatch, DispatchCancel, DispatchRetry, Dispatched, Wanted};
use nexus_wire::roster::{AspectRelease, AspectRestrain, RestraintKind};
use nexus_wire::run::RunStarted;
use nexus_wire::session::SessionRewind;
use nexus_wire::thread::{ChatMark, ChatReact};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{
    ApprovalId, AspectName, DispatchId, FromBroker, LinkId, MessageId, Ms, Party, RequestId, RunId, ThreadId,
    ToBroker,
};

use super::check::Truth;
use super::{Dice, agent, schedule};

#[derive(Debug)]
pub(super) struct Operator {
    pub(super) who: Party,
    /// Those that it stops, goes on with and fires.
    triggers: Vec<&'static str>,
    pub(super) link: Option<LinkId>,
    /// Not answered yet, and whether it was sent on this link.
    open: BTreeMap<RequestId, (ToBroker, bool)>,
    threads: Vec<ThreadId>,
    messages: Vec<MessageId>,
    dispatches: Vec<DispatchId>,
    runs: Vec<RunId>,
}

impl Operator {
    pub(super) fn new(index: usize, triggers: Vec<&'static str>) -> Self {
        let who = format!("operator/ana-{index}").parse().expect("a name");
        Self {
            who,
            triggers,
            link: None,
            open: BTreeMap::new(),
            threads: Vec::new(),
            messages: Vec::new(),
            dispatches: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(super) fn admission(&self) -> OperatorAdd {
        let Party::Operator(name) = &self.who else { unreachable!("an operator is one") };
        let token_sha256 = name.as_str().bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect();
        OperatorAdd { name: name.clone(), role: OperatorRole::Operator, token_sha256 }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn dial(&mut self, link: LinkId) {
        self.link = Some(link);
        for (_, sent) in self.open.values_mut() {
            *sent = false;
        }
    }

    /// `asked`: what aspects are known to have asked people for.
    pub(super) fn act(
        &mut self,
        now: Ms,
        dice: &mut Dice,
        team: &[AspectName],
        asked: &[(ApprovalId, bool)],
    ) {
        if dice.one_in(4)
            && let Some((_, sent)) = self.open.values_mut().next()
        {
            // Impatient: the same again, although the first may well be under way.
            *sent = false;
        }
        let request = RequestId(dice.id(now));
        let to = &team[dice.below(team.len())];
        let frame: ToBroker = match dice.below(22) {
            18..22 if !self.triggers.is_empty() => schedule::act(&self.triggers, &self.who, dice, &self.runs),
            17 if dice.one_in(3) => BudgetStop { reason: Some("too dear".to_owned()) }.into(),
            17 => BudgetGoOn { unlimited: dice.one_in(2), cost_microusd: None }.into(),
            16 => TurnCancel { of: to.clone(), thread: None, turn: None, reason: None }.into(),
            14 | 15 if !asked.is_empty() => {
                // The latest more often: several people look at it.
                let latest = asked.len().saturating_sub(1 + dice.below(3));
                let at = if dice.one_in(3) { dice.below(asked.len()) } else { latest };
                let (approval, is_tool) = asked[at];
                let (verdict, text) = match (dice.below(2), is_tool) {
                    (0, _) => (Verdict::Deny, None),
                    (_, true) => (Verdict::Approve, None),
                    (_, false) => (Verdict::Answer, Some("the red one".to_owned())),
                };
                ApprovalAnswer { approval, verdict, text }.into()
            }
            13 => {
                let of = [None, Some(self.who.clone()), Some(Party::Aspect(to.clone()))];
                let (of, per) =
                    (of[dice.below(3)].clone(), [BudgetPer::Day, BudgetPer::Month][dice.below(2)]);
                if dice.one_in(3) {
                    BudgetClear { of, per }.into()
                } else {
                    let limit = Budget { tokens: Some(60 + dice.below(600) as u64), cost_microusd: None };
                    BudgetSet { of, per, limit, each: Budget::default() }.into()
                }
            }
            12 => match dice.below(4) {
                0 => restrain(to, RestraintKind::Held).into(),
                1 => restrain(to, RestraintKind::Paused).into(),
                _ => AspectRelease { name: to.clone() }.into(),
            },
            0..5 => {
                let thread = (!self.threads.is_empty() && dice.one_in(2))
                    .then(|| self.threads[dice.below(self.threads.len())]);
                let other = &team[dice.below(team.len())];
                ChatSend {
                    thread,
                    to: vec![to.to_string()],
                    content: format!("for {to}, and @{other}: {}", dice.below(1000)),
                    ..ChatSend::default()
                }
                .into()
            }
            5 if !self.messages.is_empty() && dice.one_in(2) => {
                let message = self.messages[dice.below(self.messages.len())];
                let emoji = ["👍", "👎"][dice.below(2)].to_owned();
                ChatReact { message, emoji, remove: dice.one_in(3) }.into()
            }
            6 if !self.threads.is_empty() => {
                let thread = self.threads[dice.below(self.threads.len())];
                let seq = dice.one_in(2).then(|| dice.below(200) as u64);
                ChatMark { thread, seq }.into()
            }
            5 if !self.dispatches.is_empty() => {
                let dispatch = self.dispatches[dice.below(self.dispatches.len())];
                DispatchCancel { dispatch, reason: None }.into()
            }
            6 if !self.dispatches.is_empty() => {
                let dispatch = self.dispatches[dice.below(self.dispatches.len())];
                DispatchRetry { dispatch, deadline_s: None, budget: Budget::default() }.into()
            }
            11 if dice.one_in(3) => {
                SessionRewind { of: to.clone(), session: "global".into(), entry: None }.into()
            }
            7 => {
                let (hand, ..) = agent::HANDS[dice.below(agent::HANDS.len())];
                let wanted = Wanted { needs: vec![hand.to_owned()], ..Wanted::default() };
                Dispatch { capability: Some(wanted), input: 3.into(), ..Dispatch::default() }.into()
            }
            _ => {
                let to = Dispatch::to(agent::hand_of(to, dice), serde_json::json!({"n": dice.below(100)}));
                let budget = agent::some_budget(dice);
                Dispatch { deadline_s: dice.one_in(4).then(|| 30 + dice.below(600) as u32), budget, ..to }
                    .into()
            }
        };
        self.open.insert(request, (frame, false));
    }

    /// Whoever is held or paused may go on.
    pub(super) fn release_all(&mut self, now: Ms, dice: &mut Dice, team: &[AspectName]) {
        for name in team {
            let release = AspectRelease { name: name.clone() };
            self.open.insert(RequestId(dice.id(now)), (release.into(), false));
        }
    }

    /// What is to be sent on this link.
    pub(super) fn unsent(&mut self) -> Vec<(Option<RequestId>, ToBroker)> {
        if self.link.is_none() {
            return Vec::new();
        }
        let mut frames = Vec::new();
        for (request, (frame, sent)) in &mut self.open {
            if !*sent {
                *sent = true;
                frames.push((Some(*request), frame.clone()));
            }
        }
        frames
    }

    pub(super) fn receive(
        &mut self,
        seed: u64,
        in_reply_to: Option<RequestId>,
        frame: FromBroker,
        truth: &mut Truth,
    ) {
        let Some(request) = in_reply_to else { return };
        match frame {
            FromBroker::Ok(result) => {
                truth.note_answer(seed, &self.who, request, result.as_str());
                match self.open.remove(&request).map(|(frame, _)| frame) {
                    Some(ToBroker::ChatSend(_)) => {
                        let sent: ChatSent = result.parse().expect("the answer of chat.send");
                        self.threads.push(sent.thread);
                        self.messages.push(sent.message);
                        truth.note_message(sent);
                    }
                    Some(ToBroker::Dispatch(_) | ToBroker::DispatchRetry(_)) => {
                        let accepted: Dispatched = result.parse().expect("the answer of dispatch");
                        self.dispatches.push(accepted.dispatch);
                        truth.note_dispatch(accepted.dispatch, &self.who);
                    }
                    Some(ToBroker::RunStart(_) | ToBroker::RunRetry(_)) => {
                        let started: RunStarted = result.parse().expect("the answer of run.start");
                        self.runs.push(started.run);
                        truth.note_run(started.run, &self.who);
                    }
                    Some(ToBroker::RegistryWrite(_)) => {
                        truth.note_written(result.parse().expect("the answer of registry.write"));
                    }
                    _ => {}
                }
            }
            FromBroker::Error(error) if error.retryable => {
                if let Some((_, sent)) = self.open.get_mut(&request) {
                    *sent = false;
                }
            }
            FromBroker::Error(error) => {
                use nexus_wire::ErrorCode as Code;
                // What has not come to nothing is not tried again, however often it is asked for, and a trigger whose
                // time is over is neither fired nor paused.
                let may_be_over = matches!(
                    self.open.get(&request),
                    Some((
                        ToBroker::DispatchRetry(_)
                            | ToBroker::RunRetry(_)
                            | ToBroker::TriggerFire(_)
                            | ToBroker::TriggerPause(_),
                        _
                    )) | None
                );
                assert!(
                    may_be_over && error.code == Code::Invalid
                        || matches!(error.code, Code::NoCandidate | Code::NotFound | Code::ThreadPaused),
                    "seed {seed}: an operator is refused: {error}"
                );
                self.open.remove(&request);
            }
            other @ (FromBroker::ChatReacted(_)
            | FromBroker::Deliver(_)
            | FromBroker::Gap(_)
            | FromBroker::Log(_)
            | FromBroker::Observe(_)
            | FromBroker::ObserveGap(_)
            | FromBroker::Activity(_)
            | FromBroker::Registered(_)
            | FromBroker::RosterChanged(_)
            | FromBroker::SessionAsk(_)
            | FromBroker::Shutdown(_)
            | FromBroker::SpendingChanged(_)) => {
                panic!("seed {seed}: an operator is answered with {other:?}")
            }
        }
    }
}

fn restrain(aspect: &AspectName, kind: RestraintKind) -> AspectRestrain {
    AspectRestrain { name: aspect.clone(), kind, reason: "the die said so".into() }
}
