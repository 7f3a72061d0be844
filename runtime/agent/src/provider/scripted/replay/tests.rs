use serde_json::json;

use super::super::script::parse;
use super::super::template::environment;
use super::*;
use crate::conversation::{Block, Message, Role, ToolSpec};

fn user(text: &str) -> Message {
    Message { role: Role::User, content: vec![Block::Text { text: text.to_owned() }] }
}

fn said(text: &str) -> Message {
    Message { role: Role::Assistant, content: vec![Block::Text { text: text.to_owned() }] }
}

/// A call and its answer; `err:` in front makes it a failure.
fn answered(id: &str, tool: &str, content: &str) -> [Message; 2] {
    let call = Block::ToolUse { id: id.to_owned(), name: tool.to_owned(), input: json!({"of": id}) };
    let is_error = content.starts_with("err:");
    let result = Block::ToolResult {
        tool_use_id: id.to_owned(),
        content: content.trim_start_matches("err:").to_owned(),
        is_error,
    };
    [
        Message { role: Role::Assistant, content: vec![call] },
        Message { role: Role::User, content: vec![result] },
    ]
}

fn request(messages: Vec<Message>) -> ModelRequest {
    let tool =
        |name: &str| ToolSpec { name: name.to_owned(), description: String::new(), input_schema: json!({}) };
    ModelRequest {
        system: String::new(),
        messages,
        tools: vec![tool("find"), tool("read")],
        max_tokens: 0,
        origin: Origin {
            aspect: "forge".to_owned(),
            from: Some("operator/ada".to_owned()),
            ..Origin::default()
        },
    }
}

/// The same, for a turn that has taken this many texts.
fn of_texts(asked: usize, messages: Vec<Message>) -> ModelRequest {
    let mut request = request(messages);
    request.origin.asked = asked;
    request
}

fn decide(script: &str, request: &ModelRequest) -> Result<Plan, Fault> {
    let env = environment();
    plan(&env, &parse(&env, script)?, request)
}

fn say(text: &str) -> Act {
    Act::Say { text: text.to_owned(), pace: Duration::ZERO }
}

fn calls(tool: &str, inputs: &[Json]) -> Vec<Call> {
    inputs.iter().map(|input| Call { tool: tool.to_owned(), input: input.clone() }).collect()
}

const FIND: &str = r#"
[[rule]]
match = 'find (?P<what>\w+)(?: in (?P<place>\w+))?'
[[rule.step]]
say = "Looking for {{ what }}."
[[rule.step]]
name = "found"
call = "find"
args = { what = "{{ what }}", limit = 3, place = "{{ place or nothing_here }}", deep = { list = ["{{ what }}s"] } }
[[rule.step]]
when = "not found.ok"
say = "No: {{ found.text }}"
stop = true
[[rule.step]]
name = "read"
call = "read"
for_each = "found.json.hits"
args = { path = "{{ item.path }}", n = "{{ index }}" }
[[rule.step]]
say = "{{ read | length }} read, {{ results | length }} in all: {% for one in read %}{{ one.text }}{{ one.input.of }} {% endfor %}"
"#;

fn find_script() -> String {
    FIND.replace("place or nothing_here", "captures.elsewhere")
}

