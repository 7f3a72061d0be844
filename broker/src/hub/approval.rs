//! What aspects ask of people: leave to use a tool, or an answer to a question. Kept until somebody answers, time is
//! up, or whoever asked does not wait any more; the end goes into the asker's inbox.

use std::collections::BTreeMap;

use nexus_wire::alert::AlertKind;
use nexus_wire::approval::{
    ApprovalAnswer, ApprovalAsk, ApprovalEnd, ApprovalInfo, ApprovalState, ApprovalWithdraw, Asked, Verdict,
};
use nexus_wire::chat::ChatSend;
use nexus_wire::hands::{DispatchState, Lease};
use nexus_wire::limits::{
    APPROVAL_ALERT_AFTER, APPROVAL_ARGUMENTS_BYTES_MAX, APPROVAL_CHOICE_BYTES_MAX, APPROVAL_CHOICES_MAX,
    APPROVAL_DEADLINE_DEFAULT, APPROVAL_DEADLINE_MAX, APPROVAL_SUMMARY_BYTES_MAX, APPROVAL_TEXT_BYTES_MAX,
    APPROVAL_TOOL_BYTES_MAX, APPROVALS_OPEN_MAX,
};
use nexus_wire::log::LogBody;
use nexus_wire::trigger::Trigger;
use nexus_wire::{ApprovalId, AspectName, DispatchId, ErrorBody, ErrorCode, Ms, Party, RequestId, derive};

use super::alerts::Alerts;
use super::inbox::{BodyRef, sha256_of};
use super::queue::StaleToken;
use super::records::{ApprovalRecord, Store, Stored};
use super::step::{Done, Step, refuse};

/// Of what is asked, in an alert.
const ALERT_SUMMARY_BYTES: usize = 200;

/// Those that are open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Approvals(BTreeMap<ApprovalId, ApprovalRecord>);

impl Approvals {
    pub(super) fn new(open: Vec<ApprovalRecord>) -> Self {
        Self(open.into_iter().map(|record| (record.info.id, record)).collect())
    }

    /// When the next one expires, or has waited for so long that somebody has to know.
    pub(super) fn due(&self, alerts: &Alerts) -> Option<Ms> {
        let due = |info: &ApprovalInfo| {
            let told = alerts.is_open(AlertKind::ApprovalWaiting, &info.id.to_string());
            if told { info.expires_at } else { info.expires_at.min(late_at(info)) }
        };
        self.0.values().map(|record| due(&record.info)).min()
    }

    /// How much an aspect waits for; what a run of its own waits for is the run's.
    pub(super) fn count(&self, name: &AspectName) -> u32 {
        u32::try_from(self.of(|info| info.run.is_none() && info.aspect.aspect() == Some(name)).len())
            .unwrap_or(u32::MAX)
    }

    fn of(&self, wanted: impl Fn(&ApprovalInfo) -> bool) -> Vec<ApprovalId> {
        self.0.values().map(|record| &record.info).filter(|info| wanted(info)).map(|info| info.id).collect()
    }
}

fn late_at(info: &ApprovalInfo) -> Ms {
    info.asked_at.saturating_add(APPROVAL_ALERT_AFTER.as_millis() as Ms)
}

/// How one ends.
struct End {
    state: ApprovalState,
    by: Party,
    text: Option<String>,
}

/// A message that answers something, and how.
pub(super) struct Replied {
    approval: ApprovalId,
    pub(super) asker: Party,
    end: End,
}

/// `None`: it is no answer but a message like any other.
fn reply(info: &ApprovalInfo, sender: &Party, send: &ChatSend) -> Option<Replied> {
    let said = send.content.trim();
    let (verdict, text) = match &info.asked {
        // A message need not show the whole of what is proposed.
        Asked::Tool { .. } if said.eq_ignore_ascii_case("approve") && info.trigger.is_some() => return None,
        Asked::Tool { .. } if said.eq_ignore_ascii_case("approve") => (Verdict::Approve, None),
        Asked::Tool { .. } if said.eq_ignore_ascii_case("deny") => (Verdict::Deny, None),
        Asked::Tool { .. } => return None,
        Asked::Question { .. } => (Verdict::Answer, Some(said.to_owned())),
    };
    let answer = ApprovalAnswer { approval: info.id, verdict, text };
    let end = end_of(&info.asked, answer, sender).ok()?;
    Some(Replied { approval: info.id, asker: info.aspect.clone(), end })
}

