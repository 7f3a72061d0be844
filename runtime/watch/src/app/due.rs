//! Which lists are out of date, and when each may be asked for again. Changes that come thick and fast make one
//! request.

use nexus_wire::Ms;

use super::event::Load;

/// A list that is asked for whole.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum List {
    Team,
    Threads,
    Dispatches,
    Approvals,
    Alerts,
    Usage,
}

impl List {
    pub const ALL: [Self; 6] =
        [Self::Team, Self::Threads, Self::Dispatches, Self::Approvals, Self::Alerts, Self::Usage];

    /// The least time between two requests for it.
    fn interval(self) -> Ms {
        match self {
            Self::Approvals | Self::Dispatches | Self::Alerts => 400,
            Self::Threads | Self::Team => 1_000,
            Self::Usage => 5_000,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct One {
    /// Something of it changed since it was asked for.
    due: bool,
    asked: Option<Ms>,
    loading: bool,
}

#[derive(Debug)]
pub struct Due([One; List::ALL.len()]);

impl Default for Due {
    /// Nothing is known yet.
    fn default() -> Self {
        Self([One { due: true, ..One::default() }; List::ALL.len()])
    }
}

impl Due {
    pub fn mark(&mut self, list: List) {
        self.0[list as usize].due = true;
    }

    pub fn mark_all(&mut self) {
        List::ALL.into_iter().for_each(|list| self.mark(list));
    }

    pub fn done(&mut self, list: List) {
        self.0[list as usize].loading = false;
    }

    /// Whether a newer one is on its way or will be asked for.
    pub fn awaits(&self, list: List) -> bool {
        let one = &self.0[list as usize];
        one.due || one.loading
    }

    /// It is asked for again later.
    pub fn failed(&mut self, list: List, now: Ms) {
        let asked = Some(now.saturating_add(4 * list.interval()));
        self.0[list as usize] = One { due: true, asked, loading: false };
    }

    /// What is to be asked for now. Each at most once at a time.
    pub fn loads(&mut self, now: Ms, is_up: bool) -> impl Iterator<Item = Load> + use<> {
        let mut lists = Vec::new();
        for list in List::ALL {
            let one = &mut self.0[list as usize];
            let waited = one.asked.is_none_or(|asked| now.saturating_sub(asked) >= list.interval());
            if is_up && one.due && !one.loading && waited {
                *one = One { due: false, asked: Some(now), loading: true };
                lists.push(Load::List(list));
            }
        }
        lists.into_iter()
    }

    /// Whether everything was had at least once and nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.0.iter().all(|one| !one.due && !one.loading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_changes_all_the_time_is_asked_for_now_and_then() {
        let mut due = Due::default();
        assert_eq!(due.loads(0, false).count(), 0, "nothing can be asked");
        assert_eq!(due.loads(0, true).count(), List::ALL.len());
        let mut asked = 0;
        for now in 0..10_000 {
            due.mark(List::Dispatches);
            for load in due.loads(now, true) {
                assert_eq!(load, Load::List(List::Dispatches));
                asked += 1;
            }
            due.done(List::Dispatches);
        }
        assert!((1..=26).contains(&asked), "{asked}");
        due.failed(List::Dispatches, 10_000);
        assert_eq!(due.loads(10_400, true).count(), 0, "a failure is not repeated at once");
        assert_eq!(due.loads(20_000, true).count(), 1);
    }
}
