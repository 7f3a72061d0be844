use super::super::template::environment;
use super::*;

fn fault(text: &str) -> String {
    parse(&environment(), text).expect_err(text).to_string()
}

#[test]
fn each_fault_has_its_place_and_says_what_to_do() {
    let rule = |step: &str| format!("[[rule]]\nmatch = 'ask (?P<who>\\w+)'\n\n[[rule.step]]\n{step}\n");
    let cases: Vec<(&str, String, &str)> = vec![
        ("no toml", "[[rule]\n".to_owned(), "1:8: "),
        (
            "unknown field",
            "[[rule]]\nmach = 'x'\n".to_owned(),
            "2:1: unknown field `mach`, expected one of `name`",
        ),
        ("wrong type", "pace_ms = 'slow'\n".to_owned(), "1:11: invalid type: string \"slow\", expected u64"),
        ("no steps", "[[rule]]\nname = 'x'\n".to_owned(), "1:1: this rule does nothing"),
        ("regex", "\n[[rule]]\nmatch = 'a(b'\n".to_owned(), "2:1: this rule does nothing"),
        (
            "bad regex",
            "[[rule]]\nmatch = 'a(b'\n[[rule.step]]\nstop = true\n".to_owned(),
            "2:10: `match` is no regular expression: unclosed group",
        ),
        (
            "two things",
            rule("say = 'a'\ncall = 'b'"),
            "4:1: a step does one thing, this one has say and call",
        ),
        ("nothing", rule("when = 'true'"), "4:1: this step does nothing"),
        ("template", rule("say = 'Hi {{ who'"), "5:8: syntax error: "),
        (
            "template, third line",
            rule("say = '''\none\n{{ whom }}\n'''"),
            "6:1: nothing here is called `whom`; did you mean `who`?",
        ),
        (
            "runtime name",
            rule("say = '{{ x }}'"),
            "5:8: nothing here is called `x`; known here: aspect, by_operator",
        ),
        ("expression", rule("stop = true\nwhen = 'who ='"), "6:9: syntax error: "),
        (
            "an argument",
            rule("call = 'a'\nargs.b = 1\nargs.path = '{{ wo }}'"),
            "7:14: nothing here is called `wo`",
        ),
        (
            "item without for_each",
            rule("call = 'a'\nargs.b = '{{ item }}'"),
            "6:11: nothing here is called `item`",
        ),
        ("args without call", rule("say = 'a'\nargs.b = 1"), "4:1: `args` belongs to a step with `call`"),
        ("no tool", rule("call = ' '"), "4:1: `call` names no tool"),
        (
            "taken name",
            rule("call = 'a'\nname = 'text'"),
            "6:8: `text` is the name of something every rule has",
        ),
        ("odd name", rule("call = 'a'\nname = 'a-b'"), "6:8: `a-b` cannot be used in a template"),
        ("unknown failure", rule("fail = { kind = 'tired', message = '' }"), "5:17: unknown variant `tired`"),
        (
            "a later step's name",
            rule("say = '{{ found }}'\n[[rule.step]]\nname = 'found'\ncall = 'a'"),
            "5:8: nothing here is called `found`",
        ),
    ];
    for (name, text, expected) in cases {
        let said = fault(&text);
        assert!(said.starts_with(expected), "{name}: {said}");
    }
}

#[test]
fn names_are_known_after_their_step() {
    let text = "
        [[rule]]
        match = '(?P<who>.+)'
        when = 'by_operator and who'
        [[rule.step]]
        name = 'found'
        call = 'search_files'
        for_each = '[1, 2]'
        args = { n = '{{ item }}', at = '{{ index }}', list = ['{{ who }}', 2, true, 1.5], day = 2026-01-01 }
        [[rule.step]]
        set = { first = '{{ found[0] }}' }
        [[rule.step]]
        say = '{% for one in found %}{{ one.text }} {{ first }} {{ range(2) }}{% endfor %}'
    ";
    let script = parse(&environment(), text).expect("a valid script");
    assert_eq!((script.rules.len(), script.rules[0].steps.len()), (1, 3));
}

#[test]
fn an_empty_script_has_no_rules() {
    assert!(parse(&environment(), "").expect("valid").rules.is_empty());
}

/// What the documentation shows is a script.
#[test]
fn the_documented_example_is_valid() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scripted-provider.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let script = parse(&environment(), example).expect("a valid script");
    assert_eq!(script.rules.len(), 2);
}
