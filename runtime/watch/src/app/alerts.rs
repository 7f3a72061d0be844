//! What somebody should look at.

use nexus_wire::alert::Alert;

use super::listing::{Listing, Scroll};

const ALERTS_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Alerts {
    alerts: Vec<Alert>,
    pub listing: Listing<String>,
    pub is_known: bool,
    pub scroll: Scroll,
}

impl Alerts {
    pub fn get(&self, key: &str) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.key == key)
    }

    pub fn chosen(&self) -> Option<&Alert> {
        self.get(self.listing.key()?)
    }

    pub fn all(&self) -> &[Alert] {
        &self.alerts
    }

    /// Those that nobody has seen.
    pub fn unseen(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.acked_at.is_none()).count()
    }

    pub(super) fn replace(&mut self, mut alerts: Vec<Alert>, filter: &str) {
        alerts.truncate(ALERTS_MAX);
        self.alerts = alerts;
        self.is_known = true;
        self.refilter(filter);
    }

    pub(super) fn refilter(&mut self, filter: &str) {
        let filter = filter.to_lowercase();
        let fits = |alert: &&Alert| {
            let texts = [&alert.key, &alert.message];
            filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&filter))
        };
        let keys = self.alerts.iter().filter(fits).map(|alert| alert.key.clone()).collect();
        self.listing.set(keys);
    }
}
