//! Alerts: what operators have to know of. Raised, cleared and acknowledged with a log entry each, and one for
//! each cause however often it is seen. [`Step::raise_alert`] is the way in for every rule of the hub; whoever
//! sees something outside of it sends `CommandBody::RaiseAlert`.

use std::collections::BTreeMap;
use std::ops::Bound;

use nexus_wire::alert::{Alert, AlertAck, AlertChange, AlertKind, AlertNature, AlertNote};
use nexus_wire::limits::{
    ALERT_MESSAGE_BYTES_MAX, ALERT_SUBJECT_BYTES_MAX, ALERTS_OPEN_OF_THREADS_MAX, ALERTS_OPEN_PER_PARTY_MAX,
};
use nexus_wire::log::LogBody;
use nexus_wire::{AspectName, ErrorCode, Party, RequestId, ThreadId};

use super::inbox::sha256_of;
use super::records::{Store, Stored};
use super::step::{Done, Step, refuse};

/// Those that are open, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Alerts(BTreeMap<String, Alert>);

impl Alerts {
    pub(super) fn new(open: Vec<Alert>) -> Self {
        Self(open.into_iter().map(|alert| (alert.key.clone(), alert)).collect())
    }

    pub(super) fn is_open(&self, kind: AlertKind, subject: &str) -> bool {
        !self.0.is_empty() && self.0.contains_key(&Alert::key_of(kind, subject))
    }

    /// What the first open one of a kind says.
    pub(super) fn first(&self, kind: AlertKind) -> Option<&str> {
        self.under(&Alert::key_of(kind, "")).next().map(|alert| alert.message.as_str())
    }

    /// What the open alerts of one kind are about.
    pub(super) fn subjects(&self, kind: AlertKind) -> Vec<String> {
        // This is asked for with most commands, and there is mostly none.
        if self.0.is_empty() {
            return Vec::new();
        }
        self.under(&Alert::key_of(kind, "")).map(|alert| alert.subject.clone()).collect()
    }

    /// Those whose key begins so.
    fn under<'a>(&'a self, prefix: &str) -> impl Iterator<Item = &'a Alert> {
        let from = self.0.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(prefix)).map(|(_, alert)| alert)
    }

    /// Those that have to give way before there can be one about this, the one that was raised longest ago first.
    fn in_the_way(&self, kind: AlertKind, subject: &str) -> Vec<Alert> {
        let Some((prefix, most)) = shared_room(kind, subject) else { return Vec::new() };
        over(self.under(&prefix).collect(), most)
    }

    fn put(&mut self, alert: Alert) {
        match alert.cleared_at {
            None => self.0.insert(alert.key.clone(), alert),
            Some(_) => self.0.remove(&alert.key),
        };
    }
}

/// Those that leave room for one more among `most`, the one that was raised longest ago first.
fn over(mut open: Vec<&Alert>, most: usize) -> Vec<Alert> {
    let over = (open.len() + 1).saturating_sub(most);
    open.sort_unstable_by_key(|alert| alert.seq);
    open.into_iter().take(over).cloned().collect()
}

/// How the keys begin that share their room with this one, and how many of them may be open; `None`: there are no more of
/// the kind than of what it is about.
fn shared_room(kind: AlertKind, subject: &str) -> Option<(String, usize)> {
    match kind {
        // Sessions and Hands have what names an aspect gives them, and of addresses an operator names any number.
        AlertKind::BudgetExceeded
        | AlertKind::PushGivenUp
        | AlertKind::SessionStuck
        | AlertKind::WorkerLost => {
            let (party, _) = subject.split_once('/')?;
            Some((Alert::key_of(kind, &format!("{party}/")), ALERTS_OPEN_PER_PARTY_MAX))
        }
        AlertKind::ThreadPaused => Some((Alert::key_of(kind, ""), ALERTS_OPEN_OF_THREADS_MAX)),
        AlertKind::ApprovalWaiting
        | AlertKind::AspectDeaf
        | AlertKind::AspectFailing
        | AlertKind::AspectMissing
        | AlertKind::AspectStalled
        | AlertKind::BudgetSpent
        | AlertKind::ClockOff
        | AlertKind::DiskLow
        | AlertKind::RunFailed
        | AlertKind::RunWithoutOutput
        | AlertKind::SettingsBroken
        | AlertKind::SpendingStopped
        | AlertKind::Storage
        | AlertKind::TenantDown
        | AlertKind::TriggerPaused
        | AlertKind::WatchFailing
        | AlertKind::WorkWaiting
        | AlertKind::WorkspaceFault => None,
    }
}

