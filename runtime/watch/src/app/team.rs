//! The roster: who is on the team, what each is doing, and what it has cost today.

use std::collections::BTreeMap;

use nexus_wire::audit::{UsageReport, UsageRow};
use nexus_wire::observe::{Activity, ActivityChanged};
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState, Restraint};
use nexus_wire::{AspectName, Ms};

use super::listing::Listing;

/// More are not kept; a team that large is looked at with `nexctl get aspects`.
const MEMBERS_MAX: usize = 2_048;
const HANDS_MAX: usize = 64;

/// An aspect without its schemas, which may be large.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: AspectName,
    pub role: AspectRole,
    pub state: AspectState,
    pub since: Ms,
    pub provider: String,
    pub model: String,
    pub slots: u32,
    pub backlog: u64,
    pub hands: Vec<String>,
    pub restraint: Option<Restraint>,
    pub activity: Option<Activity>,
}

impl From<AspectInfo> for Member {
    fn from(info: AspectInfo) -> Self {
        let hands = info.hands.into_iter().take(HANDS_MAX).map(|hand| hand.name.to_string()).collect();
        Self {
            name: info.name,
            role: info.role,
            state: info.state,
            since: info.since,
            provider: info.provider,
            model: info.model,
            slots: info.slots,
            backlog: info.backlog,
            hands,
            restraint: info.restraint,
            activity: info.activity,
        }
    }
}

#[derive(Debug, Default)]
pub struct Team {
    members: BTreeMap<AspectName, Member>,
    pub listing: Listing<AspectName>,
    usage: BTreeMap<String, UsageRow>,
    /// Of everybody together, today.
    pub total: UsageRow,
    pub is_known: bool,
}

impl Team {
    pub fn get(&self, name: &AspectName) -> Option<&Member> {
        self.members.get(name)
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Today's.
    pub fn usage(&self, name: &AspectName) -> Option<&UsageRow> {
        self.usage.get(name.as_str())
    }

    pub(super) fn replace(&mut self, all: Vec<AspectInfo>, filter: &str) {
        let members = all.into_iter().take(MEMBERS_MAX).map(Member::from);
        self.members = members.map(|member| (member.name.clone(), member)).collect();
        self.is_known = true;
        self.refilter(filter);
    }

    pub(super) fn changed(&mut self, info: AspectInfo, filter: &str) {
        if self.members.len() < MEMBERS_MAX || self.members.contains_key(&info.name) {
            self.members.insert(info.name.clone(), info.into());
            self.refilter(filter);
        }
    }

    pub(super) fn acts(&mut self, changed: ActivityChanged) {
        if let Some(member) = self.members.get_mut(&changed.aspect) {
            member.activity = Some(changed.activity);
        }
    }

    pub(super) fn spent(&mut self, report: &UsageReport) {
        let rows = report.rows.iter().take(MEMBERS_MAX);
        self.usage = rows.map(|row| (row.key.clone(), row.clone())).collect();
        self.total = report.total.clone();
    }

    pub(super) fn refilter(&mut self, filter: &str) {
        let filter = filter.to_lowercase();
        let fits = |member: &&Member| {
            filter.is_empty()
                || [member.name.as_str(), member.state.as_str(), &member.provider, &member.model]
                    .iter()
                    .any(|text| text.to_lowercase().contains(&filter))
        };
        let keys = self.members.values().filter(fits).map(|member| member.name.clone()).collect();
        self.listing.set(keys);
    }
}