impl<S: Store> Step<'_, S> {
    pub(super) fn approval_ask(&mut self, sender: &Party, request: RequestId, ask: ApprovalAsk) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Forbidden, "approval.ask is for aspects; people ask in a message");
        };
        let request_sha256 = sha256_of(&ask);
        let id = derive::approval_id(request, sender);
        if let Some(first) = self.store.approval(id)? {
            if first.request_sha256 != request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} asked for something else before; a new one needs a new id"),
                );
            }
            self.answer(&first.info);
            return Ok(());
        }
        check(&ask)?;
        // What is due by now asks nothing any more.
        self.hub.queue.tick(self.at);
        self.settle(None, None)?;
        let deadline = self.check_place(sender, name, &ask)?;
        let asked = self.check_proposal(ask.asked, ask.trigger.as_deref())?;
        let info = ApprovalInfo {
            id,
            aspect: sender.clone(),
            asked,
            thread: ask.thread,
            lease: ask.lease,
            notice: ask.notice,
            trigger: ask.trigger,
            run: None,
            only: None,
            state: ApprovalState::Open,
            asked_at: self.at,
            expires_at: self.at.saturating_add(deadline),
            ended_at: None,
            by: None,
            text: None,
        };
        let open = self.hub.approvals.count(name);
        if open as usize >= APPROVALS_OPEN_MAX {
            return refuse(
                ErrorCode::QueueFull,
                format!(
                    "{name} waits for {open} answers of people already, and {APPROVALS_OPEN_MAX} is the most"
                ),
            );
        }
        self.answer(&info);
        let record = ApprovalRecord { info, request_sha256 };
        self.store.put_approval(&record)?;
        self.log_approval(sender.clone(), "approval.asked", &record.info)?;
        let lease = record.info.lease;
        self.hub.approvals.0.insert(id, record);
        self.show_work(name);
        if let Some(lease) = lease {
            self.hold_timeout(lease)?;
            let before = self.hub.approvals.of(|it| {
                it.lease.is_some_and(|old| old.dispatch == lease.dispatch && old.attempt < lease.attempt)
            });
            self.withdraw_all(before, "an earlier attempt asked it")?;
        }
        Ok(())
    }

    /// Whether it is the sender's to ask there. Gives how long it may wait.
    fn check_place(&mut self, sender: &Party, name: &AspectName, ask: &ApprovalAsk) -> Done<Ms> {
        if let Some(thread) = ask.thread
            && self.reachable_thread(sender, thread)?.is_none()
        {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no thread {thread} that {name} takes part in"),
            );
        }
        if let Some(lease) = ask.lease
            && !self.hub.queue.leases(name).contains(&lease)
        {
            return Err(ErrorBody::from(StaleToken(lease)).into());
        }
        let longest = APPROVAL_DEADLINE_MAX.as_secs();
        match ask.deadline_s {
            None => Ok(APPROVAL_DEADLINE_DEFAULT.as_millis() as Ms),
            Some(seconds) if seconds >= 1 && u64::from(seconds) <= longest => Ok(Ms::from(seconds) * 1_000),
            Some(seconds) => refuse(
                ErrorCode::Invalid,
                format!("`deadline_s` is {seconds}; give 1 to {longest} seconds, or leave it out"),
            ),
        }
    }

    /// Whoever is asked is shown the definition itself, whatever the asker says of it.
    fn check_proposal(&self, asked: Asked, trigger: Option<&Trigger>) -> Done<Asked> {
        let Some(trigger) = trigger else { return Ok(asked) };
        let Asked::Tool { tool, summary, .. } = asked else {
            return refuse(
                ErrorCode::Invalid,
                "`trigger` goes with a tool in `asked`, which is approved or denied",
            );
        };
        self.check_proposed(trigger)?;
        let arguments = serde_json::to_string_pretty(trigger).unwrap_or_default();
        text_fits("trigger", &arguments, APPROVAL_ARGUMENTS_BYTES_MAX)?;
        Ok(Asked::Tool { tool, summary, arguments })
    }

    /// A step of a run asks.
    pub(super) fn ask_for_step(&mut self, info: ApprovalInfo) -> Stored<()> {
        self.log_approval(info.aspect.clone(), "approval.asked", &info)?;
        let record = ApprovalRecord { request_sha256: sha256_of(&info), info };
        self.store.put_approval(&record)?;
        self.hub.approvals.0.insert(record.info.id, record);
        Ok(())
    }

    /// The step does not wait for it any more.
    pub(super) fn withdraw_step(&mut self, id: ApprovalId, why: &str) -> Stored<()> {
        self.withdraw_all(vec![id], why)
    }

    /// The first answer counts, and whoever comes later gets it as it stands.
    pub(super) fn approval_answer(
        &mut self,
        sender: &Party,
        request: RequestId,
        answer: ApprovalAnswer,
    ) -> Done {
        let Some(fresh) = self.first_time(sender, request, &answer)? else { return Ok(()) };
        self.approvals_due()?;
        let id = answer.approval;
        let Some(found) = self.store.approval(id)? else {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no approval {id}; `nexctl get approvals` shows those that wait"),
            );
        };
        if found.info.state != ApprovalState::Open {
            self.answer_once(fresh, &found.info)?;
            return Ok(());
        }
        if let Some(only) = &found.info.only
            && *sender != Party::Operator(only.clone())
        {
            return refuse(
                ErrorCode::Forbidden,
                format!("approval {id} is for operator/{only} alone to answer"),
            );
        }
        let end = end_of(&found.info.asked, answer, sender)?;
        if end.state == ApprovalState::Approved
            && let Some(trigger) = found.info.trigger
        {
            self.define_proposed(sender, id, *trigger)?;
        }
        if let Some(info) = self.end_approval(id, end)? {
            self.answer_once(fresh, &info)?;
        }
        Ok(())
    }

    pub(super) fn approval_withdraw(&mut self, sender: &Party, withdraw: ApprovalWithdraw) -> Done {
        let id = withdraw.approval;
        let own = |record: &ApprovalRecord| record.info.run.is_none() && *sender == record.info.aspect;
        let Some(found) = self.store.approval(id)?.filter(own) else {
            return refuse(ErrorCode::NotFound, format!("there is no approval {id} that {sender} asked for"));
        };
        let reason = withdraw.reason;
        text_fits("reason", reason.as_deref().unwrap_or_default(), APPROVAL_TEXT_BYTES_MAX)?;
        let end = End { state: ApprovalState::Withdrawn, by: sender.clone(), text: reason };
        let ended = self.end_approval(id, end)?;
        self.answer(&ended.unwrap_or(found.info));
        Ok(())
    }

    /// Those whose time is up end, and of those that wait for long somebody is told.
    pub(super) fn approvals_due(&mut self) -> Stored<()> {
        let at = self.at;
        for id in self.hub.approvals.of(|info| info.expires_at <= at) {
            let end = End { state: ApprovalState::Expired, by: Party::System, text: None };
            self.end_approval(id, end)?;
        }
        for id in self.hub.approvals.of(|info| late_at(info) <= at) {
            let Some(ApprovalRecord { info, .. }) = self.hub.approvals.0.get(&id) else { continue };
            let message = waiting(info);
            self.raise_alert(AlertKind::ApprovalWaiting, &id.to_string(), &message)?;
        }
        Ok(())
    }

    /// These dispatches ended within this command; nobody waits for what was asked for them.
    pub(super) fn approvals_told(&mut self, ended: &[(DispatchId, DispatchState)]) -> Stored<()> {
        if self.hub.approvals.0.is_empty() {
            return Ok(());
        }
        let is_over = |info: &ApprovalInfo| {
            info.lease.is_some_and(|lease| ended.iter().any(|(dispatch, _)| *dispatch == lease.dispatch))
        };
        let over = self.hub.approvals.of(is_over);
        self.withdraw_all(over, "its dispatch has ended")
    }

    /// The aspect is on the team no longer.
    pub(super) fn approvals_gone(&mut self, name: &AspectName) -> Stored<()> {
        let theirs = self.hub.approvals.of(|info| info.run.is_none() && info.aspect.aspect() == Some(name));
        self.withdraw_all(theirs, "whoever asked is not on the team any more")
    }

    /// What an operator's message answers: something whose notice it replies to.
    pub(super) fn replied(&self, sender: &Party, send: &ChatSend) -> Stored<Option<Replied>> {
        let Some(notice) = send.reply_to.filter(|_| sender.is_operator()) else { return Ok(None) };
        let is_asked = |info: &&ApprovalInfo| info.notice == Some(notice) && info.expires_at > self.at;
        let mut open = self.hub.approvals.0.values().map(|record| &record.info).filter(is_asked).peekable();
        if open.peek().is_none() {
            return Ok(None);
        }
        // Whoever asks names the message; another's says nothing of what they ask.
        let Some(noticed) = self.store.message(notice)? else { return Ok(None) };
        Ok(open.find(|info| info.aspect == noticed.message.from).and_then(|info| reply(info, sender, send)))
    }

    pub(super) fn answer_by_reply(&mut self, replied: Replied) -> Stored<()> {
        self.end_approval(replied.approval, replied.end)?;
        Ok(())
    }

    fn withdraw_all(&mut self, ids: Vec<ApprovalId>, why: &str) -> Stored<()> {
        for id in ids {
            let (state, by) = (ApprovalState::Withdrawn, Party::System);
            self.end_approval(id, End { state, by, text: Some(why.to_owned()) })?;
        }
        Ok(())
    }

    /// `None`: it had ended before.
    fn end_approval(&mut self, id: ApprovalId, end: End) -> Stored<Option<ApprovalInfo>> {
        let Some(mut record) = self.hub.approvals.0.remove(&id) else { return Ok(None) };
        let End { state, by, text } = end;
        let info = &mut record.info;
        (info.state, info.ended_at, info.text) = (state, Some(self.at), text);
        info.by = Some(by.clone()).filter(|by| *by != Party::System);
        self.store.put_approval(&record)?;
        let info = record.info;
        if let Some(lease) = info.lease {
            self.hold_timeout(lease)?;
        }
        let told = ApprovalEnd { approval: id, state, by: info.by.clone(), text: info.text.clone() };
        if info.run.is_some() {
            self.step_answered(&told)?;
        } else if let Party::Aspect(name) = &info.aspect {
            self.show_work(name);
            if state != ApprovalState::Withdrawn {
                let (item, context) = (derive::approval_item(id), self.context());
                self.push(name, item, None, context.as_ref(), &BodyRef::Approval(&told).text())?;
            }
        }
        self.log_approval(by, &format!("approval.{}", state.as_str()), &info)?;
        self.clear_alert(AlertKind::ApprovalWaiting, &id.to_string())?;
        Ok(Some(info))
    }

    /// What a worker may use of time stands still while people are asked for it.
    fn hold_timeout(&mut self, lease: Lease) -> Stored<()> {
        let asks = self.hub.approvals.0.values().any(|record| record.info.lease == Some(lease));
        if self.hub.queue.set_asks(lease, asks, self.at) {
            self.settle(None, None)?;
        }
        Ok(())
    }

    fn log_approval(&mut self, actor: Party, kind: &str, info: &ApprovalInfo) -> Stored<()> {
        let body = LogBody::Other { kind: kind.to_owned(), subject: info.id.to_string() };
        self.log(actor, info.thread, body, sha256_of(info))
    }
}

