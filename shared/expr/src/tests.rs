//! What expressions mean, how faults are told, and that nothing makes them panic or grow.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EvalError, Expr, OUTPUT_DEPTH_MAX, Shape, Template, nests_within};

fn scope() -> Value {
    json!({
        "input": {"city": "Bern", "count": 3, "tags": ["a", "b"], "odd name": true, "none": null},
        "steps": {"look": {"output": {"items": [{"name": "x"}, {"name": "y"}]}, "state": "done"}},
    })
}

#[test]
fn an_expression_has_a_value() {
    let cases: &[(&str, Value)] = &[
        ("input.city", json!("Bern")),
        ("input.city == 'Bern' and input.count >= 3", json!(true)),
        ("not input.city == \"Bern\" or false", json!(false)),
        ("input.count == 3.0", json!(true)),
        ("18446744073709551615 > 9223372036854775807", json!(true)),
        ("'b' < 'a'", json!(false)),
        ("input.tags contains 'b'", json!(true)),
        ("input.city contains 'er'", json!(true)),
        ("input contains 'city'", json!(true)),
        ("len(input.tags) == 2 and len('äö') == 2", json!(true)),
        ("steps.look.output.items[1].name", json!("y")),
        ("input[\"odd name\"]", json!(true)),
        ("has(input.none) or has(input.nobody.at.all)", json!(false)),
        ("default(input.nobody, [1, input.count])", json!([1, 3])),
        ("default(input.city, 0)", json!("Bern")),
        ("false and input.nobody", json!(false)),
        ("(1 == 1) == true", json!(true)),
        ("[1, 'two'] == [1.0, \"two\"]", json!(true)),
        ("'it\\'s\\n'", json!("it's\n")),
        ("null == input.none", json!(true)),
        ("not not true", json!(true)),
    ];
    for (text, value) in cases {
        let parsed = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(parsed.value(&scope()).as_ref(), Ok(value), "{text}");
    }
}

#[test]
fn a_fault_is_told_with_its_place() {
    let value = "a value: a name, a text in quotes, a number, true, false, null, `[` or `(`";
    let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    let cases: &[(&str, &str)] = &[
        ("", &format!("1:1: expected {value}, found the end")),
        ("input.", "1:7: expected a name after `.`, found the end"),
        ("a ==\n  b ==", "2:5: comparisons do not chain; join two of them with `and`"),
        ("a = 1", "1:3: `=` compares nothing; two are equal with `==`"),
        ("a && b", "1:3: `&` means nothing here; write `and`"),
        ("a b", "1:3: expected a comparison, `and`, `or` or the end, found `b`"),
        ("'abc", "1:1: this text has no end; close it with '"),
        ("é", "1:1: 'é' means nothing in an expression"),
        ("length(a)", "1:1: there is no function `length`; known are len, has and default"),
        ("has('x')", "1:5: expected a name such as input.city, found a text"),
        ("a[-1]", "1:3: expected a whole number that is not negative, found the number -1"),
        ("01", "1:1: \"01\" is no number; one is written like 12, -3 or 0.5"),
        ("(a", "1:3: expected `)`, found the end"),
        ("a }}", "1:3: `}}` ends a place in a template; this is an expression alone"),
        (&deep, "1:33: the expression nests deeper than 32"),
    ];
    for (text, told) in cases {
        assert_eq!(Expr::parse(text).unwrap_err().to_string(), *told, "{text}");
    }
}

#[test]
fn what_has_no_value_says_why() {
    let cases: &[(&str, &str)] = &[
        ("input.town", "there is no `input.town`: `input` has no such field"),
        ("input.city.name", "there is no `input.city.name`: `input.city` is a text"),
        ("input.tags[2]", "there is no `input.tags[2]`: `input.tags` has 2 items, counted from 0"),
        ("payload.x", "there is no `payload`: nothing has that name here"),
        ("input.count < 'x'", "a number and a text have no order; two numbers have one, and two texts"),
        (
            "input.city and true",
            "a condition is true or false, and this is a text; compare it with something",
        ),
        ("len(1)", "len takes a text, a list or an object, and this is a number"),
        (
            "1 contains 1",
            "a number cannot contain a number: a text contains a text, a list a value, an object a field's name",
        ),
    ];
    for (text, told) in cases {
        assert_eq!(Expr::parse(text).unwrap().value(&scope()).unwrap_err().to_string(), *told, "{text}");
    }
}

