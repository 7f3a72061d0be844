//! A skill is a file that says how something is done. Work for an aspect's Hand `self` names it, and is given its text before
//! it is sent: whoever works on it needs no file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use nexus_flow::Format;
use nexus_schema::{Schema, listed};
use nexus_wire::limits::{SCHEMA_BYTES_MAX, SKILL_BYTES_MAX};
use nexus_wire::name::SELF_HAND;
use nexus_wire::workspace::Skill as Said;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::merge::utf8;
use crate::overlay::{Effective, Overlay};
use crate::validate::missing;

const FOLDER: &str = "skills/";
const SUFFIX: &str = ".md";
/// The line before and after the front matter of a Markdown file.
const FENCE: &str = "---";
/// What an input is given of a skill.
const TITLE: &str = "skill";
const INSTRUCTIONS: &str = "instructions";

/// What may stand above the text of a skill, as YAML between two lines `---`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    /// In the place of the heading.
    name: Option<String>,
    /// In the place of the first line.
    description: Option<String>,
    input_schema: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    said: Said,
    /// Of its input.
    schema: Option<Schema>,
}

impl Skill {
    fn read(name: &str, file: &str, text: &str) -> Result<Self, Fault> {
        if text.len() > SKILL_BYTES_MAX {
            let message = format!("the skill has {} bytes; {SKILL_BYTES_MAX} is the most", text.len());
            return Err(Fault::of_file(file, message));
        }
        let (front, above, text) = front(file, text)?;
        let Parts { title, description, instructions } = Parts::of(name, text.trim(), front.description);
        let schema = front.input_schema.as_ref().map(Schema::compile).transpose().map_err(|why| {
            // A schema is found by its place in the file, and what is wrong in it by its path there.
            let line = above.lines().position(|line| line.starts_with("input_schema")).map(|at| at + 2);
            Fault { line, column: line.map(|_| 1), ..Fault::of_file(file, format!("`input_schema`: {why}")) }
        })?;
        let said = Said {
            name: name.to_owned(),
            title: front.name.unwrap_or(title),
            description,
            instructions: Some(instructions),
            input_schema: front.input_schema,
            file: file.to_owned(),
        };
        Ok(Self { said, schema })
    }

    pub fn said(&self) -> &Said {
        &self.said
    }

    /// Puts what it says beside what the work is about.
    pub fn fill(&self, input: &mut Map<String, Value>) -> Result<(), String> {
        is_free(input)?;
        self.is_followed(input)?;
        self.put(input, str::to_owned);
        Ok(())
    }

    fn is_followed(&self, input: &Map<String, Value>) -> Result<(), String> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let faults = schema.faults(&Value::Object(input.clone()));
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!("the input is none for the skill {}: {}", self.said.name, listed(&faults)))
    }

    fn put(&self, input: &mut Map<String, Value>, form: impl Fn(&str) -> String) {
        let instructions = self.said.instructions.as_deref().unwrap_or_default();
        input.insert(TITLE.to_owned(), json!(form(&self.said.title)));
        input.insert(INSTRUCTIONS.to_owned(), json!(form(instructions)));
    }
}

/// Whether there is room in an input for what a skill says.
fn is_free(input: &Map<String, Value>) -> Result<(), String> {
    match [TITLE, INSTRUCTIONS].into_iter().find(|key| input.contains_key(*key)) {
        Some(key) => Err(format!("a skill brings its `{key}` along: leave it out of the input")),
        None => Ok(()),
    }
}

