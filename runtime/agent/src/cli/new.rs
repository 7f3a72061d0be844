//! `agent new`: what a new home shall be comes from flags; from a short dialogue where somebody sits at a terminal and
//! has said nothing but the folder.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use dialoguer::{Input, Select};
use nexus_wire::AspectName;
use nexus_wire::name::HandName;
use nexus_wire::roster::AspectRole;

use super::{Context, Exit, Outcome, parse};
use crate::home::{Fault, Home, NewHome, Preset, SETTINGS_FILE, SOUL_FILE, scaffold};
use crate::provider::ProviderKind;

#[derive(Args, Debug)]
pub(super) struct New {
    /// The folder to make; it must not be there, or be empty
    home: PathBuf,
    /// The aspect's name; the folder's when not said
    #[arg(long)]
    name: Option<AspectName>,
    /// `frame` is the lead of a team, the others are each a `worker` [default: worker]
    #[arg(long, value_parser = parse_role)]
    role: Option<AspectRole>,
    /// What it is for, in a sentence
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Offer a Hand of this name
    #[arg(long)]
    hand: Option<HandName>,
    /// What makes it think: scripted, anthropic, command, ollama or openai [default: scripted]
    #[arg(long, value_parser = parse_provider)]
    provider: Option<ProviderKind>,
    /// The model, as the provider names it; a usual one when not said
    #[arg(long)]
    model: Option<String>,
    /// Where the provider's API is, when it is not the vendor's own
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The environment variable that holds the provider's key; the usual one when not said
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// What stands in when the provider fails: anthropic, ollama or openai, with `:` and a model if not the usual one.
    /// May be said again for one more
    #[arg(long, value_name = "PROVIDER[:MODEL]", value_parser = parse_stand_in)]
    failover: Vec<StandIn>,
    /// Make one that thinks nothing and runs what its settings name: scripts, waits and messages as Hands
    #[arg(long, conflicts_with_all = ["hand", "provider", "model", "base_url", "key_env", "failover", "tools"])]
    runner: bool,
    /// The tools it may use [default: read]
    #[arg(long, value_enum)]
    tools: Option<Tools>,
}

/// How much the tools may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Tools {
    /// Files are read; the team is talked to
    Read,
    /// Files are written, too
    Edit,
    /// Every tool there is, commands and the network included
    Full,
}

impl From<Tools> for Preset {
    fn from(tools: Tools) -> Self {
        match tools {
            Tools::Read => Self::Read,
            Tools::Edit => Self::Edit,
            Tools::Full => Self::Full,
        }
    }
}

/// Settings' own words for a role are the ones taken here.
fn parse_role(text: &str) -> Result<AspectRole, String> {
    parse(text, "frame or worker")
}

fn parse_provider(text: &str) -> Result<ProviderKind, String> {
    parse(text, "scripted, anthropic, command, ollama or openai")
}

/// A provider, and the model if it is not the usual one.
type StandIn = (ProviderKind, Option<String>);

fn parse_stand_in(text: &str) -> Result<StandIn, String> {
    let (kind, model) = match text.split_once(':') {
        Some((kind, model)) => (kind, Some(model.to_owned())),
        None => (text, None),
    };
    let kind = parse_provider(kind)?;
    if !STAND_INS.contains(&kind) {
        return Err(format!("{} cannot be made to stand in here; anthropic, ollama or openai", kind.name()));
    }
    Ok((kind, model))
}

/// Those that need nothing but a model and perhaps a key.
const STAND_INS: [ProviderKind; 3] = [ProviderKind::Anthropic, ProviderKind::Ollama, ProviderKind::Openai];

impl New {
    fn has_flags(&self) -> bool {
        let Self {
            home: _,
            name,
            role,
            description,
            hand,
            provider,
            model,
            base_url,
            key_env,
            failover,
            runner,
            tools,
        } = self;
        name.is_some()
            || role.is_some()
            || description.is_some()
            || hand.is_some()
            || provider.is_some()
            || model.is_some()
            || base_url.is_some()
            || key_env.is_some()
            || !failover.is_empty()
            || *runner
            || tools.is_some()
    }