#[test]
fn a_turn_is_played_on_from_its_messages_alone() {
    let script = find_script();
    let mut messages = vec![user("find me"), said("Done before."), user("Find keys in drawer")];
    assert_eq!(
        decide(&script, &request(messages.clone())),
        Ok(Plan {
            acts: vec![say("Looking for keys.")],
            calls: calls("find", &[json!({"what": "keys", "limit": 3, "deep": {"list": ["keyss"]}})]),
        })
    );
    messages.extend(answered("t1", "find", r#"{"hits": [{"path": "a"}, {"path": "b"}]}"#));
    assert_eq!(
        decide(&script, &request(messages.clone())),
        Ok(Plan {
            acts: vec![],
            calls: calls("read", &[json!({"path": "a", "n": 0}), json!({"path": "b", "n": 1})])
        })
    );
    messages.extend(answered("t2", "read", "A"));
    messages.extend(answered("t3", "read", "B"));
    assert_eq!(
        decide(&script, &request(messages)),
        Ok(Plan { acts: vec![say("2 read, 3 in all: At2 Bt3")], calls: vec![] })
    );
}

#[test]
fn a_step_can_branch_on_a_failed_call() {
    let mut messages = vec![user("find keys")];
    messages.extend(answered("t1", "find", "err:no such drawer"));
    assert_eq!(
        decide(&find_script(), &request(messages)),
        Ok(Plan { acts: vec![say("No: no such drawer")], calls: vec![] })
    );
}

#[test]
fn a_call_nobody_answered_counts_as_failed() {
    let mut messages = vec![user("find keys")];
    messages.push(answered("t1", "find", "")[0].clone());
    assert_eq!(
        decide(&find_script(), &request(messages)),
        Ok(Plan { acts: vec![say("No: this call was never answered")], calls: vec![] })
    );
}

#[test]
fn nothing_to_go_through_is_no_call() {
    let mut messages = vec![user("find keys")];
    messages.extend(answered("t1", "find", r#"{"hits": []}"#));
    assert_eq!(
        decide(&find_script(), &request(messages)),
        Ok(Plan { acts: vec![say("0 read, 1 in all:")], calls: vec![] })
    );
}

#[test]
fn a_script_changed_in_mid_turn_does_not_guess() {
    let mut messages = vec![user("find keys")];
    messages.extend(answered("t1", "burn", "{}"));
    let plan = decide(&find_script(), &request(messages)).expect("a plan");
    let [Act::Say { text, .. }] = plan.acts.as_slice() else { panic!("{plan:?}") };
    assert!(text.contains("changed while I was at work"), "{text}");
    assert_eq!(plan.calls, []);
}

#[test]
fn messages_that_came_together_or_joined_are_all_answered() {
    let script = find_script();
    let mut messages = vec![user("find keys")];
    messages.extend(answered("t1", "find", "err:gone"));
    messages.push(user("find hat"));
    assert_eq!(
        decide(&script, &of_texts(2, messages.clone())),
        Ok(Plan {
            acts: vec![say("Looking for hat.")],
            calls: calls("find", &[json!({"what": "hat", "limit": 3, "deep": {"list": ["hats"]}})]),
        })
    );
    messages.extend(answered("t2", "find", "err:worn"));
    assert_eq!(
        decide(&script, &of_texts(2, messages)),
        Ok(Plan { acts: vec![say("No: gone"), say("No: worn")], calls: vec![] })
    );
}

#[test]
fn what_an_earlier_turn_left_without_an_answer_is_not_taken_up() {
    // A turn that kept silent or failed leaves its text, and perhaps its calls; roles alternate all the same.
    let mut messages = vec![user("find keys")];
    messages.extend(answered("t1", "find", "err:not finished: cancelled"));
    messages[2].content.push(Block::Text { text: "find hat".to_owned() });
    messages[2].content.push(Block::Text { text: "find shoe".to_owned() });
    let call = |what: &str| {
        calls("find", &[json!({"what": what, "limit": 3, "deep": {"list": [format!("{what}s")]}})])
    };
    for asked in [0, 1] {
        let plan = decide(&find_script(), &of_texts(asked, messages.clone()));
        assert_eq!(plan, Ok(Plan { acts: vec![say("Looking for shoe.")], calls: call("shoe") }));
    }
    let both = decide(&find_script(), &of_texts(2, messages.clone()));
    assert_eq!(both, Ok(Plan { acts: vec![say("Looking for hat.")], calls: call("hat") }));
    // More than there are: all of them.
    let all = decide(&find_script(), &of_texts(9, messages)).expect("a plan");
    assert_eq!(all.calls, call("hat"), "the first was answered by its call");
}

#[test]
fn what_failed_before_does_not_stand_in_the_way() {
    let script = "
        [[rule]]
        match = 'break'
        [[rule.step]]
        fail = { kind = 'rate_limit', message = 'slow', retry_after_s = 2 }
        [[rule]]
        match = 'wrong'
        [[rule.step]]
        say = '{{ captures.nothing }}'
        [[rule]]
        [[rule.step]]
        say = 'fine'
    ";
    let failing = decide(script, &request(vec![user("break")])).expect("a plan");
    let kind = ProviderErrorKind::RateLimit {
        message: "slow".to_owned(),
        retry_after: Some(Duration::from_secs(2)),
    };
    assert_eq!(failing.acts, [Act::Fail { kind, times: u32::MAX }]);
    let fault = decide(script, &request(vec![user("wrong")])).expect_err("nothing to print").to_string();
    assert_eq!(
        fault,
        "9:16: undefined value: a value printed here is not there; test for it, or give it a default with | default(\"…\")"
    );
    let after = decide(script, &of_texts(3, vec![user("break"), user("wrong"), user("go on")]));
    assert_eq!(after, Ok(Plan { acts: vec![say("fine")], calls: vec![] }));
}

#[test]
fn rules_are_tried_in_order_and_by_their_conditions() {
    let script = "
        [[rule]]
        hand = 'check'
        [[rule.step]]
        answer = { got = '{{ input.n }}', by = '{{ from }}' }
        [[rule]]
        from = 'keel'
        [[rule.step]]
        stop = true
        [[rule]]
        from = 'operator/bob'
        [[rule.step]]
        say = 'bob'
        [[rule]]
        from = 'operator'
        when = \"'secret' in text and 'find' in tools and 'burn' not in tools\"
        [[rule.step]]
        say = 'secret'
        [[rule]]
        help = 'say anything'
        [[rule.step]]
        say = '{{ rules[0].help }} {{ aspect }} {{ history | length }}'
    ";
    let with = |hand: Option<&str>, from: &str, text: &str| {
        let mut request = request(vec![user("old"), said("older"), user(text)]);
        request.origin.hand = hand.map(str::to_owned);
        request.origin.from = Some(from.to_owned());
        decide(script, &request).map(|plan| plan.acts)
    };
    assert_eq!(
        with(Some("check"), "forge", "Input:\n{\"n\": 7}"),
        Ok(vec![say(r#"{"by":"forge","got":7}"#)])
    );
    assert_eq!(with(None, "keel", "the secret"), Ok(vec![]));
    assert_eq!(with(None, "operator/bob", "the secret"), Ok(vec![say("bob")]));
    assert_eq!(with(None, "operator/ada", "the SECRET"), Ok(vec![say("say anything forge 2")]));
    assert_eq!(with(None, "operator/ada", "the secret"), Ok(vec![say("secret")]));
    assert_eq!(with(Some("self"), "forge", "x"), Ok(vec![say("say anything forge 2")]));
    let unknown = "I am scripted, and no rule in my script.toml fits this.";
    assert_eq!(with(Some("other"), "forge", "x"), Ok(vec![say(unknown)]));
}

#[test]
fn a_text_no_rule_knows_is_answered_with_what_is_known() {
    let script = "
        [[rule]]
        match = 'x'
        help = 'say x'
        [[rule.step]]
        stop = true
    ";
    assert_eq!(
        decide(script, &request(vec![user("y")])).map(|plan| plan.acts),
        Ok(vec![say("I am scripted, and no rule in my script.toml fits this. What I know:\n- say x")])
    );
    let nothing = decide("", &request(vec![])).map(|plan| plan.acts);
    assert_eq!(nothing, Ok(vec![say("I am scripted, and no rule in my script.toml fits this.")]));
}

#[test]
fn a_loop_without_end_is_ended() {
    let script = "
        [[rule]]
        [[rule.step]]
        say = '{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}'
    ";
    let fault = decide(script, &request(vec![user("go")])).expect_err("out of fuel").to_string();
    assert!(fault.contains("out of fuel"), "{fault}");
}

proptest::proptest! {
    /// No text, however odd, is more than a text.
    #[test]
    fn any_text_is_answered(text in ".{0,200}", result in ".{0,80}") {
        let mut messages = vec![user(&format!("find x {text}"))];
        messages.extend(answered("t1", "find", &result));
        proptest::prop_assert!(decide(&find_script(), &request(messages)).is_ok());
    }
}