/// What an answer makes of what was asked.
fn end_of(asked: &Asked, answer: ApprovalAnswer, by: &Party) -> Done<End> {
    let ApprovalAnswer { verdict, text, .. } = answer;
    text_fits("text", text.as_deref().unwrap_or_default(), APPROVAL_TEXT_BYTES_MAX)?;
    let says_something = text.as_deref().is_some_and(|text| !text.trim().is_empty());
    let state = match (asked, verdict) {
        (Asked::Tool { .. }, Verdict::Approve) => ApprovalState::Approved,
        (Asked::Tool { .. } | Asked::Question { .. }, Verdict::Deny) => ApprovalState::Denied,
        (Asked::Question { .. }, Verdict::Answer) if says_something => ApprovalState::Answered,
        (Asked::Question { .. }, Verdict::Answer) => {
            return refuse(ErrorCode::Invalid, "`text` is the answer to the question; it says nothing");
        }
        (Asked::Question { .. }, Verdict::Approve) => {
            return refuse(
                ErrorCode::Invalid,
                "this is a question: the verdict is `answer`, with its `text`, or `deny`",
            );
        }
        (Asked::Tool { .. }, Verdict::Answer) => {
            return refuse(
                ErrorCode::Invalid,
                "this asks for leave to use a tool: the verdict is `approve` or `deny`",
            );
        }
    };
    Ok(End { state, by: by.clone(), text })
}