/// The front matter, as it is written, and the text below it.
fn front<'a>(file: &str, text: &'a str) -> Result<(Front, &'a str, &'a str), Fault> {
    let text = text.trim_start_matches('\u{feff}');
    let fence = |line: &str| line.trim_end() == FENCE;
    let Some((first, rest)) = text.split_once('\n').filter(|(first, _)| fence(first)) else {
        return Ok((Front::default(), "", text));
    };
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        if fence(line) {
            let (above, below) = (&rest[..end], &rest[end + line.len()..]);
            if above.trim().is_empty() {
                return Ok((Front::default(), above, below));
            }
            let read = nexus_flow::read_as::<Front>(above, Format::Yaml, SCHEMA_BYTES_MAX);
            let (front, _) = read.map_err(|faults| {
                let found = faults.into_iter().next();
                let place = found.as_ref().map(|fault| (fault.place.line + 1, fault.place.column));
                let message = found.map(|fault| fault.message).unwrap_or_default();
                let (line, column) = place.unzip();
                Fault { line, column, ..Fault::of_file(file, message) }
            })?;
            return Ok((front, above, below));
        }
        end += line.len();
    }
    let message = format!("what begins with a line {first} above the text ends with another one");
    Err(Fault { line: Some(1), column: Some(1), ..Fault::of_file(file, message) })
}

#[derive(Debug, Eq, PartialEq)]
struct Parts {
    title: String,
    description: String,
    instructions: String,
}

impl Parts {
    /// The heading is its title, the first line below it the description, which is for people; the rest are the
    /// instructions. Where there is only one of the two, that is what there is to do.
    fn of(name: &str, text: &str, described: Option<String>) -> Self {
        let (title, body) =
            match text.strip_prefix("# ").map(|rest| rest.split_once('\n').unwrap_or((rest, ""))) {
                Some((heading, body)) => (heading.trim(), body.trim()),
                None => (name, text),
            };
        let title = title.to_owned();
        if let Some(description) = described {
            return Self { title, description, instructions: body.to_owned() };
        }
        let (description, rest) = body.split_once('\n').unwrap_or((body, ""));
        let (description, rest) = (description.trim(), rest.trim());
        let instructions = if rest.is_empty() { description } else { rest };
        Self { title, description: description.to_owned(), instructions: instructions.to_owned() }
    }
}

/// The skills in effect, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Skills {
    read: BTreeMap<String, Skill>,
    unread: BTreeSet<String>,
}

impl Skills {
    /// And what is wrong with those that cannot be read. `shown`: a file as somebody can open it.
    pub(crate) fn of(overlay: &Overlay, shown: impl Fn(&str, &Effective) -> String) -> (Self, Vec<Fault>) {
        let (mut skills, mut faults) = (Self::default(), Vec::new());
        for (path, file) in &overlay.files {
            let Some(name) = name_of(path) else { continue };
            let shown = shown(path, file);
            match utf8(&shown, &file.bytes).and_then(|text| Skill::read(name, &shown, text)) {
                Ok(skill) => _ = skills.read.insert(name.to_owned(), skill),
                Err(fault) => {
                    skills.unread.insert(name.to_owned());
                    faults.push(fault);
                }
            }
        }
        (skills, faults)
    }

    /// By its name, or by the path of its file.
    pub fn get(&self, asked: &str) -> Result<&Skill, String> {
        let name = asked.strip_prefix(FOLDER).unwrap_or(asked);
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        if self.unread.contains(name) {
            return Err(format!(
                "there is something wrong with the file of the skill {name:?}; put that right first"
            ));
        }
        self.read.get(name).ok_or_else(|| missing("skill", name, &self.read.keys().cloned().collect()))
    }

