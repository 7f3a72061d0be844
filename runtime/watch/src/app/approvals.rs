//! What aspects wait for people for.

use nexus_wire::ApprovalId;
use nexus_wire::approval::{ApprovalInfo, Asked};

use super::listing::{Listing, Scroll};

const APPROVALS_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Approvals {
    approvals: Vec<ApprovalInfo>,
    pub listing: Listing<ApprovalId>,
    pub is_known: bool,
    pub scroll: Scroll,
}

impl Approvals {
    pub fn get(&self, id: &ApprovalId) -> Option<&ApprovalInfo> {
        self.approvals.iter().find(|info| info.id == *id)
    }

    pub fn chosen(&self) -> Option<&ApprovalInfo> {
        self.get(self.listing.key()?)
    }

    pub fn all(&self) -> &[ApprovalInfo] {
        &self.approvals
    }

    /// Who has waited longest stands first.
    pub(super) fn replace(&mut self, mut approvals: Vec<ApprovalInfo>, filter: &str) {
        approvals.truncate(APPROVALS_MAX);
        approvals.sort_by_key(|info| (info.asked_at, info.id));
        self.approvals = approvals;
        self.is_known = true;
        self.refilter(filter);
    }

    pub(super) fn refilter(&mut self, filter: &str) {
        let filter = filter.to_lowercase();
        let fits = |info: &&ApprovalInfo| {
            let tool = match &info.asked {
                Asked::Tool { tool, .. } => tool.as_str(),
                Asked::Question { .. } => "question",
            };
            let asker = info.aspect.to_string();
            let texts = [asker.as_str(), tool, info.asked.summary()];
            filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&filter))
        };
        let keys = self.approvals.iter().filter(fits).map(|info| info.id).collect();
        self.listing.set(keys);
    }

    pub fn weight(&self) -> usize {
        let weigh = |info: &ApprovalInfo| match &info.asked {
            Asked::Tool { summary, arguments, .. } => summary.len() + arguments.len(),
            Asked::Question { question, choices } => {
                question.len() + choices.iter().map(String::len).sum::<usize>()
            }
        };
        self.approvals.iter().map(weigh).sum()
    }
}
