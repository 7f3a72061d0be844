//! Fuzz targets of the contract. As tests they run for a moment; `scripts/fuzz` lets them run for as long as asked.

#[path = "../../../tests/src/altered.rs"]
mod altered;

use altered::Altered;
use bolero::check;
use nexus_wire::envelope::{decode, encode};
use nexus_wire::frame::FrameSet;
use nexus_wire::{AspectName, FromBroker, HandRef, OperatorName, Party, ToBroker, TraceContext};
use serde::Serialize;

fn fixtures(direction: &str) -> Vec<Vec<u8>> {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/wire").join(direction);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures are there")
        .map(|it| it.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

/// What is taken for a frame is written as one that means the same; a trace that was ignored is not written.
fn reads_back<F: FrameSet + Serialize + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(decoded) = decode::<F>(text) else { return };
    let again = decode::<F>(&encode(&decoded.envelope, &decoded.frame)).expect("our own text decodes");
    assert!(!again.trace_ignored);
    assert_eq!((again.envelope, again.frame), (decoded.envelope, decoded.frame));
}

#[test]
fn frames_to_the_broker() {
    let texts = fixtures("to-broker");
    check!()
        .with_type::<Altered>()
        .for_each(|altered| reads_back::<ToBroker>(&String::from_utf8_lossy(&altered.of(&texts))));
}

#[test]
fn frames_from_the_broker() {
    let texts = fixtures("from-broker");
    check!()
        .with_type::<Altered>()
        .for_each(|altered| reads_back::<FromBroker>(&String::from_utf8_lossy(&altered.of(&texts))));
}

#[test]
fn names() {
    let texts = ["wren", "operator/ana", "system", "wren/verify-claim", "a234567890123456789012345678901"];
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(name) = text.parse::<AspectName>() {
            assert_eq!(name.to_string(), text);
        }
        if let Ok(name) = text.parse::<OperatorName>() {
            assert_eq!(name.to_string(), text);
        }
        if let Ok(party) = text.parse::<Party>() {
            assert_eq!(party.to_string(), text);
        }
        if let Ok(hand) = text.parse::<HandRef>() {
            assert_eq!(hand.to_string(), text);
        }
    });
}

#[test]
fn any_context_reads_back_as_it_was_written() {
    check!().with_type::<([u8; 16], [u8; 8], bool, u64)>().for_each(|(trace, span, sampled, number)| {
        let Some(plain) = TraceContext::new(*trace, *span, *sampled) else {
            assert!(*trace == [0; 16] || *span == [0; 8]);
            return;
        };
        for context in [plain.clone(), plain.with_state(&format!("a={number},b@c=x"))] {
            assert_eq!(TraceContext::parse(&context.parent(), context.state()).as_ref(), Some(&context));
            assert_eq!(TraceContext::from_bytes(&context.to_bytes()).as_ref(), Some(&context));
            let json = serde_json::to_string(&context).expect("it serializes");
            assert_eq!(TraceContext::of_json(&json).as_ref(), Some(&context));
            assert_eq!(serde_json::from_str::<TraceContext>(&json).ok().as_ref(), Some(&context));
        }
    });
}

#[test]
fn any_text_is_a_context_or_none_and_what_is_read_is_stable() {
    check!().with_type::<(String, String)>().for_each(|(parent, state)| {
        if let Some(context) = TraceContext::parse(parent, Some(state)) {
            assert_eq!(TraceContext::parse(&context.parent(), context.state()), Some(context));
        }
        let _ = TraceContext::from_bytes(state.as_bytes());
        let _ = TraceContext::of_json(state);
    });
}
