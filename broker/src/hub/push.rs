//! Whom clients of A2A want to be told of a task, and what they were told last. Each is kept until the task's end was
//! told, its owner takes it back, the credential it was set with is gone, or nobody is there to be told.
//!
//! Who tells them is beside the hub; it says here what was taken.

use std::collections::BTreeMap;

use nexus_wire::admin::OperatorRole;
use nexus_wire::alert::AlertKind;
use nexus_wire::limits::{PUSHES_MAX, PUSHES_PER_PARTY_MAX, PUSHES_PER_TASK_MAX};
use nexus_wire::{ErrorCode, Party};
use serde_json::json;

use super::Hub;
use super::effect::Effect;
use super::records::{Digest, OperatorRecord, PushKey, PushRecord, PushTerms, Store, Stored};
use super::step::{Done, Step, refuse};

/// One act about whom to tell. Whether `key.owner` may was decided before, and secrets come in sealed.
#[derive(Clone, Debug, PartialEq)]
pub enum Push {
    /// In place of what is there under the same key.
    Set { key: PushKey, terms: PushTerms, sealed: Vec<u8> },
    /// Its owner's wish; not there is as good.
    Remove { key: PushKey },
    /// `told` was taken; `is_end`: nothing comes after it. `seq` is that of the record it was told for.
    Told { key: PushKey, seq: u64, told: Digest, is_end: bool },
    /// Nothing is told any more, and why.
    End { key: PushKey, seq: u64, why: PushEnd },
}

#[derive(Clone, Debug, PartialEq)]
pub enum PushEnd {
    /// What it was set with lets nobody in any more.
    Credential,
    /// The task is kept no longer.
    Task,
    /// Nobody there takes it; how that showed.
    GivenUp(String),
}

/// All there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pushes(BTreeMap<PushKey, PushRecord>);

impl Pushes {
    pub(super) fn new(records: Vec<PushRecord>) -> Self {
        Self(records.into_iter().map(|record| (record.key.clone(), record)).collect())
    }
}

