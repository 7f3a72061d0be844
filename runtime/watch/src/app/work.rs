//! Dispatches: the queue and what has ended lately, as trees, and everything known of the chosen one.

use std::collections::BTreeMap;

use nexus_wire::DispatchId;
use nexus_wire::hands::{DispatchInfo, DispatchState};

use super::event::Load;
use super::line::clipped;
use super::listing::{Listing, Scroll};

const DISPATCHES_MAX: usize = 256;
/// Input or output of the chosen one, as text.
const VALUE_BYTES_MAX: usize = 32 * 1024;

/// One row of the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    pub id: DispatchId,
    /// How far below the one it was made for.
    pub depth: usize,
}

/// The chosen one, with what was asked and answered.
#[derive(Debug)]
pub struct Detail {
    pub info: DispatchInfo,
    pub input: String,
    pub output: Option<String>,
}

#[derive(Debug, Default)]
pub struct Work {
    dispatches: BTreeMap<DispatchId, DispatchInfo>,
    rows: Vec<Row>,
    pub listing: Listing<DispatchId>,
    pub is_known: bool,
    /// Also those that have ended.
    pub with_ended: bool,
    pub detail: Option<Detail>,
    pub scroll: Scroll,
    loading: Option<DispatchId>,
    unavailable: Option<DispatchId>,
    /// What is known of the chosen one may be out of date.
    is_stale: bool,
}

impl Work {
    pub fn get(&self, id: &DispatchId) -> Option<&DispatchInfo> {
        self.dispatches.get(id)
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn chosen(&self) -> Option<&DispatchInfo> {
        self.get(self.listing.key()?)
    }

    /// Of the chosen one, once it is there.
    pub fn detail(&self) -> Option<&Detail> {
        let detail = self.detail.as_ref()?;
        (self.listing.key() == Some(&detail.info.id)).then_some(detail)
    }

    /// How many wait, and how many are at work.
    pub fn open(&self) -> (usize, usize) {
        let open = || self.dispatches.values().filter(|info| !info.state.is_end());
        let pending = open().filter(|info| info.state == DispatchState::Pending).count();
        (pending, open().count() - pending)
    }

    pub fn all(&self) -> impl Iterator<Item = &DispatchInfo> {
        self.dispatches.values()
    }

    pub(super) fn replace(&mut self, dispatches: Vec<DispatchInfo>, filter: &str) {
        let all = dispatches.into_iter().take(DISPATCHES_MAX);
        self.dispatches = all.map(|info| (info.id, info)).collect();
        self.is_known = true;
        self.unavailable = None;
        self.refilter(filter);
    }

    pub(super) fn detailed(&mut self, info: DispatchInfo) {
        self.loading.take_if(|id| *id == info.id);
        let text = |value: &serde_json::Value| {
            clipped(serde_json::to_string_pretty(value).unwrap_or_default(), VALUE_BYTES_MAX)
        };
        let (input, output) = (text(&info.input), info.output.as_ref().map(text));
        let info = DispatchInfo { input: serde_json::Value::Null, output: None, ..info };
        self.is_stale = false;
        self.detail = Some(Detail { info, input, output });
    }

    pub(super) fn failed(&mut self, id: DispatchId) {
        self.loading = None;
        self.unavailable = Some(id);
    }

    /// Something happened to it, or may have.
    pub(super) fn stale(&mut self, id: Option<DispatchId>) {
        self.is_stale |= id.is_none_or(|id| self.detail.as_ref().is_some_and(|detail| detail.info.id == id));
    }

    pub(super) fn forget(&mut self) {
        (self.loading, self.unavailable) = (None, None);
    }

    pub(super) fn wanted(&mut self) -> Option<Load> {
        let id = *self.listing.key()?;
        let is_known = self.detail().is_some() && !self.is_stale;
        if is_known || self.loading == Some(id) || self.unavailable == Some(id) {
            return None;
        }
        self.loading = Some(id);
        Some(Load::Dispatch(id))
    }

    pub(super) fn refilter(&mut self, filter: &str) {
        self.rows = self.tree(&filter.to_lowercase());
        self.listing.set(self.rows.iter().map(|row| row.id).collect());
    }

    /// Open trees first, the oldest first; then those that have ended, the latest first. A tree is shown whole when
    /// anything in it is.
    fn tree(&self, filter: &str) -> Vec<Row> {
        let mut children: BTreeMap<DispatchId, Vec<DispatchId>> = BTreeMap::new();
        let mut roots = Vec::new();
        for info in self.dispatches.values() {
            match info.parent.filter(|parent| self.dispatches.contains_key(parent)) {
                Some(parent) => children.entry(parent).or_default().push(info.id),
                None => roots.push(info),
            }
        }
        let mut trees: Vec<(bool, i64, Vec<Row>)> = Vec::new();
        for root in roots {
            let rows = below(root.id, &children);
            let infos = || rows.iter().filter_map(|row| self.get(&row.id));
            let is_open = infos().any(|info| !info.state.is_end());
            let fits = filter.is_empty() || infos().any(|info| holds(info, filter));
            if fits && (is_open || self.with_ended) {
                let order = if is_open { root.accepted_at } else { root.accepted_at.saturating_neg() };
                trees.push((!is_open, order, rows));
            }
        }
        trees.sort_by_key(|(ended, order, _)| (*ended, *order));
        trees.into_iter().flat_map(|(_, _, rows)| rows).collect()
    }

    pub fn weight(&self) -> usize {
        let detail = self.detail.as_ref();
        detail.map_or(0, |detail| detail.input.len() + detail.output.as_ref().map_or(0, String::len))
    }
}

/// A dispatch and all that was made for it. From a root no circle can be reached: each has one parent.
fn below(root: DispatchId, children: &BTreeMap<DispatchId, Vec<DispatchId>>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut waiting = vec![Row { id: root, depth: 0 }];
    while let Some(row) = waiting.pop() {
        rows.push(row);
        let below = children.get(&row.id).into_iter().flatten().rev();
        waiting.extend(below.map(|id| Row { id: *id, depth: row.depth + 1 }));
    }
    rows
}

fn holds(info: &DispatchInfo, filter: &str) -> bool {
    let texts = [
        info.hand.to_string(),
        info.invoker.to_string(),
        info.state.as_str().to_owned(),
        info.id.to_string(),
    ];
    texts.iter().any(|text| text.contains(filter))
}