fn check(ask: &ApprovalAsk) -> Done {
    match &ask.asked {
        Asked::Tool { tool, summary, arguments } => {
            text_fits("tool", tool, APPROVAL_TOOL_BYTES_MAX)?;
            text_fits("summary", summary, APPROVAL_SUMMARY_BYTES_MAX)?;
            text_fits("arguments", arguments, APPROVAL_ARGUMENTS_BYTES_MAX)
        }
        Asked::Question { question, choices } => {
            text_fits("question", question, APPROVAL_TEXT_BYTES_MAX)?;
            if choices.len() > APPROVAL_CHOICES_MAX {
                let given = choices.len();
                return refuse(
                    ErrorCode::Invalid,
                    format!("`choices`: {given} of them, at most {APPROVAL_CHOICES_MAX}"),
                );
            }
            choices.iter().try_for_each(|choice| text_fits("choices", choice, APPROVAL_CHOICE_BYTES_MAX))
        }
    }
}

fn text_fits(field: &str, text: &str, max: usize) -> Done {
    if text.len() <= max {
        return Ok(());
    }
    refuse(ErrorCode::TooLarge, format!("`{field}` is {} bytes; {max} is the most", text.len()))
}

/// The same as long as it waits: it counts as one alert.
fn waiting(info: &ApprovalInfo) -> String {
    let ApprovalInfo { id, aspect, asked, .. } = info;
    let summary = asked.summary();
    let summary = &summary[..summary.floor_char_boundary(ALERT_SUMMARY_BYTES)];
    match asked {
        Asked::Tool { tool, .. } => format!(
            "{aspect} waits for leave to use {tool}: {summary}; nexctl get approvals {id} shows it, and \
            nexctl approve {id} or nexctl deny {id} answers"
        ),
        Asked::Question { .. } => {
            format!("{aspect} waits for an answer: {summary}; nexctl answer {id} \"…\" gives one")
        }
    }
}