#[test]
fn names_that_cannot_be_there_are_found_beforehand() {
    let step = Shape::fields([("output", Shape::Any), ("state", Shape::Any)]);
    let shape = Shape::fields([("input", Shape::Any), ("steps", Shape::fields([("look", step)]))]);
    let told = |text: &str| -> Vec<String> {
        let missing = Template::parse_text(text).unwrap().check(&shape);
        missing.iter().map(|it| format!("{}:{}: {it}", it.place.line, it.place.column)).collect()
    };
    assert_eq!(told("{{ input.x.y }} {{ steps.look.output[3].z }}"), Vec::<String>::new());
    assert_eq!(
        told("a\n{{ steps.lok.output }}{{ stps }}"),
        [
            "2:4: there is no `steps.lok`; did you mean `look`?",
            "2:26: there is no `stps`; did you mean `steps`?"
        ]
    );
    assert_eq!(told("{{ has(payload) }}"), ["1:8: there is no `payload`; known are input, steps"]);
    assert_eq!(told("{{ steps.look.out }}"), ["1:4: there is no `steps.look.out`; did you mean `output`?"]);
    let paths =
        Template::parse(&json!({"a": ["{{ steps.look.output[0].x }}", "{{ len(input.b) }}"]})).unwrap();
    assert_eq!(paths.paths(), [vec!["steps", "look", "output"], vec!["input", "b"]]);
}

#[test]
fn a_template_makes_a_value() {
    let cases: &[(Value, Value)] = &[
        (json!("no place"), json!("no place")),
        (json!(""), json!("")),
        (json!("{{ input.count }}"), json!(3)),
        (json!("{{input.tags}}"), json!(["a", "b"])),
        (json!("{{ input.tags | json }}"), json!("[\"a\",\"b\"]")),
        (json!("{{ input.city }}: {{ input.count }}{{ input.none }}!"), json!("Bern: 3!")),
        (json!("tags {{ input.tags | json }}"), json!("tags [\"a\",\"b\"]")),
        (json!("{{ '{{' }} and }}"), json!("{{ and }}")),
        (
            json!({"a": [1, "{{ input.count == 3 }}"], "b": {"c": null}}),
            json!({"a": [1, true], "b": {"c": null}}),
        ),
    ];
    for (template, value) in cases {
        let parsed =
            Template::parse(template).unwrap_or_else(|(at, error)| panic!("{template}: {at}: {error}"));
        assert_eq!(parsed.value(&scope()).as_ref(), Ok(value), "{template}");
    }
    let faults: &[(&str, &str)] = &[
        ("a {{ input.city", "1:3: this `{{` has no end; close it with `}}`"),
        ("{{ }}", "1:4: expected a value"),
        ("{{ a | upper }}", "1:8: expected `json`, which is the only filter there is, found `upper`"),
        ("x\ny {{ a b }}", "2:8: expected `|` or `}}`, found `b`"),
    ];
    for (text, told) in faults {
        let error = Template::parse_text(text).unwrap_err().to_string();
        assert!(error.starts_with(told), "{text}: {error}");
    }
    let inner = Template::parse(&json!({"a": {"b": [1, "{{"]}})).unwrap_err();
    assert_eq!(inner.0, ".a.b[1]");
    let list = Template::parse_text("tags: {{ input.tags }}").unwrap().value(&scope());
    assert_eq!(
        list.unwrap_err().to_string(),
        "a list does not fit into a text as it is; write `| json` behind it"
    );
}

