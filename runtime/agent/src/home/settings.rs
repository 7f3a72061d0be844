//! The settings of an aspect once nobody has to check them again.
//!
//! Says what the fields mean to each other; every fault is found, not the first alone.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use nexus_schema::Schema;
use nexus_wire::budget::Budget;
use nexus_wire::hands::HandSpec;
use nexus_wire::limits;
use nexus_wire::name::HandName;
use nexus_wire::roster::{AspectRole, ContextMode};
use nexus_wire::{AspectName, Party};
use serde_json::Value;

use super::fault::Fault;
use super::raw::{
    Budgets, Isolation, RawApproval, RawHand, RawJudge, RawSettings, RawSide, RawTriage, Recall,
};
use super::roots::read_roots;
use super::source::{Source, join};
use super::unknown::instead;
use crate::provider::{ProviderConfig, ProviderKind, ProviderSettings, SettingsError};
use crate::runner::{Act, RawRunner, Runner};
use crate::sandbox::SandboxConfig;
use crate::servers::{Grant, ServerConfig};
use crate::tools::{FetchConfig, Leave, Root, Tool};

/// An answer that is not good then will not become so.
const REVISIONS_MAX: u32 = 3;
/// More of it would bury the message it is about.
const RECALL_HITS_MAX: u32 = 20;
const FAILOVER_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub name: AspectName,
    pub role: AspectRole,
    pub context_mode: ContextMode,
    pub description: String,
    pub provider: ProviderSettings,
    /// Those that stand in for it.
    pub failover: Vec<ProviderSettings>,
    /// Existing folders, symlinks resolved.
    pub roots: Vec<Root>,
    pub tools: Vec<Tool>,
    /// Tools of servers that it may use.
    pub grants: Vec<Grant>,
    pub leave: Leave,
    pub capabilities: Vec<String>,
    pub slots: u32,
    pub budgets: Budgets,
    pub judge: Option<Judging>,
    pub recall: Recall,
    pub fetch: FetchConfig,
    pub sandbox: SandboxConfig,
    pub triage: Triage,
    pub servers: Vec<ServerConfig>,
    /// Its own, and those of the runner.
    pub hands: Vec<Hand>,
    pub runner: Option<Runner>,
}

/// Which messages begin a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Triage {
    pub ignore: Vec<Party>,
    pub ignore_thanks: bool,
    pub model: Option<Side>,
}

impl Default for Triage {
    fn default() -> Self {
        Self { ignore: Vec::new(), ignore_thanks: true, model: None }
    }
}

/// A model that is asked beside the conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    pub instructions: String,
    /// Another provider than the aspect's.
    pub provider: Option<ProviderSettings>,
}

/// Another look at each answer before it is posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Judging {
    pub side: Side,
    /// How often an answer is written once more.
    pub revisions_max: u32,
}

/// A Hand this aspect offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Hand {
    /// As it is registered with the broker.
    pub spec: HandSpec,
    /// What it does instead of a turn.
    pub act: Option<Act>,
    pub instructions: String,
    pub tools: Vec<Tool>,
    pub rounds_max: Option<u32>,
    pub budget: Budget,
    pub isolation: Isolation,
    /// Another provider than the aspect's.
    pub provider: Option<ProviderSettings>,
    /// Another one than the aspect's.
    pub sandbox: Option<SandboxConfig>,
    pub grants: Vec<Grant>,
}

impl Hand {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.spec.timeout_s.into())
    }
}

impl Settings {
    /// Programs that are to think and are not there, by the field that names them.
    pub(super) fn programs_missing(&self, env: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        let path = env("PATH").unwrap_or_default();
        let is_there = |program: &str| match program.contains('/') {
            true => Path::new(program).is_file(),
            false => std::env::split_paths(&path).any(|folder| folder.join(program).is_file()),
        };
        let others = self.failover.iter().enumerate().map(|(at, it)| (format!("failover[{at}]"), it));
        std::iter::once(("provider".to_owned(), &self.provider))
            .chain(others)
            .filter_map(|(path, provider)| {
                let program = provider.command.as_ref()?.run.first()?;
                let message =
                    format!("there is no program {program}; install it, or name it with its folder");
                (!is_there(program)).then(|| (format!("{path}.command.run"), message))
            })
            .chain(self.runner.iter().flat_map(Runner::programs_missing))
            .collect()
    }

    pub fn hand(&self, name: &HandName) -> Option<&Hand> {
        self.hands.iter().find(|hand| hand.spec.name == *name)
    }
}