/// As much of `text` as fits, cut between characters.
fn within(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl<S: Store> Step<'_, S> {
    /// The same said again while the alert is open changes nothing; with another message it counts once more and
    /// has to be acknowledged anew.
    pub(super) fn raise_alert(&mut self, kind: AlertKind, subject: &str, message: &str) -> Stored<()> {
        let (subject, message) =
            (within(subject, ALERT_SUBJECT_BYTES_MAX), within(message, ALERT_MESSAGE_BYTES_MAX));
        let key = Alert::key_of(kind, subject);
        let open = self.hub.alerts.0.get(&key);
        if open.is_some_and(|open| open.message == message) {
            return Ok(());
        }
        let (raised_at, before) = match open {
            Some(open) => (open.raised_at, open.times),
            None => {
                self.make_way(kind, subject)?;
                (self.at, self.store.alert(kind, subject)?.map_or(0, |alert| alert.times))
            }
        };
        let alert = Alert {
            key,
            kind,
            severity: kind.severity(),
            nature: kind.nature(),
            subject: subject.to_owned(),
            message: message.to_owned(),
            seq: self.next_seq(),
            raised_at,
            times: before.saturating_add(1),
            cleared_at: None,
            acked_at: None,
            acked_by: None,
        };
        self.put_alert(Party::System, AlertChange::Raised, alert)
    }

    /// Clears what a new alert takes the place of, and says in the log that nothing else has ended it.
    fn make_way(&mut self, kind: AlertKind, subject: &str) -> Stored<()> {
        for old in self.in_the_way(kind, subject)? {
            let message = format!("gave way to newer ones, and is not over: {}", old.message);
            let message = within(&message, ALERT_MESSAGE_BYTES_MAX).to_owned();
            let alert = Alert { cleared_at: Some(self.at), message, ..old };
            self.put_alert(Party::System, AlertChange::Cleared, alert)?;
        }
        Ok(())
    }

    fn in_the_way(&self, kind: AlertKind, subject: &str) -> Stored<Vec<Alert>> {
        if kind == AlertKind::ThreadPaused {
            let of_aspect = over(self.of_beginner(subject)?, ALERTS_OPEN_PER_PARTY_MAX);
            if !of_aspect.is_empty() {
                return Ok(of_aspect);
            }
        }
        Ok(self.hub.alerts.in_the_way(kind, subject))
    }

    /// The open alerts about threads that the same aspect has begun as this one; none where no aspect has.
    fn of_beginner(&self, thread: &str) -> Stored<Vec<&Alert>> {
        let open: Vec<&Alert> = self.hub.alerts.under(&Alert::key_of(AlertKind::ThreadPaused, "")).collect();
        // Who has begun a thread is read from the store, and mostly nobody needs to know.
        if open.len() < ALERTS_OPEN_PER_PARTY_MAX {
            return Ok(Vec::new());
        }
        let Some(aspect) = self.beginner(thread)? else { return Ok(Vec::new()) };
        let mut same = Vec::new();
        for alert in open {
            if self.beginner(&alert.subject)?.as_ref() == Some(&aspect) {
                same.push(alert);
            }
        }
        Ok(same)
    }

    /// The aspect that has begun a thread.
    fn beginner(&self, thread: &str) -> Stored<Option<AspectName>> {
        let Ok(id) = thread.parse::<ThreadId>() else { return Ok(None) };
        let thread = self.store.thread(id)?;
        Ok(thread.and_then(|it| it.participants.first().and_then(Party::aspect).cloned()))
    }

    /// Its cause is gone. Nothing happens if there is no such alert open.
    pub(super) fn clear_alert(&mut self, kind: AlertKind, subject: &str) -> Stored<()> {
        if self.hub.alerts.0.is_empty() {
            return Ok(());
        }
        let key = Alert::key_of(kind, within(subject, ALERT_SUBJECT_BYTES_MAX));
        let Some(open) = self.hub.alerts.0.get(&key) else { return Ok(()) };
        let alert = Alert { cleared_at: Some(self.at), ..open.clone() };
        self.put_alert(Party::System, AlertChange::Cleared, alert)
    }

    /// The first acknowledgement stands; a repeat is answered with it.
    pub(super) fn alert_ack(&mut self, sender: &Party, request: RequestId, ack: &AlertAck) -> Done {
        let Some(fresh) = self.first_time(sender, request, ack)? else { return Ok(()) };
        let parts = ack.key.split_once('/').and_then(|(kind, subject)| Some((kind.parse().ok()?, subject)));
        let found = match parts {
            Some((kind, subject)) => self.store.alert(kind, subject)?,
            None => None,
        };
        let Some(alert) = found else {
            let key = within(&ack.key, ALERT_SUBJECT_BYTES_MAX);
            return refuse(
                ErrorCode::NotFound,
                format!("there is no alert {key:?}; `nexctl get alerts` shows the key of each"),
            );
        };
        if alert.acked_at.is_some() {
            self.answer_once(fresh, &alert)?;
            return Ok(());
        }
        let cleared_at = match alert.kind.nature() {
            AlertNature::Condition => alert.cleared_at,
            AlertNature::Event => alert.cleared_at.or(Some(self.at)),
        };
        let alert = Alert { acked_at: Some(self.at), acked_by: Some(sender.clone()), cleared_at, ..alert };
        self.answer_once(fresh, &alert)?;
        self.put_alert(sender.clone(), AlertChange::Acknowledged, alert)?;
        Ok(())
    }

    fn put_alert(&mut self, actor: Party, change: AlertChange, alert: Alert) -> Stored<()> {
        let note = AlertNote {
            change,
            key: alert.key.clone(),
            kind: alert.kind,
            subject: alert.subject.clone(),
            message: alert.message.clone(),
        };
        self.store.put_alert(&alert)?;
        let content = sha256_of(&alert);
        self.hub.alerts.put(alert);
        self.log(actor, None, LogBody::Alert(note), content)
    }
}
