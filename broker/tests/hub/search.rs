//! What a query finds, against an oracle that knows neither SQLite nor the parser.

use nexus_broker::hub::records::{KnowledgeScope, Reads, Transaction};
use nexus_broker::hub::{Change, HubConfig};
use nexus_wire::knowledge::KnowledgeStore;
use proptest::prelude::*;

use crate::world::{World, memory, party, sqlite};

/// Words that are their own stems, one the beginning of another.
const WORDS: [&str; 5] = ["river", "stone", "cloud", "north", "northward"];

#[derive(Clone, Debug)]
enum What {
    Word(usize),
    Phrase(Vec<usize>),
    /// So many letters of a word.
    Prefix(usize, usize),
}

#[derive(Clone, Debug)]
struct Term {
    what: What,
    excluded: bool,
    upper: bool,
}

type Query = Vec<Vec<Term>>;

fn term() -> impl Strategy<Value = Term> {
    let word = 0..WORDS.len();
    let what = prop_oneof![
        3 => word.clone().prop_map(What::Word),
        2 => prop::collection::vec(word.clone(), 1..4).prop_map(What::Phrase),
        1 => (word, 1_usize..7).prop_map(|(word, letters)| What::Prefix(word, letters)),
    ];
    (what, prop::bool::weighted(0.25), any::<bool>()).prop_map(|(what, excluded, upper)| Term {
        what,
        excluded,
        upper,
    })
}

fn texts() -> impl Strategy<Value = Vec<(Vec<usize>, Vec<usize>)>> {
    let words = |range| prop::collection::vec(0..WORDS.len(), range);
    prop::collection::vec((words(1..3), words(1..7)), 1..8)
}

fn joined(words: &[usize]) -> String {
    words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ")
}

fn prefix(word: usize, letters: usize) -> &'static str {
    &WORDS[word][..letters.min(WORDS[word].len())]
}

fn written(query: &Query) -> String {
    let term = |term: &Term| {
        let text = match &term.what {
            What::Word(word) => WORDS[*word].to_owned(),
            What::Phrase(words) => format!("\"{}\"", joined(words)),
            What::Prefix(word, letters) => format!("{}*", prefix(*word, *letters)),
        };
        let text = if term.upper { text.to_uppercase() } else { text };
        if term.excluded { format!("-{text}") } else { text }
    };
    let side = |terms: &Vec<Term>| terms.iter().map(term).collect::<Vec<_>>().join("  ");
    query.iter().map(side).collect::<Vec<_>>().join(" OR ")
}

fn occurs(what: &What, text: &[usize]) -> bool {
    match what {
        What::Word(word) => text.contains(word),
        What::Phrase(words) => text.windows(words.len()).any(|window| window == words),
        What::Prefix(word, letters) => text.iter().any(|it| WORDS[*it].starts_with(prefix(*word, *letters))),
    }
}

fn finds(query: &Query, topic: &[usize], content: &[usize]) -> bool {
    let holds = |term: &Term| occurs(&term.what, topic) || occurs(&term.what, content);
    query.iter().any(|terms| {
        terms.iter().any(|term| !term.excluded) && terms.iter().all(|term| holds(term) != term.excluded)
    })
}

fn found<S: Transaction>(
    world: &mut World<S>,
    texts: &[(Vec<usize>, Vec<usize>)],
    query: &str,
) -> Vec<String> {
    world.operator("ana");
    for (at, (topic, content)) in texts.iter().enumerate() {
        // A number makes topics distinct and is in no query.
        let topic = format!("{} {at}", joined(topic));
        let store = KnowledgeStore { topic, content: joined(content), shared: false };
        world
            .request::<nexus_wire::knowledge::KnowledgeStored>("operator/ana", Change::KnowledgeStore(store))
            .unwrap();
    }
    let scope = KnowledgeScope::Of(vec![party("operator/ana")]);
    let ranked = world.store.knowledge_search(&scope, None, query).unwrap();
    assert!(ranked.windows(2).all(|pair| pair[0].score >= pair[1].score), "best first");
    let mut topics: Vec<String> = ranked
        .into_iter()
        .map(|rank| world.store.knowledge_hit(query, rank).unwrap().unwrap().topic)
        .collect();
    topics.sort();
    topics
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn a_query_finds_what_the_oracle_finds(
        texts in texts(),
        query in prop::collection::vec(prop::collection::vec(term(), 1..4), 1..4),
    ) {
        let expected: Vec<String> = {
            let hits = texts.iter().enumerate().filter(|(_, (topic, content))| finds(&query, topic, content));
            let mut topics: Vec<String> = hits.map(|(at, (topic, _))| format!("{} {at}", joined(topic))).collect();
            topics.sort();
            topics
        };
        let text = written(&query);
        prop_assert_eq!(&found(&mut memory(), &texts, &text), &expected, "{}", text);
        let dir = tempfile::tempdir().unwrap();
        prop_assert_eq!(&found(&mut sqlite(dir.path()), &texts, &text), &expected, "{}", text);
    }
}

#[test]
fn a_rare_word_weighs_more_and_so_does_a_topic() {
    let mut world = memory();
    world.operator("ana");
    for (topic, content) in [
        ("one", "a river and a stone"),
        ("two", "a river and a cloud"),
        ("three", "a river"),
        ("stones", "of the north"),
    ] {
        let store = KnowledgeStore { topic: topic.into(), content: content.into(), shared: false };
        world
            .request::<nexus_wire::knowledge::KnowledgeStored>("operator/ana", Change::KnowledgeStore(store))
            .unwrap();
    }
    let query = "river OR stone OR cloud";
    let ranked = world.store.knowledge_search(&KnowledgeScope::Everyones, None, query).unwrap();
    let topics: Vec<String> = ranked
        .into_iter()
        .map(|rank| world.store.knowledge_hit(query, rank).unwrap().unwrap().topic)
        .collect();
    assert_eq!(topics, ["two", "one", "stones", "three"]);
    let rebuilt = nexus_broker::hub::Hub::rebuild(&world.store, HubConfig::default()).unwrap();
    assert_eq!(rebuilt, world.hub);
}
