//! Fuzz target: the relay's short way may pass on only what the ordinary decoder takes, and means the same by it.

use bolero::check;
use nexus_wire::envelope::decode;
use nexus_wire::observe::{Observed, ObservedWhat};
use nexus_wire::{AspectName, FromBroker, ToBroker};

use super::splice;
use crate::altered::Altered;
use crate::framing::Block;

#[test]
fn a_spliced_event() {
    let turn = "0199a0b1-c2d3-7123-8456-789abcdef012";
    let frame = |event: &str| {
        format!(r#"{{"kind":"observe.event","payload":{{"turn":"{turn}","n":7,"event":{event}}}}}"#)
    };
    let texts = [
        frame(r#"{"type":"text","text":"a \"word\" \\ \u0041 \ud83e\udd80"}"#),
        frame(r#"{"type":"thinking","text":""}"#),
        frame(r#"{"type":"restarted","reason":"cut"}"#),
        frame(r#"{"type":"tool_call","call":"1","name":"x","input":{"a":[1e300,"\ud83e\udd80",null]}}"#),
        frame(r#"{"type":"tool_call","call":"1","name":"x","input":"\ud800"}"#),
        frame(r#"{"type":"tool_result","call":"1","name":"x","is_error":false,"preview":"p"}"#),
    ];
    let aspect: AspectName = "wren".parse().expect("a name");
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        let Some(event) = splice::event(&text) else { return };
        let Ok(ToBroker::ObserveEvent(long)) = decode::<ToBroker>(&text).map(|it| it.frame) else {
            panic!("taken the short way and not the long one: {text}")
        };
        let mut frame = Vec::new();
        splice::observe(&splice::prefix(&aspect, event.turn, None, None), &event, 7, &mut frame);
        let block = Block::new(frame, 1);
        let short = block.texts().next().expect("one text");
        let expected = Observed {
            aspect: aspect.clone(),
            turn: long.turn,
            thread: None,
            dispatch: None,
            what: ObservedWhat::Event(long),
            seq: 7,
        };
        let shown = decode::<FromBroker>(short).map(|it| it.frame);
        assert_eq!(shown, Ok(FromBroker::Observe(expected)), "{text}");
    });
}