    /// Those behind the one named.
    pub fn after(&self, name: Option<&str>) -> impl Iterator<Item = &Skill> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.read.range::<str, _>((from, Bound::Unbounded)).map(|(_, skill)| skill)
    }

    /// Puts skills in the place of their names, where a trigger, or a step of a flow, gives work to a Hand `self`.
    pub(crate) fn expand(&self, item: &mut Value) -> Result<(), String> {
        let dispatch = |value: &mut Value| match value.pointer_mut("/do/dispatch") {
            Some(Value::Object(dispatch)) => self.give(dispatch),
            Some(_) | None => Ok(()),
        };
        dispatch(item)?;
        let steps = item.get_mut("steps").and_then(Value::as_array_mut);
        steps.into_iter().flatten().try_for_each(dispatch)
    }

    fn give(&self, dispatch: &mut Map<String, Value>) -> Result<(), String> {
        let hand = dispatch.get("hand").and_then(Value::as_str).unwrap_or_default();
        if hand.rsplit('/').next() != Some(SELF_HAND) {
            return Ok(());
        }
        let Some(Value::Object(input)) = dispatch.get_mut("input") else { return Ok(()) };
        let Some(asked) = input.get(TITLE).and_then(Value::as_str).map(str::to_owned) else { return Ok(()) };
        if is_template(&asked) {
            // Which one that is, is known when it is due, and then nobody has the files.
            return Ok(());
        }
        let skill = self.get(&asked)?;
        input.remove(TITLE);
        is_free(input)?;
        // What an expression comes to is known when it is due.
        if !input.values().any(has_template) {
            skill.is_followed(input)?;
        }
        skill.put(input, literal);
        Ok(())
    }
}

/// What the skills in effect are called, those that cannot be read among them.
pub(crate) fn names(overlay: &Overlay) -> BTreeSet<String> {
    overlay.files.keys().filter_map(|path| name_of(path)).map(str::to_owned).collect()
}

/// What the skill is called that is in such a file.
fn name_of(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_suffix(SUFFIX)
}