    fn wanted(self, name: AspectName) -> NewHome {
        NewHome {
            name,
            role: self.role.unwrap_or_default(),
            description: self.description,
            provider: if self.runner { ProviderKind::None } else { self.provider.unwrap_or_default() },
            model: self.model,
            base_url: self.base_url,
            key_env: self.key_env,
            failover: self.failover,
            tools: self.tools.map_or(Preset::Read, Preset::from),
            hand: self.hand,
            runner: self.runner || self.provider == Some(ProviderKind::None),
        }
    }
}

pub(super) fn run(context: &mut Context<'_>, new: New) -> Outcome {
    let home = new.home.clone();
    let is_asked = !new.has_flags() && io::stdin().is_terminal() && io::stdout().is_terminal();
    let wanted = if is_asked {
        ask(&mut Terminal, name_of(&home).ok(), context.env)?
    } else {
        let name = match &new.name {
            Some(name) => name.clone(),
            None => name_of(&home)?,
        };
        new.wanted(name)
    };
    make(context, &home, &wanted)
}

fn make(context: &mut Context<'_>, home: &Path, wanted: &NewHome) -> Outcome {
    for path in scaffold(home, wanted)? {
        writeln!(context.out, "wrote {}", path.display())?;
    }
    let (name, loaded, parent) = (&wanted.name, Home::load(home, context.env), parent_of(home));
    let home = home.display();
    if wanted.runner {
        writeln!(context.out, "\n{name} has a home. Say what it runs in {home}/{SETTINGS_FILE},")?;
        writeln!(context.out, "under `runner`. What comes next:\n")?;
    } else {
        writeln!(
            context.out,
            "\n{name} has a home. Say who it is in {home}/{SOUL_FILE}, and what it may do in"
        )?;
        writeln!(context.out, "{home}/{SETTINGS_FILE}. What comes next:\n")?;
    }
    let key_missing = |fault: &&Fault| fault.field.ends_with(".api_key_env");
    for fault in loaded.as_ref().err().iter().flat_map(|faults| &faults.0).filter(key_missing) {
        writeln!(context.out, "  {}", fault.message)?;
    }
    writeln!(context.out, "  agent check {home}")?;
    writeln!(context.out, "  nexus serve --spawn {parent}")?;
    writeln!(
        context.out,
        "\nor, beside a broker that runs already (with its --data, if it has one):\n\n  nexus aspect add {name} --home {home}"
    )?;
    writeln!(context.out, "  agent {home}")?;
    Ok(Exit::Done)
}

fn parent_of(home: &Path) -> String {
    match home.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.display().to_string(),
        Some(_) | None => ".".to_owned(),
    }
}

fn name_of(home: &Path) -> Result<AspectName, String> {
    // `.` and `..` have no name of their own until they are resolved.
    let resolved = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let resolved = std::fs::canonicalize(&resolved).unwrap_or(resolved);
    let folder = resolved.file_name().unwrap_or_default().to_string_lossy();
    folder.parse().map_err(|error| format!("the folder cannot lend its name: {error}; give one with --name"))
}

type Asked<T> = Result<T, dialoguer::Error>;

