//! `runner` in `aspect.json`: what may be done without a model, and within which bounds.
//!
//! What a dispatch says is data: it picks a script by its name and a server from a list, and nothing it holds becomes a
//! program, a folder, a variable or a header's name that these settings did not allow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nexus_schema::Schema;
use nexus_wire::Party;
use nexus_wire::limits::{DEADLINE_MAX, FILE_WATCHES_PER_ASPECT_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::watch::{RawWatch, Watch};
use super::webhook::{RawWebhook, Webhook};
use crate::provider::Secret;
use crate::tools::{Root, Roots};

/// A broker's deadline ends everything; what is to end by itself ends a little earlier.
const SECONDS_MAX: u32 = (DEADLINE_MAX.as_secs() as u32) - 60;
const ARGS_MAX: u32 = 64;
const SCRIPTS_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 64;
const OUTPUT_BYTES: (u32, u32) = (256, 256 * 1024);
/// Beside what the sandbox sets itself: these say which code a program runs, or what it is told by the runner.
const KEPT_VARIABLES: [&str; 6] = ["HOME", "LANG", "PATH", "TERM", "TMPDIR", "IFS"];
const KEPT_BEGINNINGS: [&str; 4] = ["LD_", "NEXUS_", "BASH_", "DYLD_"];

/// What this aspect does without a model; each part is a Hand that it offers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRunner {
    /// Programs that may be run, by the name that a dispatch picks one by. The Hands `script` and `script-repeatable`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, RawScript>,
    /// The Hand `webhook`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<RawWebhook>,
    /// The Hand `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<RawWait>,
    /// The Hand `notify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<RawNotify>,
    /// Folders whose changes are reported to the broker, by the name that a trigger waits for one by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub watches: BTreeMap<String, RawWatch>,
}

/// A program that may be run.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("required" = ["run"]))]
#[serde(deny_unknown_fields, default)]
pub struct RawScript {
    /// What it does, for whoever picks one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Needed. The program, and the arguments that stand before those of a dispatch. A program without `/` is one of the
    /// system's; any other is a file, relative to the home.
    pub run: Vec<String>,
    /// Where it begins, as `<root>/<path>`; the first root that may be written in unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How many arguments a dispatch may add; none unless said.
    pub args_max: u32,
    /// What these arguments are.
    pub args: ArgKind,
    /// Whether one of them may begin with `-`. One behind a `--` at the end of `run` always may.
    pub options: bool,
    /// Variables of the agent that it gets; it gets no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// JSON Schema of the `input` it takes; anything unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// What it writes to its standard output.
    pub output: OutputForm,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it may be run again when nobody knows how far it came.
    pub repeatable: bool,
    /// How long it may take. Then it is ended with all it has started.
    pub timeout_s: u32,
    /// What is kept of each of its two outputs; of more, the middle is left out.
    pub output_bytes: u32,
}

impl Default for RawScript {
    fn default() -> Self {
        Self {
            description: String::new(),
            run: Vec::new(),
            folder: None,
            args_max: 0,
            args: ArgKind::default(),
            options: false,
            env: Vec::new(),
            input_schema: None,
            output: OutputForm::default(),
            network: false,
            repeatable: false,
            timeout_s: 60,
            output_bytes: 64 * 1024,
        }
    }
}

/// What the arguments of a dispatch are to a script.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgKind {
    /// Texts that are passed on as they are.
    #[default]
    Text,
    /// Files and folders that are there, as `<root>/<path>`; the script gets their absolute paths.
    Path,
}

/// What a script writes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputForm {
    #[default]
    Text,
    /// One JSON value; anything else is a failure.
    Json,
}

/// Waits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWait {
    /// The longest wait.
    pub seconds_max: u32,
}

impl Default for RawWait {
    fn default() -> Self {
        Self { seconds_max: 3600 }
    }
}

/// Tells somebody something.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawNotify {
    /// Who may be told: aspects, and operators as `operator/<name>`; anybody unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<Party>>,
    /// Services outside that may be told, by the name that a dispatch picks one by: each an address as the Hand `webhook`
    /// takes it, of a server that `webhook` allows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub webhooks: BTreeMap<String, String>,
}