/// Whatever a value says, it comes out as it went in, once.
#[test]
fn a_hostile_value_stays_a_value() {
    let hostile = [
        "{{ secrets.key }}",
        "}}{{ input | json }}",
        "$(rm -rf /); `id` && curl evil | sh",
        "'; DROP TABLE runs; --",
        "\u{0}\u{1b}[2J\u{202e}",
        "../../etc/passwd",
        "{% include 'x' %} ${env.HOME} #{1+1}",
        "\"}, \"admin\": true, {\"",
    ];
    let whole = Template::parse(&json!({"argv": ["grep", "{{ payload }}"]})).unwrap();
    let said = Template::parse_text("<{{ payload }}>").unwrap();
    let quoted = Template::parse_text("{{ payload | json }}").unwrap();
    for text in hostile {
        let scope = json!({"payload": text});
        assert_eq!(whole.value(&scope), Ok(json!({"argv": ["grep", text]})));
        assert_eq!(said.value(&scope), Ok(json!(format!("<{text}>"))));
        let json = quoted.text(&scope).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), json!(text));
        let again = json!({"payload": whole.value(&scope).unwrap()});
        assert_eq!(Expr::parse("payload.argv[1]").unwrap().value(&again), Ok(json!(text)));
    }
}

#[test]
fn there_is_a_most_of_everything() {
    let large = json!({"a": vec!["x".repeat(1000); 400]});
    let twice = Template::parse_text("{{ a | json }}{{ a | json }}").unwrap();
    assert_eq!(twice.value(&large), Err(EvalError::TooLarge));
    let twice = Template::parse(&json!(["{{ a }}", "{{ a }}"])).unwrap();
    assert_eq!(twice.value(&large), Err(EvalError::TooLarge));
    let many = json!({"a": vec![1; STEPS]});
    // Large as it is, it is looked at and handed on; into a list it is copied, and counted before.
    assert_eq!(Expr::parse("len([a]) == 1 and len(a) == 400").unwrap().value(&large), Ok(json!(true)));
    for text in ["[a, a]", "[[a], [[a]]]", "len([a, a])", "[a, default(b, a)] == 1", "[] contains [a, a]"] {
        assert_eq!(Expr::parse(text).unwrap().value(&large), Err(EvalError::TooLarge), "{text}");
    }
    let apart = Template::parse(&json!(["{{ len([a]) }}", "{{ len([a]) }}"])).unwrap();
    assert_eq!(apart.value(&large), Err(EvalError::TooLarge), "one evaluation has one room");
    let text = Template::parse_text("{{ a[0] }}{{ default(b, a[1]) }}!").unwrap();
    assert_eq!(text.text(&large).map(|text| text.len()), Ok(2001));
    let said = json!({"a": "x".repeat(super::OUTPUT_BYTES_MAX), "b": ""});
    let fits = |text: &str| Template::parse_text(text).unwrap().text(&said).is_ok();
    assert!(fits("{{ a }}{{ b }}"));
    assert!(!fits("{{ a }}.") && !fits(".{{ a }}") && !fits("{{ a }}{{ 1 }}"));
    assert_eq!(Expr::parse("a contains 2").unwrap().value(&many), Err(EvalError::TooLong));
    assert!(Expr::parse(&"1".repeat(20_000)).unwrap_err().message.contains("is the most"));
    let chain = format!("true{}", " and true".repeat(100));
    assert!(Expr::parse(&chain).unwrap_err().message.contains("in a row"));
    let mut deep = json!("x");
    for _ in 0..64 {
        deep = json!([deep]);
    }
    assert!(Template::parse(&deep).unwrap_err().1.message.contains("nests deeper"));
}

const STEPS: usize = super::STEPS_MAX + 1;

fn nested(levels: usize) -> Value {
    (0..levels).fold(
        json!("x"),
        |inner, level: usize| if level.is_multiple_of(2) { json!([inner]) } else { json!({"a": inner}) },
    )
}

#[test]
fn levels_are_counted_where_they_are_most() {
    for levels in [0, 1, 2, 40] {
        let value = json!({"shallow": [1], "deep": nested(levels), "text": "[[["});
        assert!(nests_within(&value, levels.max(1) + 1), "{levels}");
        assert!(!nests_within(&value, levels.max(1)), "{levels}");
    }
    assert!(nests_within(&json!(1), 0) && nests_within(&json!([]), 1) && !nests_within(&json!({}), 0));
}