impl Hub {
    /// In the order of their keys.
    pub fn pushes(&self) -> impl Iterator<Item = &PushRecord> {
        self.pushes.0.values()
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn push_act(&mut self, act: Push) -> Done {
        match act {
            Push::Set { key, terms, sealed } => self.set_push(key, terms, sealed),
            Push::Remove { key } => {
                if self.hub.pushes.0.contains_key(&key) {
                    let owner = key.owner.clone();
                    self.drop_push(owner, &key, "push.removed", "")?;
                }
                self.answer(&json!({}));
                Ok(())
            }
            Push::Told { key, seq, told, is_end } => Ok(self.push_told(&key, seq, told, is_end)?),
            Push::End { key, seq, why } => Ok(self.end_push(&key, seq, &why)?),
        }
    }

    fn set_push(&mut self, key: PushKey, terms: PushTerms, sealed: Vec<u8>) -> Done {
        let is_good = self.owner_of(&key.owner).is_some_and(|owner| may_push(owner, terms.credential));
        if !is_good {
            return refuse(ErrorCode::Unauthorized, "the credential was revoked meanwhile, or may not act");
        }
        if !self.hub.pushes.0.contains_key(&key) {
            let own = || self.hub.pushes.0.keys().filter(|it| it.owner == key.owner);
            let (of_task, of_party) = (own().filter(|it| it.task == key.task).count(), own().count());
            let limits = [
                (of_task, PUSHES_PER_TASK_MAX, "of yours for this task"),
                (of_party, PUSHES_PER_PARTY_MAX, "of yours"),
                (self.hub.pushes.0.len(), PUSHES_MAX, "of all together"),
            ];
            for (count, max, whose) in limits {
                if count >= max {
                    let message = format!(
                        "there are {count} addresses {whose} that are told of tasks, and {max} is the most; delete one"
                    );
                    return refuse(ErrorCode::QuotaExceeded, message);
                }
            }
        }
        let record = PushRecord { seq: self.next_seq(), key, terms, told: None, sealed };
        let subject = subject(&record.key);
        self.log_other(record.key.owner.clone(), "push.set", subject, &record.terms)?;
        self.store.put_push(&record)?;
        self.hub.pushes.0.insert(record.key.clone(), record);
        self.effect(Effect::PushesChanged);
        self.answer(&json!({}));
        Ok(())
    }

    fn push_told(&mut self, key: &PushKey, seq: u64, told: Digest, is_end: bool) -> Stored<()> {
        let found = self.hub.pushes.0.get_mut(key).filter(|record| record.seq == seq);
        if let Some(record) = found {
            if is_end {
                self.drop_push(Party::System, key, "push.ended", "the end of the task was told")?;
            } else if record.told != Some(told) {
                record.told = Some(told);
                self.store.put_push(record)?;
                self.store.put_last_at(self.at)?;
            }
        }
        self.answer(&json!({}));
        Ok(())
    }

    fn end_push(&mut self, key: &PushKey, seq: u64, why: &PushEnd) -> Stored<()> {
        if let Some(record) = self.hub.pushes.0.get(key).filter(|record| record.seq == seq) {
            match why {
                PushEnd::Credential => self.drop_push(Party::System, key, "push.ended", GONE)?,
                PushEnd::Task => {
                    self.drop_push(Party::System, key, "push.ended", "the task is kept no longer")?;
                }
                PushEnd::GivenUp(how) => {
                    let message = format!(
                        "{} is told of task {} no longer: {how}; see to the receiver, and have it set anew",
                        key.owner, key.task
                    );
                    let about = about(&record.key);
                    self.drop_push(Party::System, key, "push.given_up", how)?;
                    self.raise_alert(AlertKind::PushGivenUp, &about, &message)?;
                }
            }
        }
        self.answer(&json!({}));
        Ok(())
    }

    fn drop_push(&mut self, actor: Party, key: &PushKey, kind: &str, why: &str) -> Stored<()> {
        self.hub.pushes.0.remove(key);
        self.store.remove_push(key)?;
        self.effect(Effect::PushesChanged);
        self.log_other(actor, kind, subject(key), &why)
    }

    fn owner_of(&self, party: &Party) -> Option<&OperatorRecord> {
        match party {
            Party::Operator(name) => self.hub.roster.operator(name),
            Party::Aspect(_) | Party::System => None,
        }
    }

    /// What lets `owner` in has changed: what they set with what is gone, or may not have now, goes.
    pub(super) fn pushes_checked(&mut self, owner: &OperatorRecord) -> Stored<()> {
        let party = Party::Operator(owner.name.clone());
        let of_owner = self.hub.pushes.0.values().filter(|it| it.key.owner == party);
        let gone = of_owner.filter(|it| !may_push(owner, it.terms.credential));
        let gone: Vec<PushKey> = gone.map(|record| record.key.clone()).collect();
        gone.iter().try_for_each(|key| self.drop_push(Party::System, key, "push.ended", GONE))
    }
}

const GONE: &str = "what it was set with lets nobody in any more";

fn may_push(owner: &OperatorRecord, credential: u64) -> bool {
    let tokens = owner.tokens.iter().map(|token| token.sha256);
    let mut all = tokens.chain(owner.sessions.iter().map(|session| session.sha256));
    owner.is_active() && owner.role != OperatorRole::Viewer && all.any(|it| it.piece() == credential)
}

/// As the log names it, which says by itself whose it is.
fn subject(key: &PushKey) -> String {
    format!("{}/{}", key.task, key.id)
}

/// As an alert names it. Whose it is comes first: two may name the same, and of one there are so many alerts at most.
fn about(key: &PushKey) -> String {
    let owner = match &key.owner {
        Party::Operator(name) => name.as_str(),
        Party::Aspect(name) => name.as_str(),
        Party::System => "system",
    };
    format!("{owner}/{}", subject(key))
}