/// The same once nobody has to check it again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runner {
    pub(super) scripts: BTreeMap<String, Script>,
    pub(super) webhook: Option<Webhook>,
    pub(super) wait: Option<Duration>,
    pub(super) notify: Option<RawNotify>,
    pub(crate) watches: Vec<Watch>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    pub(super) about: RawScript,
    /// The program, absolute or one of the system's, and what follows.
    pub(super) argv: Vec<String>,
    /// Where it begins, as `<root>/<path>`.
    pub(super) folder: String,
    pub(super) env: Vec<(String, Secret)>,
}

/// A field below `runner` and what is wrong with it.
type Found = (String, String);

impl RawRunner {
    /// What it means, or every fault of it. Looks at folders.
    pub(crate) fn resolve(
        self,
        home: &Path,
        roots: &[Root],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Runner, Vec<Found>> {
        let mut faults = Vec::new();
        let Self { scripts: raw, webhook, wait, notify, watches } = self;
        if raw.is_empty() && webhook.is_none() && wait.is_none() && notify.is_none() && watches.is_empty() {
            let message = "it offers nothing; name some `scripts`, or add \"wait\": {}";
            faults.push((String::new(), message.to_owned()));
        }
        if raw.len() > SCRIPTS_MAX {
            faults.push(("scripts".to_owned(), format!("{} are too many; at most {SCRIPTS_MAX}", raw.len())));
        }
        let mut scripts = BTreeMap::new();
        for (name, about) in raw {
            let at = format!("scripts.{name}");
            if !is_name(&name) {
                let message = format!(
                    "{name:?} is no name of a script: 1 to {NAME_BYTES_MAX} of a-z, 0-9, - and _, a letter first"
                );
                faults.push((at.clone(), message));
            }
            match about.resolve(home, roots, env) {
                Ok(script) => _ = scripts.insert(name, script),
                Err(found) => faults.extend(found.into_iter().map(|(field, message)| match field.as_str() {
                    "" => (at.clone(), message),
                    field => (format!("{at}.{field}"), message),
                })),
            }
        }
        let calls_servers = webhook.is_some();
        let webhook = webhook.map(|webhook| webhook.resolve(env)).transpose().unwrap_or_else(|found| {
            let placed = |(field, message): Found| match field.as_str() {
                "" => ("webhook".to_owned(), message),
                field => (format!("webhook.{field}"), message),
            };
            faults.extend(found.into_iter().map(placed));
            None
        });
        for (name, address) in notify.iter().flat_map(|notify| &notify.webhooks) {
            let checked = match &webhook {
                _ if !is_name(name) => Err(format!("{name:?} is no name: a-z, 0-9, - and _, a letter first")),
                // Its own faults are told of.
                None if calls_servers => Ok(()),
                None => {
                    Err("`webhook` says which servers are called; name this one in its `hosts`".to_owned())
                }
                Some(webhook) => webhook.check(address),
            };
            if let Err(message) = checked {
                faults.push((format!("notify.webhooks.{name}"), message));
            }
        }
        if let Some(RawWait { seconds_max }) = wait
            && !(1..=SECONDS_MAX).contains(&seconds_max)
        {
            let message = format!("{seconds_max} is not from 1 to {SECONDS_MAX}");
            faults.push(("wait.seconds_max".to_owned(), message));
        }
        if watches.len() > FILE_WATCHES_PER_ASPECT_MAX {
            let message = format!("{} are too many; at most {FILE_WATCHES_PER_ASPECT_MAX}", watches.len());
            faults.push(("watches".to_owned(), message));
        }
        let mut resolved = Vec::with_capacity(watches.len());
        for (name, watch) in watches {
            match watch.resolve(&name, roots) {
                Ok(watch) => resolved.push(watch),
                Err(found) => faults.extend(found.into_iter().map(|(field, message)| match field.as_str() {
                    "" => (format!("watches.{name}"), message),
                    field => (format!("watches.{name}.{field}"), message),
                })),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let wait = wait.map(|wait| Duration::from_secs(wait.seconds_max.into()));
        Ok(Runner { scripts, webhook, wait, notify, watches: resolved })
    }
}

impl RawScript {
    fn resolve(
        self,
        home: &Path,
        roots: &[Root],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Script, Vec<Found>> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, message: String| faults.push((field.to_owned(), message));
        match self.run.first().map(String::as_str) {
            None | Some("") => {
                fault("run", "missing; name the program, for example \"run\": [\"git\", \"log\"]".to_owned());
            }
            Some(program) if program.starts_with('-') => {
                fault("run[0]", format!("{program:?} is an option; the program stands first"));
            }
            Some(program) if lies_outside(home, roots, program) => {
                let message = format!(
                    "{program:?} lies in no root, so nothing there is run; put it into one, and name it from the home"
                );
                fault("run[0]", message);
            }
            Some(_) => {}
        }
        for (at, part) in self.run.iter().enumerate().filter(|(_, part)| part.contains('\0')) {
            fault(&format!("run[{at}]"), format!("{part:?} holds a NUL byte, which no argument can"));
        }
        for (field, value, least, most) in [
            ("args_max", self.args_max, 0, ARGS_MAX),
            ("timeout_s", self.timeout_s, 1, SECONDS_MAX),
            ("output_bytes", self.output_bytes, OUTPUT_BYTES.0, OUTPUT_BYTES.1),
        ] {
            if !(least..=most).contains(&value) {
                fault(field, format!("{value} is not from {least} to {most}"));
            }
        }
        if let Some(error) = self.input_schema.as_ref().and_then(|schema| Schema::compile(schema).err()) {
            fault("input_schema", format!("cannot be used: {error}"));
        }
        let mut variables = Vec::new();
        for (at, name) in self.env.iter().enumerate() {
            match variable(name, env) {
                Ok(value) => variables.push((name.clone(), value)),
                Err(message) => fault(&format!("env[{at}]"), message),
            }
        }
        let first = roots.iter().find(|root| root.write).or_else(|| roots.first());
        let folder = self.folder.clone().or_else(|| first.map(|root| root.label.clone()));
        match &folder {
            None => fault("", "there is no root to run it in; name one as `roots`".to_owned()),
            Some(folder) => match Roots::new(roots.to_vec()).resolve(folder) {
                Ok(place) if place.is_folder() => {}
                Ok(_) => fault("folder", format!("{folder:?} is a file; name the folder to begin in")),
                Err(error) => fault("folder", error.to_string()),
            },
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut argv = self.run.clone();
        if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
            *program = home.join(&*program).to_string_lossy().into_owned();
        }
        Ok(Script { folder: folder.unwrap_or_default(), argv, env: variables, about: self })
    }
}

/// Whether a program of the home is where no script reaches. One that is missing is told by `agent check`.
fn lies_outside(home: &Path, roots: &[Root], program: &str) -> bool {
    let is_of_home = program.contains('/') && !Path::new(program).is_absolute();
    let place = is_of_home.then(|| home.join(program).canonicalize().ok()).flatten();
    place.is_some_and(|place| !roots.iter().any(|root| place.starts_with(&root.path)))
}

/// The value of a variable that a script may be given.
fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_plain || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{name:?} is no name of a variable: letters, digits and _"));
    }
    if KEPT_VARIABLES.contains(&name) || KEPT_BEGINNINGS.iter().any(|begins| name.starts_with(begins)) {
        return Err(format!("{name} is not passed on: it would say which code the program runs"));
    }
    let found = env(name)
        .ok_or_else(|| format!("the variable {name} is not set; set it where the agent is started"))?;
    if found.contains('\0') { Err(format!("{name} holds a NUL byte")) } else { Ok(Secret::new(found)) }
}

pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fits)
}

impl Runner {
    /// Programs that are not there, by the field that names them. `searched` are the folders of the system's programs.
    pub(crate) fn programs_missing(&self) -> Vec<(String, String)> {
        let missing = |(name, script): (&String, &Script)| {
            let program = script.argv.first()?;
            let is_there = match program.contains('/') {
                true => Path::new(program).is_file(),
                false => crate::sandbox::searched().any(|folder| folder.join(program).is_file()),
            };
            let message = match PathBuf::from(program).is_absolute() {
                true => format!("there is no file {program}; make it, or name another one"),
                false => format!(
                    "there is no program {program} in {}; install it, or name it with its folder",
                    crate::sandbox::SEARCHED
                ),
            };
            (!is_there).then(|| (format!("runner.scripts.{name}.run[0]"), message))
        };
        self.scripts.iter().filter_map(missing).collect()
    }
}
