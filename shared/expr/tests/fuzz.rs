//! Fuzz target: any text is an expression or a template, or is refused at a place in it.

#[path = "../../../tests/src/altered.rs"]
mod altered;

use altered::Altered;
use bolero::check;
use nexus_expr::{Expr, Place, Shape, Template};
use serde_json::json;

/// Behind its last character is a place, too.
fn is_in(text: &str, place: Place) -> bool {
    place.line >= 1 && place.column >= 1 && place.line <= text.split('\n').count()
}

#[test]
fn an_expression() {
    let texts = [
        "steps.tests.output.failed > 0 and not input.force",
        "len(steps.changes.output) >= 2 or has(input.city) and input.city contains 'é'",
        "default(input.rows[0].name, \"none\") == null",
    ];
    let scope = json!({"input": {"city": "Genève", "rows": [{"name": "x"}], "force": false}, "steps": {"tests": {"output": {"failed": 1}}, "changes": {"output": [1, 2]}}});
    for text in texts {
        Expr::parse(text).expect("unaltered it is one").value(&scope).expect("and has a value");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        match Expr::parse(&text) {
            Ok(parsed) => {
                let _ = (parsed.value(&scope), parsed.holds(&scope), parsed.paths());
                for missing in parsed.check(&Shape::fields([])) {
                    assert!(is_in(&text, missing.place), "{missing:?} of {text:?}");
                }
            }
            Err(error) => assert!(is_in(&text, error.place), "{error:?} of {text:?}"),
        }
    });
}

#[test]
fn a_template() {
    let texts = [
        "{{ input.city }}: {{ steps.look.output | json }}",
        "Look at {{ item }},\nthe {{ index }}.",
        "{{ default(input.name, 'nobody') }}",
    ];
    let scope =
        json!({"input": {"city": "Genève"}, "steps": {"look": {"output": [1]}}, "item": "x", "index": 0});
    for text in texts {
        Template::parse_text(text).expect("unaltered it is one").value(&scope).expect("and has a value");
    }
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        match Template::parse_text(&text) {
            Ok(parsed) => {
                let _ = (parsed.value(&scope), parsed.text(&scope), parsed.paths());
            }
            Err(error) => assert!(is_in(&text, error.place), "{error:?} of {text:?}"),
        }
    });
}
