use nexus_wire::hands::HandSpec;
use nexus_wire::{HandRef, Party};
use serde_json::{Value, json};

use super::*;

fn hand(name: &str, input: Option<Value>, output: Option<Value>) -> HandTool {
    let hand: HandRef = name.parse().expect("a Hand");
    let spec = HandSpec {
        name: hand.hand.clone(),
        input_schema: input,
        output_schema: output,
        ..HandSpec::own(Vec::new())
    };
    HandTool { hand, spec, is_there: true }
}

#[test]
fn no_two_hands_have_the_same_name_and_none_is_too_long() {
    let long = "a".repeat(32);
    let cases = [
        ("wren/verify-canon".to_owned(), "hand_wren_verify_canon".to_owned()),
        ("wren-a/b".to_owned(), "hand_wren-a_b".to_owned()),
        ("wren/a-b".to_owned(), "hand_wren_a_b".to_owned()),
    ];
    for (text, name) in cases {
        assert_eq!(hand(&text, None, None).name(), name);
    }
    let one = hand(&format!("{long}/{long}"), None, None).name();
    let other = hand(&format!("{long}/{}b", "a".repeat(31)), None, None).name();
    assert_eq!((one.len(), other.len()), (64, 64));
    assert_ne!(one, other);
}

#[test]
fn a_schema_of_an_object_is_the_tools_own_and_any_other_is_wrapped() {
    let object = json!({"type": "object", "properties": {"claim": {"type": "string"}}});
    let tool = hand("wren/a", Some(object.clone()), Some(json!({"type": "array"})));
    assert_eq!(Value::Object(tool.input_schema()), object);
    let output =
        json!({"type": "object", "properties": {"output": {"type": "array"}}, "required": ["output"]});
    assert_eq!(Value::Object(tool.output_schema()), output);
    let arguments = serde_json::from_value(json!({"claim": "it is so"})).expect("an object");
    assert_eq!(tool.input(arguments), json!({"claim": "it is so"}));
    assert_eq!(tool.output(json!([1])).structured_content, Some(json!({"output": [1]})));

    let untyped = hand("wren/a", Some(json!({"properties": {}})), None);
    assert_eq!(Value::Object(untyped.input_schema()), json!({"properties": {}, "type": "object"}));

    let any = hand("wren/a", None, Some(object));
    let arguments = serde_json::from_value(json!({"input": "x"})).expect("an object");
    assert_eq!(any.input(arguments), json!("x"));
    assert_eq!(any.output(json!({"claim": "y"})).structured_content, Some(json!({"claim": "y"})));

    let refers = hand("wren/a", Some(json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}})), None);
    let loose = json!({"type": "object", "properties": {"input": {}}, "required": ["input"]});
    assert_eq!(Value::Object(refers.input_schema()), loose);
}

#[test]
fn a_hand_for_some_is_shown_to_those_and_to_people() {
    let mut spec = hand("wren/a", None, None).spec;
    spec.allowed_invokers = Some(vec!["forge".parse().expect("a name")]);
    let cases = [("forge", true), ("wren", false), ("operator/ana", true)];
    for (party, may) in cases {
        let party: Party = party.parse().expect("a party");
        assert_eq!(may_use(&party, &spec), may, "{party}");
    }
}