/// What a raw file is judged against besides itself.
pub(super) struct Judge<'a, E> {
    pub(super) source: &'a Source,
    pub(super) home: &'a Path,
    pub(super) env: E,
    pub(super) faults: &'a mut Vec<Fault>,
    /// Names of the servers there are.
    pub(super) servers: Vec<String>,
}

impl<E: Fn(&str) -> Option<String>> Judge<'_, E> {
    /// `None` exactly when there was a fault.
    pub(super) fn settings(&mut self, raw: RawSettings) -> Option<Settings> {
        self.lone(&raw);
        let provider = self.provider("provider", &raw.provider);
        let failover = self.failover(&raw);
        if raw.name.is_none() && !self.has_fault_at("name") {
            self.fault("name", "missing; give the aspect a name, for example \"name\": \"wren\"");
        }
        let roots = read_roots(self.home, &raw.roots, |path, message| {
            self.faults.push(self.source.fault(path, message));
        });
        self.servers = raw.mcp_servers.keys().cloned().collect();
        let servers = self.servers(&raw);
        let (tools, grants) = self.tools("tools", &raw.tools);
        let leave = self.leave(raw.approval);
        self.within("slots", raw.slots, 1, limits::SLOTS_MAX);
        self.within("budgets.turn_rounds_max", raw.budgets.turn_rounds_max, 1, u32::MAX);
        self.within("budgets.turn_seconds", raw.budgets.turn_seconds, 1, u32::MAX);
        self.within("budgets.tool_output_bytes", raw.budgets.tool_output_bytes, 1024, u32::MAX);
        self.within("budgets.outbox_posts", raw.budgets.outbox_posts, 1, u32::MAX);
        let judge = raw.judge.map(|judge| self.judging(judge));
        let triage = self.triage(raw.triage);
        self.within("recall.hits", raw.recall.hits, 0, RECALL_HITS_MAX);
        if !raw.recall.min_score.is_finite() || raw.recall.min_score < 0.0 {
            let score = raw.recall.min_score;
            self.fault("recall.min_score", format!("{score} is no score; a number from 0 on"));
        }
        for (field, message) in raw.fetch.faults().into_iter().chain(raw.sandbox.faults()) {
            self.fault(&field, message);
        }
        if raw.hands.len() > limits::HANDS_PER_ASPECT_MAX {
            let most = limits::HANDS_PER_ASPECT_MAX;
            self.fault("hands", format!("{} Hands are too many; at most {most}", raw.hands.len()));
        }
        let runner = raw.runner.and_then(|runner| self.runner(runner, &roots));
        let offered = runner.as_ref().map(|runner| runner.hands(&raw.capabilities, raw.slots));
        let offered = offered.unwrap_or_default();
        let mut names: HashSet<HandName> = offered.iter().map(|hand| hand.spec.name.clone()).collect();
        let hands: Vec<Option<Hand>> = raw
            .hands
            .into_iter()
            .enumerate()
            .map(|(at, hand)| self.hand(&format!("hands[{at}]"), hand, &mut names))
            .collect();
        if !self.faults.is_empty() {
            return None;
        }
        Some(Settings {
            name: raw.name?,
            role: raw.role,
            context_mode: raw.context_mode,
            description: raw.description,
            provider: provider?,
            failover: failover?,
            roots,
            tools,
            grants,
            leave,
            capabilities: raw.capabilities,
            slots: raw.slots,
            budgets: raw.budgets,
            judge: judge.flatten(),
            recall: raw.recall,
            fetch: raw.fetch,
            sandbox: raw.sandbox,
            triage: triage?,
            servers,
            hands: hands.into_iter().chain(offered.into_iter().map(Some)).collect::<Option<_>>()?,
            runner,
        })
    }

    /// `path` is where the provider stands: `failover[0]`.
    fn provider(&mut self, path: &str, raw: &ProviderConfig) -> Option<ProviderSettings> {
        let error = match raw.resolve(&self.env) {
            Ok(provider) => return Some(provider),
            Err(error) => error,
        };
        let field = field_of(&error);
        let said = error.to_string();
        // The message names its field itself.
        let said =
            said.strip_prefix(&field).map_or(said.as_str(), |rest| rest.trim_start_matches([':', ' ']));
        self.fault(&field.replacen("provider", path, 1), said);
        None
    }

    fn failover(&mut self, raw: &RawSettings) -> Option<Vec<ProviderSettings>> {
        if raw.failover.len() > FAILOVER_MAX {
            let count = raw.failover.len();
            self.fault("failover", format!("{count} providers are too many; at most {FAILOVER_MAX}"));
        }
        if raw.provider.kind.is_without_model() && !raw.failover.is_empty() {
            let kind = raw.provider.kind.name();
            self.fault(
                "failover",
                format!("the provider {kind} does not fail; remove the list, or name a model first"),
            );
            return None;
        }
        let mut stand_ins = Vec::with_capacity(raw.failover.len());
        for (at, raw) in raw.failover.iter().enumerate() {
            let path = format!("failover[{at}]");
            if raw.kind.is_without_model() {
                self.fault(&join(&path, "kind"), "a script is no stand-in for a model; name another kind");
            } else {
                stand_ins.push(self.provider(&path, raw));
            }
        }
        stand_ins.into_iter().collect()
    }

    fn side(&mut self, path: &str, raw: RawSide) -> Option<Side> {
        let RawSide { instructions, provider } = raw;
        let provider = match provider {
            Some(config) => Some(self.provider(path, &config)?),
            None => None,
        };
        Some(Side { instructions, provider })
    }

    fn triage(&mut self, raw: RawTriage) -> Option<Triage> {
        let RawTriage { ignore, ignore_thanks, model } = raw;
        let model = match model {
            Some(side) => Some(self.side("triage.model.provider", side)?),
            None => None,
        };
        Some(Triage { ignore, ignore_thanks, model })
    }

    fn judging(&mut self, raw: RawJudge) -> Option<Judging> {
        let RawJudge { instructions, provider, max } = raw;
        if instructions.trim().is_empty() && !self.has_fault_at("judge.instructions") {
            self.fault("judge.instructions", "missing; say what an answer has to be");
        }
        self.within("judge.max", max, 0, REVISIONS_MAX);
        let side = self.side("judge.provider", RawSide { instructions, provider })?;
        Some(Judging { side, revisions_max: max })
    }

    fn hand(&mut self, path: &str, raw: RawHand, names: &mut HashSet<HandName>) -> Option<Hand> {
        let at = |field: &str| format!("{path}.{field}");
        match &raw.name {
            None if self.has_fault_at(&at("name")) => {}
            None => self.fault(&at("name"), "missing; name the Hand, for example \"name\": \"verify-claim\""),
            Some(name) if name.is_own() => {
                self.fault(&at("name"), "every aspect offers \"self\" already; choose another name");
            }
            Some(name) if !names.insert(name.clone()) => {
                self.fault(
                    &at("name"),
                    format!("another Hand is called {name} already; choose another name"),
                );
            }
            Some(_) => {}
        }
        if raw.instructions.trim().is_empty() && !self.has_fault_at(&at("instructions")) {
            self.fault(&at("instructions"), "missing; say what the Hand shall do with its input");
        }
        let timeout_max = u32::try_from(limits::DEADLINE_MAX.as_secs()).unwrap_or(u32::MAX);
        self.within(&at("timeout_s"), raw.timeout_s, 1, timeout_max);
        if let Some(rounds) = raw.rounds_max {
            self.within(&at("rounds_max"), rounds, 1, u32::MAX);
        }
        let provider = raw.provider.as_ref().map(|config| self.provider(&at("provider"), config));
        for (field, said) in raw.sandbox.iter().flat_map(SandboxConfig::faults) {
            self.fault(&at(&field), said);
        }
        self.within(&at("concurrency"), raw.concurrency, 1, limits::SLOTS_MAX);
        for (field, schema) in [("input_schema", &raw.input_schema), ("output_schema", &raw.output_schema)] {
            let Some(schema) = schema else { continue };
            if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
                self.fault(&at(field), "a JSON Schema is an object, for example {\"type\": \"object\"}");
            } else if let Err(error) = Schema::compile(schema) {
                self.fault(&at(field), format!("cannot be used: {error}"));
            }
        }
        let (tools, grants) = self.tools(&at("tools"), &raw.tools);
        let spec = HandSpec {
            name: raw.name?,
            description: raw.description,
            input_schema: raw.input_schema,
            output_schema: raw.output_schema,
            timeout_s: raw.timeout_s,
            concurrency: raw.concurrency,
            allowed_invokers: raw.allowed_invokers,
            capabilities: raw.capabilities,
            idempotent: raw.idempotent,
        };
        let RawHand { instructions, rounds_max, isolation, sandbox, .. } = raw;
        let budget = raw.budget.into();
        // There was a fault, or there is none to have.
        let provider = provider.map_or(Some(None), |provider| provider.map(Some))?;
        Some(Hand {
            spec,
            act: None,
            instructions,
            tools,
            grants,
            rounds_max,
            budget,
            isolation,
            provider,
            sandbox,
        })
    }

    fn runner(&mut self, raw: RawRunner, roots: &[Root]) -> Option<Runner> {
        let faults = match raw.resolve(self.home, roots, &self.env) {
            Ok(runner) => return Some(runner),
            Err(faults) => faults,
        };
        for (field, message) in faults {
            let path = if field.is_empty() { "runner".to_owned() } else { join("runner", &field) };
            self.fault(&path, message);
        }
        None
    }

    /// What an aspect without a provider cannot have.
    fn lone(&mut self, raw: &RawSettings) {
        if raw.provider.kind != ProviderKind::None {
            return;
        }
        if raw.runner.is_none() {
            self.fault(
                "provider.kind",
                "nobody thinks here, so there has to be something to run; add a \"runner\"",
            );
        }
        for (at, _) in raw.hands.iter().enumerate().filter(|(_, hand)| hand.provider.is_none()) {
            self.fault(
                &format!("hands[{at}]"),
                "a Hand with instructions needs a model; give it a `provider` of its own, or the aspect one",
            );
        }
    }

    fn servers(&mut self, raw: &RawSettings) -> Vec<ServerConfig> {
        let mut servers = Vec::new();
        for (name, server) in &raw.mcp_servers {
            match server.resolve(name, self.home, &self.env) {
                Ok(config) => servers.push(config),
                Err(faults) => {
                    let path = join("mcp_servers", name);
                    for (field, message) in faults {
                        let path = if field.is_empty() { path.clone() } else { join(&path, &field) };
                        self.fault(&path, message);
                    }
                }
            }
        }
        servers
    }

    fn tools(&mut self, path: &str, names: &[String]) -> (Vec<Tool>, Vec<Grant>) {
        let mut tools = Vec::with_capacity(names.len());
        let mut grants = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let path = format!("{path}[{at}]");
            if let Some(grant) = Grant::of(name) {
                match self.servers.contains(&grant.server) {
                    true => grants.push(grant),
                    false => {
                        let known = self.servers.clone();
                        let instead = instead(&grant.server, known.iter().map(String::as_str));
                        self.fault(&path, format!("mcp_servers has no {:?}; {instead}", grant.server));
                    }
                }
                continue;
            }
            match Tool::from_name(name) {
                Some(tool) if tools.contains(&tool) => {
                    self.fault(&path, format!("{name} is in the list already"));
                }
                Some(tool) => tools.push(tool),
                None => {
                    let known = Tool::ALL.iter().map(|tool| tool.name());
                    self.fault(&path, format!("there is no tool {name:?}; {}", instead(name, known)));
                }
            }
        }
        (tools, grants)
    }

    fn leave(&mut self, raw: RawApproval) -> Leave {
        let RawApproval { policy, always, never, wait_s } = raw;
        self.tools("approval.always", &always);
        self.tools("approval.never", &never);
        for (at, name) in never.iter().enumerate().filter(|(_, name)| always.contains(name)) {
            self.fault(&format!("approval.never[{at}]"), format!("{name} is in `always`, too; choose one"));
        }
        if let Some(wait_s) = wait_s {
            let most = u32::try_from(limits::APPROVAL_DEADLINE_MAX.as_secs()).unwrap_or(u32::MAX);
            self.within("approval.wait_s", wait_s, 1, most);
        }
        Leave { policy, always, never, wait_s }
    }

    fn within(&mut self, path: &str, value: u32, least: u32, most: u32) {
        if value < least {
            self.fault(path, format!("{value} is too small; at least {least}"));
        } else if value > most {
            self.fault(path, format!("{value} is too large; at most {most}"));
        }
    }

    fn fault(&mut self, path: &str, message: impl Display) {
        self.faults.push(self.source.fault(path, message.to_string()));
    }

    /// What could not even be read has been told already.
    fn has_fault_at(&self, path: &str) -> bool {
        self.faults.iter().any(|fault| fault.field == path)
    }
}

fn field_of(error: &SettingsError) -> String {
    match error {
        SettingsError::ModelMissing(..) => "provider.model".to_owned(),
        SettingsError::KeyNotSet(_) | SettingsError::KeyMalformed(_) => "provider.api_key_env".to_owned(),
        SettingsError::BaseUrl { .. } => "provider.base_url".to_owned(),
        SettingsError::CommandEnv(_) => "provider.command.env".to_owned(),
        SettingsError::CommandMissing => "provider.command.run".to_owned(),
        SettingsError::Zero(field)
        | SettingsError::BesideCredential(field)
        | SettingsError::Meaningless { field, .. } => format!("provider.{field}"),
        SettingsError::ExtraOfThinking(name) | SettingsError::ExtraReserved(name) => {
            format!("provider.extra.{name}")
        }
    }
}
