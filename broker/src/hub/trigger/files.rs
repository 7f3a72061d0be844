//! Watches of files: an aspect reports what has changed in a folder of its machine, and each report fires the triggers
//! that wait for it, once. The report's id is known for as long as those of webhooks are, so whoever is killed before it
//! hears that a report is on disk sends it again.

use nexus_wire::alert::AlertKind;
use nexus_wire::files::{
    FileChange, FileChangeKind, FilesWatch, WatchChanged, WatchFailing, WatchTold, WatcherInfo, WatcherState,
};
use nexus_wire::limits::{
    FILE_CHANGES_BYTES_MAX, FILE_CHANGES_MAX, FILE_PATH_BYTES_MAX, FILE_WATCHES_PER_ASPECT_MAX,
    WATCH_ERROR_BYTES_MAX,
};
use nexus_wire::trigger::{Cause, TriggerInfo};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, Party, RequestId, TriggerName, WatchName, WatchRef};
use serde_json::{Value, json};

use super::hear::MINUTE_MS;
use crate::hub::inbox::json_bytes;
use crate::hub::records::{AspectRecord, Reads, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

/// Whether somebody looks at the files of a watch, as far as the store knows. `aspect` is the watch's.
pub fn watcher(store: &impl Reads, aspect: Option<&AspectRecord>, watch: &WatchRef) -> Stored<WatcherInfo> {
    let WatchRef { aspect: name, watch: named } = watch;
    let is = |state, reason| Ok(WatcherInfo { state, reason });
    let offered = aspect.map(|record| &record.profile.watches[..]).unwrap_or_default();
    let was_here = aspect.is_some_and(|record| record.generation > 0);
    if was_here && !offered.iter().any(|it| it.name == *named) {
        let others: Vec<&str> = offered.iter().map(|it| it.name.as_str()).collect();
        let others = if others.is_empty() { "it has none".to_owned() } else { others.join(", ") };
        let reason = format!(
            "{name} has no watch {named} ({others}); add it to `runner.watches` in the aspect.json of {name}"
        );
        return is(WatcherState::NotOffered, Some(reason));
    }
    if aspect.is_none_or(|record| record.link.is_none()) {
        let reason = format!("{name} is not connected; what changes meanwhile it finds when it is back");
        return is(WatcherState::Away, Some(reason));
    }
    let alert = store.alert(AlertKind::WatchFailing, &watch.to_string())?;
    match alert.filter(|alert| alert.cleared_at.is_none()) {
        Some(alert) => is(WatcherState::Failing, Some(alert.message)),
        None => is(WatcherState::Watching, None),
    }
}

/// What of a report concerns a trigger, as it is given to it; `None`: nothing.
fn payload_of(watch: &WatchRef, wanted: &FilesWatch, changed: &WatchChanged) -> Option<Value> {
    let listed = changed.changes.iter().filter(|change| wanted.wants(change.kind));
    let changes: Vec<&FileChange> = listed.collect();
    let kinds = FileChangeKind::ALL.into_iter().filter(|kind| wanted.wants(*kind));
    let more = kinds.fold(0_u64, |sum, kind| sum.saturating_add(changed.more.of(kind)));
    let is_any = !changes.is_empty() || more > 0;
    is_any.then(|| json!({"aspect": watch.aspect, "watch": watch.watch, "changes": changes, "more": more}))
}

fn check_report(changed: &WatchChanged) -> Done {
    let count = changed.changes.len();
    if count > FILE_CHANGES_MAX {
        let message =
            format!("`changes` lists {count}; {FILE_CHANGES_MAX} is the most, `more` counts the rest");
        return refuse(ErrorCode::TooLarge, message);
    }
    if let Some(long) = changed.changes.iter().find(|change| change.path.len() > 3 * FILE_PATH_BYTES_MAX) {
        let bytes = long.path.len();
        return refuse(ErrorCode::TooLarge, format!("`changes` has a path of {bytes} bytes"));
    }
    let bytes = json_bytes(&changed.changes);
    if bytes > FILE_CHANGES_BYTES_MAX {
        let message = format!(
            "`changes` is {bytes} bytes; {FILE_CHANGES_BYTES_MAX} is the most, `more` counts the rest"
        );
        return refuse(ErrorCode::TooLarge, message);
    }
    if count == 0 && changed.more.is_none() {
        return refuse(ErrorCode::Invalid, "`changes` is empty, and so is `more`: nothing is reported");
    }
    Ok(())
}

impl<S: Store> Step<'_, S> {
    /// Whether the watch is there is not asked: triggers are defined before their aspects come for the first time. What
    /// is missing is said with the trigger.
    pub(super) fn check_files(&self, files: &FilesWatch) -> Done {
        for (at, kind) in files.kinds.iter().enumerate() {
            if files.kinds[..at].contains(kind) {
                let message = format!("`when.files.kinds` names {} twice", kind.as_str());
                return refuse(ErrorCode::Invalid, message);
            }
        }
        let aspect = &files.watch.aspect;
        if !self.hub.roster.knows(&Party::Aspect(aspect.clone())) {
            return refuse(
                ErrorCode::NotFound,
                format!(
                    "`when.files.watch`: there is no aspect {aspect}; `nexctl get aspects` shows who is there"
                ),
            );
        }
        Ok(())
    }

    /// A trigger as it is shown.
    pub(super) fn shown(&self, mut info: TriggerInfo) -> Stored<TriggerInfo> {
        if let Some(files) = info.definition.when.files() {
            let aspect = self.hub.roster.aspect(&files.watch.aspect);
            info.watcher = Some(watcher(&*self.store, aspect, &files.watch)?);
        }
        Ok(info)
    }

    /// All of its triggers take a report, or none does yet: it is one request, and is sent again as a whole.
    pub(in crate::hub) fn watch_changed(
        &mut self,
        sender: &Party,
        request: RequestId,
        changed: &WatchChanged,
    ) -> Done {
        let Some(aspect) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect watches files");
        };
        check_report(changed)?;
        let watch = WatchRef { aspect: aspect.clone(), watch: changed.watch.clone() };
        let delivery = request.to_string();
        let mut fired = Vec::new();
        let mut known = Vec::new();
        for name in self.hub.triggers.waiting_for(&watch) {
            let Some(record) = self.hub.triggers.get(&name).filter(|it| !it.is_done()) else { continue };
            let Some(files) = record.info.definition.when.files() else { continue };
            if self.store.hook_delivery(record.info.id, &delivery)?.is_some() {
                known.push(name);
                continue;
            }
            let Some(payload) = payload_of(&watch, files, changed) else { continue };
            if let Some(wait_s) = self.too_much(record) {
                let message =
                    format!("trigger {name} takes no more at the moment; report it again in {wait_s} s");
                let body = ErrorBody::new(ErrorCode::RateLimited, message);
                return Err(body.with(json!({"retry_after": wait_s})).into());
            }
            fired.push((name, payload));
        }
        for (name, payload) in fired {
            if self.report_to(&name, request, payload)? {
                known.push(name);
            }
        }
        known.sort();
        self.store.put_last_at(self.at)?;
        self.answer(&WatchTold { triggers: known });
        Ok(())
    }

    /// Whether the trigger has a slot for it.
    fn report_to(&mut self, name: &TriggerName, report: RequestId, payload: Value) -> Stored<bool> {
        let Some(mut record) = self.hub.triggers.get(name).cloned() else { return Ok(false) };
        record.rate = record.rate.counted(self.at.div_euclid(MINUTE_MS));
        let id = record.info.id;
        self.keep_trigger(record)?;
        let Some(slot) = self.arrive(name, Cause::Files(report), payload, Vec::new())? else {
            return Ok(false);
        };
        self.remember_delivery(id, &report.to_string(), slot.slot.no)?;
        Ok(true)
    }

    /// An aspect says whether it sees the files of a watch. What it said last counts.
    pub(in crate::hub) fn watch_failing(&mut self, sender: &Party, failing: &WatchFailing) -> Done {
        let Some(aspect) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect watches files");
        };
        let watch = WatchRef { aspect: aspect.clone(), watch: failing.watch.clone() };
        let is_its_own =
            |record: &AspectRecord| record.profile.watches.iter().any(|it| it.name == watch.watch);
        let is_offered = self.hub.roster.aspect(aspect).is_some_and(is_its_own);
        match failing.reason.as_deref().filter(|_| is_offered) {
            Some(reason) => {
                let reason = &reason[..reason.floor_char_boundary(WATCH_ERROR_BYTES_MAX)];
                let message =
                    format!("{aspect} does not see the files of its watch {}: {reason}", watch.watch);
                self.raise_alert(AlertKind::WatchFailing, &watch.to_string(), &message)?;
            }
            None => self.clear_alert(AlertKind::WatchFailing, &watch.to_string())?,
        }
        self.answer(&json!({}));
        Ok(())
    }

    /// What was said of watches that the aspect does not have any more.
    pub(in crate::hub) fn watches_are(&mut self, aspect: &AspectName, names: &[WatchName]) -> Stored<()> {
        for subject in self.hub.alerts.subjects(AlertKind::WatchFailing) {
            let Ok(watch) = subject.parse::<WatchRef>() else { continue };
            if watch.aspect == *aspect && !names.contains(&watch.watch) {
                self.clear_alert(AlertKind::WatchFailing, &subject)?;
            }
        }
        Ok(())
    }
}

/// How many watches an aspect may declare, and that none is declared twice.
pub(in crate::hub) fn check_watches(watches: &[nexus_wire::files::WatchSpec]) -> Done {
    let count = watches.len();
    if count > FILE_WATCHES_PER_ASPECT_MAX {
        let message =
            format!("{count} watches are more than the {FILE_WATCHES_PER_ASPECT_MAX} an aspect may have");
        return refuse(ErrorCode::Invalid, message);
    }
    for (at, watch) in watches.iter().enumerate() {
        let name = &watch.name;
        if watches[..at].iter().any(|earlier| earlier.name == *name) {
            return refuse(ErrorCode::Invalid, format!("the watch {name} is declared twice"));
        }
    }
    Ok(())
}
