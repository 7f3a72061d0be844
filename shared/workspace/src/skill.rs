//! A skill is a file that says how something is done. Work for an aspect's Hand `self` names it, and is given its text when
//! the files are loaded: whoever works on it needs no file.

use std::collections::BTreeSet;

use nexus_wire::name::SELF_HAND;
use serde_json::{Map, Value, json};

use crate::merge::utf8;
use crate::overlay::Overlay;
use crate::validate::missing;

const FOLDER: &str = "skills/";
const SUFFIX: &str = ".md";

/// What stands in its file.
#[derive(Debug, Eq, PartialEq)]
struct Skill<'a> {
    name: &'a str,
    instructions: &'a str,
}

impl<'a> Skill<'a> {
    /// The heading is its name, the first line below it the description, which is for people; the rest are the
    /// instructions. Where there is only one of the two, that is what there is to do.
    fn of(stem: &'a str, text: &'a str) -> Self {
        let text = text.trim();
        let (name, body) =
            match text.strip_prefix("# ").map(|rest| rest.split_once('\n').unwrap_or((rest, ""))) {
                Some((heading, body)) => (heading.trim(), body.trim()),
                None => (stem, text),
            };
        let (description, rest) = body.split_once('\n').unwrap_or((body, ""));
        let rest = rest.trim();
        Self { name, instructions: if rest.is_empty() { description.trim() } else { rest } }
    }
}

/// Puts skills in the place of their names, where a trigger, or a step of a flow, gives work to a Hand `self`.
pub(crate) fn expand(item: &mut Value, overlay: &Overlay) -> Result<(), String> {
    let dispatch = |value: &mut Value| match value.pointer_mut("/do/dispatch") {
        Some(Value::Object(dispatch)) => give(dispatch, overlay),
        Some(_) | None => Ok(()),
    };
    dispatch(item)?;
    let steps = item.get_mut("steps").and_then(Value::as_array_mut);
    steps.into_iter().flatten().try_for_each(dispatch)
}

fn give(dispatch: &mut Map<String, Value>, overlay: &Overlay) -> Result<(), String> {
    let hand = dispatch.get("hand").and_then(Value::as_str).unwrap_or_default();
    if hand.rsplit('/').next() != Some(SELF_HAND) {
        return Ok(());
    }
    let Some(Value::Object(input)) = dispatch.get_mut("input") else { return Ok(()) };
    let Some(asked) = input.get("skill").and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
    if asked.contains("{{") {
        // Which one that is, is known when it is due, and then nobody has the files.
        return Ok(());
    }
    if input.contains_key("instructions") {
        return Err("`skill` brings the `instructions` along: say one of them".to_owned());
    }
    let stem = asked.strip_prefix(FOLDER).unwrap_or(&asked);
    let stem = stem.strip_suffix(SUFFIX).unwrap_or(stem);
    let path = format!("{FOLDER}{stem}{SUFFIX}");
    let Some(file) = overlay.files.get(&path) else {
        return Err(missing("skill", stem, &skills(overlay)));
    };
    let text = utf8(&path, &file.bytes).map_err(|fault| fault.to_string())?;
    let Skill { name, instructions } = Skill::of(stem, text);
    input.insert("skill".to_owned(), json!(literal(name)));
    input.insert("instructions".to_owned(), json!(literal(instructions)));
    Ok(())
}

/// What the skills in effect are called.
pub(crate) fn skills(overlay: &Overlay) -> BTreeSet<String> {
    let names = overlay.files.keys().filter_map(|path| path.strip_prefix(FOLDER)?.strip_suffix(SUFFIX));
    names.map(str::to_owned).collect()
}

/// What the text is for a template to make it.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ '{{' }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layer;

    #[test]
    fn a_heading_a_line_and_the_rest() {
        let cases = [
            ("# Sum up\n\nSays it short.\n\nRead all.\nThen write.\n", "Sum up", "Read all.\nThen write."),
            ("# Sum up\nSay it short.\n", "Sum up", "Say it short."),
            ("Say it short.", "sum", "Say it short."),
            ("# Sum up", "Sum up", ""),
            ("", "sum", ""),
        ];
        for (text, name, instructions) in cases {
            assert_eq!(Skill::of("sum", text), Skill { name, instructions }, "{text:?}");
        }
    }

    #[test]
    fn work_for_self_is_given_what_its_skill_says_and_nothing_of_it_is_a_template() {
        let text = "# Sum\n\nIn short.\n\nWrite {{ payload.x }} as {{{it}}} is.\n";
        let shipped: Layer = [("skills/sum.md".to_owned(), text.as_bytes().to_vec())].into();
        let overlay = Overlay::of(&shipped, &Layer::new());
        let work = |hand: &str, input: Value| json!({"do": {"dispatch": {"hand": hand, "input": input}}});
        let expanded = |mut value: Value| expand(&mut value, &overlay).map(|()| value);

        let given = expanded(work("wren/self", json!({"skill": "sum", "of": "{{ payload }}"}))).unwrap();
        let input = &given["do"]["dispatch"]["input"];
        let made = nexus_expr::Template::parse(input).unwrap().value(&json!({"payload": 7})).unwrap();
        let expected =
            json!({"skill": "Sum", "instructions": "Write {{ payload.x }} as {{{it}}} is.", "of": 7});
        assert_eq!(made, expected);

        for same in [
            work("wren/sum", json!({"skill": "none"})),
            work("wren/self", json!({"text": "x"})),
            json!({"skill": "none"}),
            work("wren/self", json!({"skill": "{{ payload.skill }}"})),
            work("keel/tell", json!({"do": work("wren/self", json!({"skill": "none"}))})),
        ] {
            assert_eq!(expanded(same.clone()), Ok(same));
        }
        let path = expanded(work("wren/self", json!({"skill": "skills/sum.md"}))).unwrap();
        assert_eq!(path["do"]["dispatch"]["input"]["skill"], "Sum");
        let wrong = |input| expanded(work("wren/self", input)).unwrap_err();
        assert_eq!(
            wrong(json!({"skill": "../none"})),
            "there is no skill \"../none\" in this workspace; there are sum"
        );
        assert!(wrong(json!({"skill": "sum", "instructions": "x"})).starts_with("`skill` brings"));
    }
}
