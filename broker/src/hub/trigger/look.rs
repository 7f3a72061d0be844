//! Watches: the broker looks at an address again and again, and each change of what is there fires a trigger once. What
//! was seen last is kept in the same commit as the slot that it led to, so whoever is killed in between looks again and
//! finds the same change.

use nexus_wire::alert::AlertKind;
use nexus_wire::limits::{
    TRIGGER_EVERY_MAX_S, WATCH_ERROR_BYTES_MAX, WATCH_FAILURES_ALERT, WATCH_URL_BYTES_MAX, WATCHES_MAX,
};
use nexus_wire::trigger::{Cause, Seen, Trigger, Watch, WatchInfo, When};
use nexus_wire::{ErrorCode, TriggerId, TriggerName};
use serde_json::json;

use crate::hub::Hub;
use crate::hub::records::{Store, Stored, TriggerRecord};
use crate::hub::step::{Done, Step, refuse};

/// What came of a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub trigger: TriggerName,
    /// The one it was for.
    pub id: TriggerId,
    pub url: String,
    pub found: Found,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Seen(Seen),
    Nothing {
        why: String,
        /// It would be the same the next time.
        is_final: bool,
    },
}

/// What has to be looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchDoor {
    pub trigger: TriggerName,
    pub id: TriggerId,
    pub url: String,
    pub every_s: u32,
    pub seen: Option<Seen>,
    pub failures: u32,
}

impl Hub {
    /// Every address that is looked at, by the name of its trigger.
    pub fn watches(&self) -> impl Iterator<Item = WatchDoor> {
        let records = self.triggers.watching.iter().filter_map(|name| self.triggers.get(name));
        records.filter_map(door_of)
    }
}

/// `None`: nothing is looked at, or not at the moment.
pub(super) fn door_of(record: &TriggerRecord) -> Option<WatchDoor> {
    let watch = record.info.definition.when.watch().filter(|_| record.is_active())?;
    let (seen, failures) =
        record.info.watch.as_ref().map_or((None, 0), |info| (info.seen.clone(), info.failures));
    Some(WatchDoor {
        trigger: record.name().clone(),
        id: record.info.id,
        url: watch.url.clone(),
        every_s: watch.every_s,
        seen,
        failures,
    })
}

/// Of a definition that takes the place of another: what was seen is about one address.
pub(super) fn fit_watch(record: &mut TriggerRecord, before: &When) {
    let url = |when: &When| when.watch().map(|watch| watch.url.clone());
    let now = url(&record.info.definition.when);
    if now != url(before) || now.is_none() {
        record.info.watch = None;
    }
    if now.is_some() && record.info.watch.is_none() {
        record.info.watch = Some(WatchInfo::default());
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn check_watch(&self, put: &Trigger, watch: &Watch) -> Done {
        let Watch { url, every_s } = watch;
        let least = self.hub.config.watch_every_min_s;
        if !(least..=TRIGGER_EVERY_MAX_S).contains(every_s) {
            return refuse(
                ErrorCode::Invalid,
                format!("`when.watch.every_s` is {every_s}; it can be from {least} to {TRIGGER_EVERY_MAX_S}"),
            );
        }
        if url.len() > WATCH_URL_BYTES_MAX {
            let message =
                format!("`when.watch.url` is {} bytes; {WATCH_URL_BYTES_MAX} is the most", url.len());
            return refuse(ErrorCode::TooLarge, message);
        }
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || !is_plain {
            return refuse(
                ErrorCode::Invalid,
                "`when.watch.url` is no address that can be looked at; write https://host/path, without a user's name \
                 or a password",
            );
        }
        let watching = &self.hub.triggers.watching;
        if watching.len() >= WATCHES_MAX && !watching.contains(&put.name) {
            let message =
                format!("{WATCHES_MAX} addresses are watched already; delete a trigger that is not needed");
            return refuse(ErrorCode::QuotaExceeded, message);
        }
        Ok(())
    }

    pub(in crate::hub) fn looked(&mut self, look: Look) -> Stored<()> {
        let Look { trigger: name, id, url, found } = look;
        let is_it = |record: &&TriggerRecord| {
            record.info.id == id && record.info.definition.when.watch().is_some_and(|watch| watch.url == url)
        };
        if let Some(record) = self.hub.triggers.get(&name).filter(is_it).cloned() {
            match found {
                Found::Seen(seen) => self.saw(record, seen)?,
                Found::Nothing { why, is_final } => self.saw_nothing(record, &why, is_final)?,
            }
        }
        self.answer(&json!({}));
        Ok(())
    }

    /// The first look notes what is there, and fires nothing.
    fn saw(&mut self, mut record: TriggerRecord, seen: Seen) -> Stored<()> {
        let name = record.name().clone();
        let url = record.info.definition.when.watch().map(|watch| watch.url.clone());
        let watch = record.info.watch.get_or_insert_default();
        (watch.failures, watch.error) = (0, None);
        let before = watch.seen.replace(seen.clone());
        let is_change = before.as_ref().is_some_and(|before| before.differs_from(&seen));
        if is_change || before.is_none() {
            watch.since = Some(self.at);
        }
        self.keep_trigger(record)?;
        self.store.put_last_at(self.at)?;
        if is_change {
            let payload = json!({
                "url": url, "status": seen.status, "etag": seen.etag, "last_modified": seen.last_modified,
                "sha256": seen.sha256, "before": before.map(|before| before.sha256),
            });
            self.arrive(&name, Cause::Watch(seen.sha256), payload, Vec::new())?;
        }
        Ok(())
    }

    fn saw_nothing(&mut self, mut record: TriggerRecord, why: &str, is_final: bool) -> Stored<()> {
        let name = record.name().clone();
        let why = &why[..why.floor_char_boundary(WATCH_ERROR_BYTES_MAX)];
        let watch = record.info.watch.get_or_insert_default();
        watch.failures = watch.failures.saturating_add(1);
        watch.error = Some(why.to_owned());
        let is_due = is_final || watch.failures >= WATCH_FAILURES_ALERT;
        self.keep_trigger(record)?;
        self.store.put_last_at(self.at)?;
        if is_due {
            let message = format!(
                "trigger {name} does not see what is at its address: {why}; look at it with: nexctl trigger show {name}"
            );
            self.raise_alert(AlertKind::WatchFailing, name.as_str(), &message)?;
        }
        Ok(())
    }
}
