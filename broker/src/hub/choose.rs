//! Which Hand takes work that asks for a capability. A pure function of what the team offers and how busy it is:
//! the same input leads to the same choice, and every other candidate is told why it is another.

use std::cmp::Reverse;

use nexus_wire::hands::{Candidate, HandSpec, Lost, Wanted};
use nexus_wire::limits::CANDIDATES_TOLD_MAX;
use nexus_wire::{AspectName, HandRef, Party};

/// A Hand as somebody offers it at this moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered<'a> {
    pub(super) aspect: &'a AspectName,
    pub(super) spec: &'a HandSpec,
    pub(super) online: bool,
    pub(super) slots: u32,
    pub(super) load: Load,
}

/// How busy a Hand and its host are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Load {
    pub(super) running_on_host: u32,
    pub(super) running_of_hand: u32,
    /// Pending for the host.
    pub(super) waiting: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Choice {
    pub(super) chosen: Option<HandRef>,
    /// The chosen one, the others it was better than, then those that cannot; each with its reason.
    pub(super) why: Vec<Candidate>,
    /// Candidates that are not named in `why`.
    pub(super) left_out: usize,
}

/// Beyond this a host is not told from one that is busier still.
const LOAD_MAX: u32 = 499;

/// What speaks for a candidate, in the order in which it counts. Each part weighs more than all behind it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Merit {
    preference: i64,
    likes: i64,
    has_place: bool,
    made_for_it: bool,
    load: u32,
}

impl Merit {
    fn of(wanted: &Wanted, offered: &Offered<'_>) -> Self {
        let Load { running_on_host, running_of_hand, waiting } = offered.load;
        let among = |names: &[AspectName]| i64::from(names.contains(offered.aspect));
        let liked = wanted.likes.iter().filter(|name| has(offered.spec, name)).count();
        Self {
            preference: among(&wanted.prefer) - among(&wanted.avoid),
            likes: i64::try_from(liked).unwrap_or(i64::MAX).min(99),
            has_place: running_on_host < offered.slots && running_of_hand < offered.spec.concurrency,
            made_for_it: !offered.spec.name.is_own(),
            load: running_on_host.saturating_add(waiting).min(LOAD_MAX),
        }
    }

    fn score(self) -> i64 {
        let Self { preference, likes, has_place, made_for_it, load } = self;
        preference * 1_000_000 + likes * 10_000 + i64::from(has_place) * 1_000 + i64::from(made_for_it) * 500
            - i64::from(load)
    }

    /// What the better one has before this one.
    fn behind(self, better: Self) -> (Lost, String) {
        if self.preference != better.preference {
            (Lost::LessPreferred, "another aspect is preferred".to_owned())
        } else if self.likes != better.likes {
            (Lost::FewerLikes, format!("has {} of what is liked, not {}", self.likes, better.likes))
        } else if self.has_place != better.has_place {
            (Lost::NoPlace, "could not begin at once".to_owned())
        } else if self.made_for_it != better.made_for_it {
            (Lost::Shadow, "a Hand made for it goes before a shadow".to_owned())
        } else if self.load != better.load {
            (Lost::Busier, format!("has {} dispatches at work or waiting, not {}", self.load, better.load))
        } else {
            (Lost::LaterName, "is as good and comes later by name".to_owned())
        }
    }
}

fn has(spec: &HandSpec, capability: &str) -> bool {
    spec.capabilities.iter().any(|own| own.eq_ignore_ascii_case(capability))
}

/// `accepts` says what a Hand has against the input; it is asked of the best until one has nothing against it.
pub(super) fn choose<'a>(
    wanted: &Wanted,
    sender: &Party,
    offered: impl IntoIterator<Item = Offered<'a>>,
    mut accepts: impl FnMut(&HandRef) -> Result<(), String>,
) -> Choice {
    let (mut fit, mut out) = (Vec::new(), Vec::new());
    for it in offered {
        let hand = HandRef { aspect: it.aspect.clone(), hand: it.spec.name.clone() };
        match out_of_question(wanted, sender, &it) {
            None => fit.push((hand, Merit::of(wanted, &it))),
            Some((lost, lacking, because)) => out.push((lacking, candidate(hand, None, lost, because))),
        }
    }
    fit.sort_by_key(|(hand, merit)| (Reverse(merit.score()), hand.clone()));
    out.sort_by_key(|(lacking, it)| (*lacking, it.hand.clone()));
    let mut refused = Vec::new();
    let mut best: Option<Merit> = None;
    let mut choice = Choice::default();
    for (hand, merit) in fit {
        let score = Some(merit.score());
        match best {
            Some(best) => {
                let (lost, because) = merit.behind(best);
                choice.why.push(candidate(hand, score, lost, because));
            }
            None => match accepts(&hand) {
                Ok(()) => {
                    best = Some(merit);
                    choice.chosen = Some(hand.clone());
                    choice.why.push(Candidate { hand, score, lost: None, because: String::new() });
                }
                Err(because) => refused.push(candidate(hand, None, Lost::InputRefused, because)),
            },
        }
    }
    choice.why.extend(refused);
    choice.why.extend(out.into_iter().map(|(_, candidate)| candidate));
    choice.left_out = choice.why.len().saturating_sub(CANDIDATES_TOLD_MAX);
    choice.why.truncate(CANDIDATES_TOLD_MAX);
    choice
}

fn candidate(hand: HandRef, score: Option<i64>, lost: Lost, because: String) -> Candidate {
    Candidate { hand, score, lost: Some(lost), because }
}

/// Why a Hand cannot take the work whatever else is there, and how many capabilities it lacks.
fn out_of_question(wanted: &Wanted, sender: &Party, offered: &Offered<'_>) -> Option<(Lost, usize, String)> {
    let spec = offered.spec;
    let lacking: Vec<&str> =
        wanted.needs.iter().filter(|name| !has(spec, name)).map(String::as_str).collect();
    if !lacking.is_empty() {
        return Some((Lost::Lacks, lacking.len(), format!("lacks {}", lacking.join(", "))));
    }
    if !may_invoke(spec, sender) {
        return Some((Lost::NotAllowed, 0, format!("{sender} is not among its allowed invokers")));
    }
    if !offered.online {
        return Some((Lost::Offline, 0, "is offline".to_owned()));
    }
    (offered.slots == 0).then(|| (Lost::NoSlots, 0, "has no slots: its process takes no work".to_owned()))
}

/// Operators always may.
pub(super) fn may_invoke(spec: &HandSpec, sender: &Party) -> bool {
    match (sender, &spec.allowed_invokers) {
        (Party::Aspect(name), Some(allowed)) => allowed.contains(name),
        (Party::Aspect(_) | Party::Operator(_) | Party::System, _) => true,
    }
}

#[cfg(test)]
mod tests;