/// Who is asked.
trait Person {
    /// A text; empty where that is allowed. `check` says what is wrong with one.
    fn text(
        &mut self,
        question: &str,
        usual: &str,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Asked<String>;
    /// One of these, by its place.
    fn choose(&mut self, question: &str, choices: &[String]) -> Asked<usize>;
    fn tell(&mut self, text: &str) -> Asked<()>;
}

fn ask(
    person: &mut dyn Person,
    usual_name: Option<AspectName>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<NewHome, Box<dyn std::error::Error>> {
    let any = |_: &str| Ok(());
    let as_name = |text: &str| text.parse::<AspectName>().map(drop).map_err(|error| error.to_string());
    let usual_name = usual_name.as_ref().map_or("", AspectName::as_str);
    let name = person.text("Its name", usual_name, &as_name)?.parse()?;
    let role =
        match person.choose("Its place in the team", &words(&["worker", "frame, the lead of the team"]))? {
            0 => AspectRole::Worker,
            _ => AspectRole::Frame,
        };
    let description = person.text("What it is for, in a sentence (may be empty)", "", &any)?;
    let kinds = [ProviderKind::Scripted, ProviderKind::Anthropic, ProviderKind::Openai, ProviderKind::Ollama];
    let shown: Vec<String> = kinds
        .iter()
        .map(|kind| match kind {
            ProviderKind::Scripted => "scripted (rules in a file; no key, no model)".to_owned(),
            ProviderKind::Anthropic
            | ProviderKind::Command
            | ProviderKind::None
            | ProviderKind::Ollama
            | ProviderKind::Openai => kind.name().to_owned(),
        })
        .collect();
    let provider = kinds.get(person.choose("What makes it think", &shown)?).copied().unwrap_or_default();
    let (mut model, mut base_url, mut key_env) = (None, None, None);
    if let Some(usual) = provider.usual_model() {
        let filled =
            |text: &str| if text.trim().is_empty() { Err("name a model".to_owned()) } else { Ok(()) };
        model = Some(person.text("The model", usual, &filled)?);
        base_url = not_empty(person.text("Where its API is (empty: where it usually is)", "", &any)?);
        if let Some(usual) = provider.usual_key_env().filter(|_| base_url.is_none()) {
            let variable = person.text("The variable that holds its key", usual, &filled_variable)?;
            if env(&variable).is_none_or(|key| key.trim().is_empty()) {
                person
                    .tell(&format!("{variable} is not set here; export it before the agent is started."))?;
            }
            key_env = Some(variable);
        }
    }
    let failover = match provider {
        // It thinks without a model, so there is nothing to fail.
        ProviderKind::None | ProviderKind::Scripted => Vec::new(),
        ProviderKind::Anthropic | ProviderKind::Command | ProviderKind::Ollama | ProviderKind::Openai => {
            ask_stand_in(person, env)?.into_iter().collect()
        }
    };
    let presets =
        ["read: files are read, the team is talked to", "edit: files are written, too", "full: every tool"];
    let tools = match person.choose("Its tools", &words(&presets))? {
        0 => Preset::Read,
        1 => Preset::Edit,
        _ => Preset::Full,
    };
    let as_hand = |text: &str| match text {
        "" => Ok(()),
        text => text.parse::<HandName>().map(drop).map_err(|error| error.to_string()),
    };
    let hand = not_empty(person.text("A Hand it offers to the team (empty: none)", "", &as_hand)?);
    let hand = hand.map(|hand| hand.parse()).transpose()?;
    let description = not_empty(description);
    Ok(NewHome {
        name,
        role,
        description,
        provider,
        model,
        base_url,
        key_env,
        failover,
        tools,
        hand,
        runner: false,
    })
}

fn ask_stand_in(
    person: &mut dyn Person,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<StandIn>, Box<dyn std::error::Error>> {
    let kinds = STAND_INS.iter().map(|kind| kind.name().to_owned());
    let choices: Vec<String> = std::iter::once("nothing".to_owned()).chain(kinds).collect();
    let chosen = person.choose("What stands in when that fails", &choices)?;
    let Some(kind) = chosen.checked_sub(1).and_then(|at| STAND_INS.get(at)).copied() else { return Ok(None) };
    let usual = kind.usual_model().unwrap_or_default();
    let filled = |text: &str| if text.trim().is_empty() { Err("name a model".to_owned()) } else { Ok(()) };
    let model = person.text("The model that stands in", usual, &filled)?;
    if let Some(variable) = kind.usual_key_env()
        && env(variable).is_none_or(|key| key.trim().is_empty())
    {
        person.tell(&format!("{variable} is not set here; export it before the agent is started."))?;
    }
    Ok(Some((kind, Some(model))))
}

fn filled_variable(text: &str) -> Result<(), String> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_one {
        Ok(())
    } else {
        Err("name a variable, such as OPENAI_API_KEY; not the key itself".to_owned())
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn not_empty(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whoever sits there.
struct Terminal;

impl Person for Terminal {
    fn text(
        &mut self,
        question: &str,
        usual: &str,
        check: &dyn Fn(&str) -> Result<(), String>,
    ) -> Asked<String> {
        let input = Input::<String>::new().with_prompt(question).allow_empty(true);
        let input = if usual.is_empty() { input } else { input.default(usual.to_owned()) };
        input.validate_with(|text: &String| check(text)).interact_text()
    }

    fn choose(&mut self, question: &str, choices: &[String]) -> Asked<usize> {
        Select::new().with_prompt(question).items(choices).default(0).interact()
    }

    fn tell(&mut self, text: &str) -> Asked<()> {
        Ok(writeln!(io::stdout(), "{text}")?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Answers in order; what is wrong with one is given back as the error.
    struct Scripted {
        answers: VecDeque<&'static str>,
        told: Vec<String>,
    }

    impl Person for Scripted {
        fn text(
            &mut self,
            question: &str,
            usual: &str,
            check: &dyn Fn(&str) -> Result<(), String>,
        ) -> Asked<String> {
            self.told.push(question.to_owned());
            loop {
                let answer = self.answers.pop_front().expect("one more answer");
                let answer = if answer == "-" { usual } else { answer };
                match check(answer) {
                    Ok(()) => return Ok(answer.to_owned()),
                    Err(wrong) => self.told.push(wrong),
                }
            }
        }

        fn choose(&mut self, question: &str, choices: &[String]) -> Asked<usize> {
            self.told.push(question.to_owned());
            let answer = self.answers.pop_front().expect("one more answer");
            Ok(choices.iter().position(|choice| choice.starts_with(answer)).expect("one of the choices"))
        }

        fn tell(&mut self, text: &str) -> Asked<()> {
            self.told.push(text.to_owned());
            Ok(())
        }
    }

    fn asked(answers: &[&'static str]) -> (NewHome, Vec<String>) {
        let mut person = Scripted { answers: answers.iter().copied().collect(), told: Vec::new() };
        let wanted = ask(&mut person, "robin".parse().ok(), &|_| None).expect("asked");
        assert!(person.answers.is_empty(), "{:?}", person.answers);
        (wanted, person.told)
    }

    #[test]
    fn who_takes_what_is_offered_gets_a_home_without_a_model() {
        let (wanted, told) = asked(&["-", "worker", "", "scripted", "read", ""]);
        let expected = NewHome {
            name: "robin".parse().expect("a name"),
            role: AspectRole::Worker,
            description: None,
            provider: ProviderKind::Scripted,
            model: None,
            base_url: None,
            key_env: None,
            failover: Vec::new(),
            tools: Preset::Read,
            hand: None,
            runner: false,
        };
        assert_eq!(wanted, expected);
        assert_eq!(told.len(), 6, "{told:?}");
    }

    #[test]
    fn what_is_no_answer_is_asked_again_and_a_key_that_is_not_set_is_told() {
        let (wanted, told) = asked(&[
            "Robin",
            "rob",
            "frame",
            "finds things",
            "openai",
            "-",
            "",
            "sk-123",
            "MY_KEY",
            "ollama",
            "-",
            "edit",
            "Find",
            "find",
        ]);
        assert_eq!(
            (wanted.name.as_str(), wanted.role, wanted.tools, wanted.description.as_deref()),
            ("rob", AspectRole::Frame, Preset::Edit, Some("finds things"))
        );
        assert_eq!(
            (wanted.model.as_deref(), wanted.base_url, wanted.key_env.as_deref()),
            (Some("gpt-5.4-mini"), None, Some("MY_KEY"))
        );
        assert_eq!(wanted.failover, [(ProviderKind::Ollama, Some("qwen3:8b".to_owned()))]);
        assert_eq!(wanted.hand.map(|hand| hand.to_string()).as_deref(), Some("find"));
        assert!(told.iter().any(|line| line.starts_with("name a variable")), "{told:?}");
        assert!(told.iter().any(|line| line.starts_with("MY_KEY is not set here")), "{told:?}");
    }

    #[test]
    fn a_server_of_ones_own_is_asked_for_no_key() {
        let (wanted, _) =
            asked(&["-", "worker", "", "openai", "m", "http://127.0.0.1:1/v1", "nothing", "full", ""]);
        assert_eq!(
            (wanted.base_url.as_deref(), wanted.key_env, wanted.tools),
            (Some("http://127.0.0.1:1/v1"), None, Preset::Full)
        );
    }
}