fn is_template(text: &str) -> bool {
    text.contains("{{")
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(all) => all.iter().any(has_template),
        Value::Object(all) => all.iter().any(|(key, value)| is_template(key) || has_template(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What the text is for a template to make it.
fn literal(text: &str) -> String {
    text.replace("{{", "{{ '{{' }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layer;

    fn skills(files: &[(&str, &str)]) -> (Skills, Vec<String>) {
        let shipped: Layer =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let overlay = Overlay::of(&shipped, &Layer::new());
        let (skills, faults) = Skills::of(&overlay, |path, _| path.to_owned());
        (skills, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_heading_a_line_and_the_rest() {
        let cases = [
            (
                "# Sum up\n\nSays it short.\n\nRead all.\nThen write.\n",
                ("Sum up", "Says it short.", "Read all.\nThen write."),
            ),
            ("# Sum up\nSay it short.\n", ("Sum up", "Say it short.", "Say it short.")),
            ("Say it short.", ("sum", "Say it short.", "Say it short.")),
            ("# Sum up", ("Sum up", "", "")),
            ("", ("sum", "", "")),
            (
                "---\nname: Sum\ndescription: Short.\n---\n\nRead all.\nThen write.\n",
                ("Sum", "Short.", "Read all.\nThen write."),
            ),
            ("---\r\ndescription: Short.\r\n---\r\n# Sum up\r\nWrite.", ("Sum up", "Short.", "Write.")),
            ("---\n---\n# Sum up\nShort.\nWrite.", ("Sum up", "Short.", "Write.")),
            ("--- Write", ("sum", "--- Write", "--- Write")),
        ];
        for (text, (title, description, instructions)) in cases {
            let expected = Said {
                name: "sum".to_owned(),
                title: title.to_owned(),
                description: description.to_owned(),
                instructions: Some(instructions.to_owned()),
                input_schema: None,
                file: "skills/sum.md".to_owned(),
            };
            let read = Skill::read("sum", "skills/sum.md", text).map(|skill| skill.said);
            assert_eq!(read, Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_above_a_text_has_its_place() {
        let (skills, faults) = skills(&[
            ("skills/again.md", "---\ninput_schema: { items: { $ref: '#' } }\n---\nWrite.\n"),
            ("skills/bad.md", "---\ninput_schema: { type: 7 }\n---\n# Bad\nWrite.\n"),
            ("skills/deep/good.md", "Write."),
            ("skills/key.md", "---\nname: x\ninput: {}\n---\nWrite.\n"),
            ("skills/open.md", "---\nname: x\nWrite.\n"),
            ("skills/yaml.md", "---\nname: [\n---\nWrite.\n"),
        ]);
        assert_eq!(skills.after(None).map(|it| it.said().name.as_str()).collect::<Vec<_>>(), ["deep/good"]);
        assert_eq!(
            faults,
            [
                "skills/again.md:2:1: `input_schema`: at /items: $ref \"#\" leads back to itself; a schema that recurs is not checked here",
                "skills/bad.md:2:1: `input_schema`: at /type: 7 is not valid under any of the schemas listed in the 'anyOf' keyword",
                "skills/key.md:3:1: unknown field `input`, expected one of `name`, `description`, `input_schema`",
                "skills/open.md:1:1: what begins with a line --- above the text ends with another one",
                "skills/yaml.md:3:1: while parsing a node, did not find expected node content",
            ]
        );
        assert_eq!(
            skills.get("bad").err(),
            Some(
                "there is something wrong with the file of the skill \"bad\"; put that right first"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_input_follows_the_schema_of_its_skill_and_is_given_what_that_says() {
        let text = "---\ninput_schema:\n  type: object\n  required: [text]\n  properties: { text: { type: string, maxLength: 3 } }\n\
                    ---\n# Sum\n\nIn short.\n\nWrite {{ it }}.\n";
        let (skills, faults) = skills(&[("skills/sum.md", text)]);
        assert_eq!(faults, [""; 0]);
        let fill = |input: Value| {
            let Value::Object(mut input) = input else { panic!("an object") };
            skills.get("skills/sum.md")?.fill(&mut input).map(|()| Value::Object(input))
        };
        assert_eq!(
            fill(json!({"text": "abc", "of": 1})),
            Ok(json!({"skill": "Sum", "instructions": "Write {{ it }}.", "text": "abc", "of": 1}))
        );
        let wrong = [
            (json!({}), "the input is none for the skill sum: \"text\" is a required property"),
            (
                json!({"text": "abcd"}),
                "the input is none for the skill sum: at /text: \"abcd\" is longer than 3 characters",
            ),
            (
                json!({"text": "a", "skill": "x"}),
                "a skill brings its `skill` along: leave it out of the input",
            ),
            (
                json!({"text": "a", "instructions": "x"}),
                "a skill brings its `instructions` along: leave it out of the input",
            ),
        ];
        for (input, expected) in wrong {
            assert_eq!(fill(input), Err(expected.to_owned()));
        }
        let long = fill(json!({"text": "x".repeat(1_000)})).unwrap_err();
        let start = format!("the input is none for the skill sum: at /text: \"{}", "x".repeat(299));
        assert_eq!(long, format!("{start}…"));
        for other in ["sum.md", "skills/sum"] {
            assert_eq!(skills.get(other), skills.get("sum"));
        }
        let work = |input: Value| json!({"do": {"dispatch": {"hand": "wren/self", "input": input}}});
        let expanded = |mut value: Value| skills.expand(&mut value).map(|()| value);
        assert_eq!(
            expanded(work(json!({"skill": "sum", "text": 7}))),
            Err("the input is none for the skill sum: at /text: 7 is not of type \"string\"".to_owned())
        );
        // What an expression comes to is known when it is due.
        let later = expanded(work(json!({"skill": "sum", "of": ["{{ payload.text }}"]}))).unwrap();
        assert_eq!(later["do"]["dispatch"]["input"]["of"], json!(["{{ payload.text }}"]));
    }

    #[test]
    fn work_for_self_is_given_what_its_skill_says_and_nothing_of_it_is_a_template() {
        let text = "# Sum\n\nIn short.\n\nWrite {{ payload.x }} as {{{it}}} is.\n";
        let (skills, _) = skills(&[("skills/sum.md", text)]);
        let work = |hand: &str, input: Value| json!({"do": {"dispatch": {"hand": hand, "input": input}}});
        let expanded = |mut value: Value| skills.expand(&mut value).map(|()| value);

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
        assert!(
            wrong(json!({"skill": "sum", "instructions": "x"}))
                .starts_with("a skill brings its `instructions`")
        );
    }
}