/// Whatever goes into it: each level that stands around a place counts, and so does each in the value that comes there.
#[test]
fn what_is_made_has_so_many_levels_and_no_more() {
    let most = OUTPUT_DEPTH_MAX;
    // (the template, how many levels it adds)
    let cases: &[(Value, usize)] = &[
        (json!("{{ x }}"), 0),
        (json!("{{ default(y, x) }}"), 0),
        (json!(["{{ x }}"]), 1),
        (json!({"a": [1, {"b": "{{ x }}"}]}), 3),
        (json!(["{{ [[x], 1] }}"]), 3),
    ];
    for (template, added) in cases {
        let parsed =
            Template::parse(template).unwrap_or_else(|(at, error)| panic!("{template}: {at}: {error}"));
        let made = parsed.value(&json!({"x": nested(most - added)}));
        let fits = made.is_ok_and(|made| nests_within(&made, most) && !nests_within(&made, most - 1));
        assert!(fits, "{template} at the most");
        assert_eq!(
            parsed.value(&json!({"x": nested(most - added + 1)})),
            Err(EvalError::TooDeep),
            "{template}"
        );
    }
    let scope = json!({"x": nested(most)});
    assert_eq!(Expr::parse("x").unwrap().value(&scope).as_ref(), Ok(&scope["x"]));
    assert_eq!(Expr::parse("[x]").unwrap().value(&scope), Err(EvalError::TooDeep));
    // A text has no levels, and what is only looked at is not made.
    assert_eq!(Expr::parse("len([x]) == 1 and has(x)").unwrap().value(&scope), Ok(json!(true)));
    let text = Template::parse(&json!(["{{ [x] | json }}"])).unwrap().value(&scope);
    assert_eq!(text, Ok(json!([json!([scope["x"]]).to_string()])));
    let told = "this makes lists and objects more than 62 deep within one another";
    assert_eq!(EvalError::TooDeep.to_string(), told);
}

/// What comes of a template goes into the next one, as the steps of a run do.
#[test]
fn a_value_that_goes_round_does_not_grow_without_end() {
    let around = Template::parse(&(0..20).fold(json!("{{ x }}"), |inner, _| json!([inner]))).unwrap();
    let mut value = json!(1);
    let mut rounds = 0;
    while let Ok(made) = around.value(&json!({"x": value})) {
        value = made;
        rounds += 1;
        assert!(rounds < 10, "it ends");
    }
    assert_eq!(rounds, OUTPUT_DEPTH_MAX / 20);
    assert_eq!(serde_json::from_str::<Value>(&value.to_string()).unwrap(), value);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Any text parses or is refused, and whatever parses has a value or an error.
    #[test]
    fn any_text_is_taken_or_refused(text in "[a-c. \\[\\](){}|'\"=<>!0-9\\-é\n]{0,60}|.{0,40}", scope in any_json()) {
        if let Ok(parsed) = Expr::parse(&text) {
            let _ = (parsed.value(&scope), parsed.holds(&scope), parsed.paths(), parsed.check(&Shape::fields([])));
        }
        if let Ok(parsed) = Template::parse_text(&text) {
            let _ = (parsed.value(&scope), parsed.text(&scope));
        }
    }

    /// Made of words of the language, so that most of it parses.
    #[test]
    fn any_words_are_taken_or_refused(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b.c", "a[0]", "and", "or", "not", "==", "<", "contains", "len(", "has(", "default(", ",", ")", "(",
                "[", "]", "1", "'x'", "true", "null", "{{", "}}", "| json",
            ]),
            0..24,
        ),
        a in any_json(),
        b in any_json(),
    ) {
        let (text, scope) = (words.join(" "), serde_json::json!({"a": a, "b": b}));
        let _ = Expr::parse(&text).map(|parsed| parsed.value(&scope));
        let _ = Template::parse_text(&text).map(|parsed| parsed.value(&scope));
    }

    /// A template without places is itself, and one that is a path is what is there.
    #[test]
    fn data_goes_through_unchanged(value in any_json()) {
        let scope = serde_json::json!({"payload": value});
        let whole = Template::parse_text("{{ payload }}").unwrap();
        prop_assert_eq!(whole.value(&scope).unwrap(), scope["payload"].clone());
    }
}
