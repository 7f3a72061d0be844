//! A table for each reason, and any team at all: the choice depends on nothing but what is asked and offered.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[derive(Clone, Debug)]
struct Team(Vec<(AspectName, HandSpec, bool, u32, Load)>);

impl Team {
    fn offered(&self) -> impl Iterator<Item = Offered<'_>> {
        self.0.iter().map(|(aspect, spec, online, slots, load)| Offered {
            aspect,
            spec,
            online: *online,
            slots: *slots,
            load: *load,
        })
    }

    fn choose(&self, wanted: &Wanted, sender: &str) -> Choice {
        choose(wanted, &sender.parse().unwrap(), self.offered(), |_| Ok(()))
    }
}

fn hand(hand: &str, capabilities: &[&str]) -> (AspectName, HandSpec, bool, u32, Load) {
    let hand: HandRef = hand.parse().unwrap();
    let spec = json!({"name": hand.hand, "capabilities": capabilities});
    (hand.aspect, serde_json::from_value(spec).unwrap(), true, 4, Load::default())
}

fn wanted(wanted: serde_json::Value) -> Wanted {
    serde_json::from_value(wanted).unwrap()
}

/// Hand, score, reason.
fn told(choice: &Choice) -> Vec<(String, Option<i64>, Option<Lost>)> {
    choice.why.iter().map(|it| (it.hand.to_string(), it.score, it.lost)).collect()
}

#[test]
fn each_other_candidate_is_told_the_first_thing_that_counts_against_it() {
    let busy = |on: u32, of: u32| Load { running_on_host: on, running_of_hand: of, waiting: 0 };
    let mut team = vec![
        hand("wren/check", &["Verify", "german"]),
        hand("forge/check", &["verify"]),
        hand("harrow/check", &["verify", "german"]),
        hand("keel/self", &["verify", "german"]),
        hand("moth/check", &["verify", "german"]),
        hand("raven/check", &["verify", "german"]),
        hand("stork/check", &["verify", "german"]),
        hand("teal/check", &["verify", "german"]),
        hand("owl/paint", &["paint"]),
        hand("pike/check", &["verify"]),
        hand("quail/check", &["verify"]),
        hand("rook/check", &["verify"]),
    ];
    team[2].4 = busy(3, 1);
    team[4].4 = busy(4, 0);
    team[9].1.allowed_invokers = Some(vec!["wren".parse().unwrap()]);
    team[10].2 = false;
    team[11].3 = 0;
    let asked = wanted(json!({"needs": ["verify"], "likes": ["GERMAN"], "prefer": ["wren", "teal", "harrow",
        "keel", "moth", "forge", "stork"], "avoid": ["stork"]}));
    let choice = Team(team).choose(&asked, "forge");
    let expected = [
        ("teal/check", Some(1_011_500), None),
        ("wren/check", Some(1_011_500), Some(Lost::LaterName)),
        ("harrow/check", Some(1_011_497), Some(Lost::Busier)),
        ("keel/self", Some(1_011_000), Some(Lost::Shadow)),
        ("moth/check", Some(1_010_496), Some(Lost::NoPlace)),
        ("forge/check", Some(1_001_500), Some(Lost::FewerLikes)),
        ("raven/check", Some(11_500), Some(Lost::LessPreferred)),
        ("stork/check", Some(11_500), Some(Lost::LessPreferred)),
        ("pike/check", None, Some(Lost::NotAllowed)),
        ("quail/check", None, Some(Lost::Offline)),
        ("rook/check", None, Some(Lost::NoSlots)),
        ("owl/paint", None, Some(Lost::Lacks)),
    ];
    assert_eq!(told(&choice), expected.map(|(hand, score, lost)| (hand.to_owned(), score, lost)));
    assert_eq!(choice.chosen, Some("teal/check".parse().unwrap()));
}

#[test]
fn an_input_that_the_best_refuses_goes_to_the_next() {
    let team = Team(vec![hand("forge/check", &["verify"]), hand("wren/check", &["verify"])]);
    let asked = wanted(json!({"needs": ["verify"]}));
    let refusing = |refused: &'static str| {
        choose(&asked, &Party::System, team.offered(), |hand| {
            if hand.to_string().starts_with(refused) { Err("at /n: no".to_owned()) } else { Ok(()) }
        })
    };
    assert_eq!(refusing("forge").chosen, Some("wren/check".parse().unwrap()));
    assert_eq!(told(&refusing("forge"))[1], ("forge/check".to_owned(), None, Some(Lost::InputRefused)));
    assert_eq!(refusing("").chosen, None);
    assert_eq!(told(&refusing("")).len(), 2);
}

fn offered() -> impl Strategy<Value = (AspectName, HandSpec, bool, u32, Load)> {
    let capabilities = prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 0..4);
    let load = (0_u32..6, 0_u32..3, 0_u32..900);
    (0_u8..6, 0_u8..3, capabilities, any::<bool>(), 0_u32..5, load, prop::option::weighted(0.2, Just(())))
        .prop_map(|(aspect, n, capabilities, online, slots, (on, of, waiting), private)| {
            let name = if n == 0 { "self".to_owned() } else { format!("h{n}") };
            let mut it = hand(&format!("aspect-{aspect}/{name}"), &capabilities);
            it.1.allowed_invokers = private.map(|()| vec!["wren".parse().unwrap()]);
            (it.2, it.3) = (online, slots);
            it.4 = Load { running_on_host: on, running_of_hand: of, waiting };
            it
        })
}

proptest! {
    #[test]
    fn the_same_team_makes_the_same_choice_in_whatever_order_it_is_asked(
        (team, shuffled) in prop::collection::vec(offered(), 0..12).prop_map(|mut team| {
            team.sort_by_key(|it| (it.0.clone(), it.1.name.clone()));
            team.dedup_by_key(|it| (it.0.clone(), it.1.name.clone()));
            team
        }).prop_flat_map(|team| (Just(team.clone()), Just(team).prop_shuffle())),
        needs in prop::collection::vec(prop::sample::select(vec!["A", "b"]), 0..2),
        likes in prop::collection::vec(prop::sample::select(vec!["c", "D"]), 0..3),
        prefer in prop::collection::vec((0_u8..6).prop_map(|n| format!("aspect-{n}")), 0..3),
        avoid in prop::collection::vec((0_u8..6).prop_map(|n| format!("aspect-{n}")), 0..3),
    ) {
        let asked = wanted(json!({"needs": needs, "likes": likes, "prefer": prefer, "avoid": avoid}));
        let team = Team(team);
        let choice = team.choose(&asked, "forge");
        prop_assert_eq!(&choice, &Team(shuffled).choose(&asked, "forge"));
        prop_assert_eq!(choice.why.len(), team.0.len(), "everybody is told of");
        let winners: Vec<_> = choice.why.iter().filter(|it| it.lost.is_none()).map(|it| it.hand.clone()).collect();
        prop_assert_eq!(choice.chosen.iter().cloned().collect::<Vec<_>>(), winners, "and one has won, if any");
        let scores: Vec<i64> = choice.why.iter().filter_map(|it| it.score).collect();
        prop_assert!(scores.is_sorted_by(|a, b| a >= b), "the best first: {scores:?}");
        let fits = |(_, spec, online, slots, _): &&(AspectName, HandSpec, bool, u32, Load)| {
            *online && *slots > 0 && spec.allowed_invokers.is_none() && asked.needs.iter().all(|it| has(spec, it))
        };
        prop_assert_eq!(scores.len(), team.0.iter().filter(fits).count());
    }
}
