//! What turns and Hands work with: made of the files of the home, and made anew when they change. Work that has begun
//! keeps what it began with; what begins after a change begins with the new.
//!
//! A change that cannot be used leaves everything as it is, and is told with file, line and column.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use nexus_client::Broker;
use nexus_wire::name::HandName;
use tokio::sync::watch;

use super::compact::Compactor;
use crate::home::{Fault, Faults, Home, Persona, SETTINGS_FILE, Settings};
use crate::provider::{Provider, ProviderSettings, ProviderStartError, Via};
use crate::sandbox::{self, Sandbox};
use crate::servers::Servers;
use crate::tools::{Claims, Fetcher, Reach, Roots, Toolbox};
use crate::trace::Teller;
use crate::turn::{Day, Rules};
use crate::uplink::Line;

#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) settings: Settings,
    pub(crate) persona: Persona,
    pub(crate) provider: Arc<Provider>,
    others: Others,
    pub(crate) servers: Servers,
    pub(crate) toolbox: Toolbox,
    pub(crate) teller: Teller,
    /// To the services behind the broker's credentials.
    pub(crate) via: Via,
}

impl Kit {
    /// Of a turn in a session.
    pub(crate) fn rules(&self, day: Day) -> Rules {
        let turn = self.settings.budgets.turn.into();
        Rules {
            rounds_max: self.settings.budgets.turn_rounds_max,
            natures: self.toolbox.natures(),
            budget: turn,
            helping: turn,
            day,
            revisions_max: self.settings.judge.as_ref().map(|judge| judge.revisions_max),
        }
    }

    /// `line`: to ask how things stand afterwards.
    pub(crate) fn compactor(&self, line: Option<Line>) -> Compactor {
        let Settings { name, provider, .. } = &self.settings;
        Compactor {
            provider: Arc::clone(&self.provider),
            max_tokens: provider.max_tokens,
            window: provider.context_window,
            line,
            aspect: name.to_string(),
        }
    }
}

/// Providers that are not the aspect's own one; absent where its own one does.
#[derive(Debug, Default)]
struct Others {
    triage: Option<Arc<Provider>>,
    judge: Option<Arc<Provider>>,
    hands: BTreeMap<HandName, Arc<Provider>>,
}

impl Kit {
    pub(crate) fn provider_of_triage(&self) -> &Arc<Provider> {
        self.others.triage.as_ref().unwrap_or(&self.provider)
    }

    pub(crate) fn provider_of_judge(&self) -> &Arc<Provider> {
        self.others.judge.as_ref().unwrap_or(&self.provider)
    }

    pub(crate) fn provider_of_hand(&self, hand: &HandName) -> &Arc<Provider> {
        self.others.hands.get(hand).unwrap_or(&self.provider)
    }
}

/// What a kit is made of besides the files.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) home: PathBuf,
    /// Looks a variable up.
    pub(crate) env: fn(&str) -> Option<String>,
    pub(crate) via: Via,
    pub(crate) broker: Broker,
    pub(crate) line: Line,
    pub(crate) claims: Claims,
    pub(crate) teller: Teller,
}

impl Bench {
    /// What need not be made anew is taken over from the kit `before`.
    fn make(&self, home: Home, before: Option<&Kit>) -> Result<Kit, ProviderStartError> {
        let Home { settings, persona, .. } = home;
        let same = |before: &&Kit| {
            before.settings.provider == settings.provider && before.settings.failover == settings.failover
        };
        let provider = match before.filter(same) {
            Some(before) => Arc::clone(&before.provider),
            None => {
                let (first, others) = (settings.provider.clone(), settings.failover.clone());
                Arc::new(Provider::with_stand_ins(first, others, &self.home, Some(&self.via))?)
            }
        };
        let servers = match before.filter(|before| before.settings.servers == settings.servers) {
            Some(before) => before.servers.clone(),
            None => Servers::start(&settings.servers),
        };
        let toolbox = Toolbox::new(
            settings.tools.clone(),
            Reach {
                roots: Roots::new(settings.roots.clone()),
                sandbox: Sandbox::new(settings.sandbox.clone(), sandbox::own_program()),
                fetcher: Fetcher::new(settings.fetch.clone()),
            },
            self.line.clone(),
            self.claims.clone(),
            Some(self.broker.clone()),
            usize::try_from(settings.budgets.tool_output_bytes).unwrap_or(usize::MAX),
        )
        .with_leave(settings.leave.clone())
        .with_servers(servers.clone(), settings.grants.clone());
        let teller = self.teller.with(&settings);
        let others = self.others(&settings)?;
        Ok(Kit { settings, persona, provider, others, servers, toolbox, teller, via: self.via.clone() })
    }

    fn others(&self, settings: &Settings) -> Result<Others, ProviderStartError> {
        let make = |settings: &ProviderSettings| {
            Provider::through(settings.clone(), &self.home, Some(&self.via)).map(Arc::new)
        };
        let triage = settings.triage.model.as_ref().and_then(|side| side.provider.as_ref());
        let judge = settings.judge.as_ref().and_then(|judge| judge.side.provider.as_ref());
        let hands = settings.hands.iter().filter_map(|hand| Some((&hand.spec.name, hand.provider.as_ref()?)));
        Ok(Others {
            triage: triage.map(make).transpose()?,
            judge: judge.map(make).transpose()?,
            hands: hands
                .map(|(name, settings)| Ok((name.clone(), make(settings)?)))
                .collect::<Result<_, ProviderStartError>>()?,
        })
    }
}

/// The kit of the moment, and where the next one comes from.
#[derive(Debug)]
pub(crate) struct Kits {
    bench: Bench,
    current: watch::Sender<Arc<Kit>>,
    looked: Mutex<Looked>,
    /// What is wrong with the files as they are now; empty when nothing is.
    faults: watch::Sender<Vec<Fault>>,
}

/// What the last look found.
#[derive(Debug)]
struct Looked {
    settings: Option<Vec<u8>>,
    persona: Result<Persona, Vec<Fault>>,
}

impl Looked {
    fn at(bench: &Bench) -> Self {
        let settings = std::fs::read(bench.home.join(SETTINGS_FILE)).ok();
        Self { settings, persona: Persona::read(&bench.home) }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.settings == other.settings && self.persona == other.persona
    }
}

impl Kits {
    pub(crate) fn new(bench: Bench, home: Home) -> Result<Self, ProviderStartError> {
        let looked = Mutex::new(Looked::at(&bench));
        let (current, _) = watch::channel(Arc::new(bench.make(home, None)?));
        let (faults, _) = watch::channel(Vec::new());
        Ok(Self { bench, current, looked, faults })
    }

    pub(crate) fn current(&self) -> Arc<Kit> {
        Arc::clone(&self.current.borrow())
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Kit>> {
        self.current.subscribe()
    }

    /// Changes with what is wrong with the files.
    pub(crate) fn faults(&self) -> watch::Receiver<Vec<Fault>> {
        self.faults.subscribe()
    }

    /// What is wrong with the files as they are now, in one line; `None` when nothing is.
    pub(crate) fn broken(&self) -> Option<String> {
        let faults = self.faults.borrow();
        let first = faults.first()?;
        let others = match faults.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more; agent check names all of them)"),
        };
        Some(format!("{first}{others}"))
    }

    /// Looks at the files and takes what they hold now. For a thread that may block.
    pub(crate) fn look(&self) {
        // One look at a time: an earlier one must not put back what a later one has found.
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Looked::at(&self.bench);
        // What was wrong may have been a folder or a file beside these.
        if looked.is_same_as(&now) && self.faults.borrow().is_empty() {
            return;
        }
        *looked = now;
        match self.read() {
            Ok(None) => self.mended(),
            Ok(Some((kit, changed))) => {
                tracing::info!("changed: {}; it counts from the next turn", changed.join(", "));
                self.current.send_replace(Arc::new(kit));
                self.mended();
            }
            Err(faults) => self.found(faults),
        }
    }

    /// The new kit and what is new about it; `None` when that is nothing.
    fn read(&self) -> Result<Option<(Kit, Vec<&'static str>)>, Vec<Fault>> {
        let before = self.current();
        let home = Home::load(&self.bench.home, self.bench.env).map_err(|Faults(faults)| faults)?;
        let needs_a_start = needs_a_start(&before.settings, &home.settings);
        if !needs_a_start.is_empty() {
            let file = self.bench.home.join(SETTINGS_FILE);
            let fault = |field: &str| Fault {
                field: field.to_owned(),
                ..Fault::of_file(&file, "this cannot change while the agent runs; stop it and start it again")
            };
            return Err(needs_a_start.into_iter().map(fault).collect());
        }
        let changed = changed(&before, &home);
        if changed.is_empty() {
            return Ok(None);
        }
        let kit = self.bench.make(home, Some(&before)).map_err(|error| {
            let file = self.bench.home.join(SETTINGS_FILE);
            vec![Fault { field: "provider".to_owned(), ..Fault::of_file(file, error.to_string()) }]
        })?;
        Ok(Some((kit, changed)))
    }

    fn found(&self, mut faults: Vec<Fault>) {
        for fault in &mut faults {
            if fault.field.ends_with(".api_key_env") {
                fault.message.push_str("; a variable set later is seen after the agent was started again");
            }
        }
        if *self.faults.borrow() == faults {
            return;
        }
        for fault in &faults {
            tracing::error!("{fault}");
        }
        tracing::error!("the settings stay what they were until that is mended");
        self.faults.send_replace(faults);
    }

    fn mended(&self) {
        if !self.faults.borrow().is_empty() {
            tracing::info!("the files of the home are in order again");
            self.faults.send_replace(Vec::new());
        }
    }
}

/// Fields that sessions and the link depend on from the start.
fn needs_a_start(before: &Settings, now: &Settings) -> Vec<&'static str> {
    [("name", before.name != now.name), ("context_mode", before.context_mode != now.context_mode)]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
}

/// What is not the same in `now`, as a person calls it.
fn changed(before: &Kit, now: &Home) -> Vec<&'static str> {
    let (persona, next) = (before.persona != now.persona, &now.settings);
    let Settings {
        name: _,
        role,
        context_mode: _,
        description,
        provider,
        failover,
        roots,
        tools,
        grants,
        leave,
        capabilities,
        slots,
        budgets,
        judge,
        recall,
        fetch,
        sandbox,
        triage,
        servers,
        hands,
        runner,
    } = &before.settings;
    [
        ("persona", persona),
        ("role", *role != next.role),
        ("description", *description != next.description),
        ("provider", *provider != next.provider),
        ("failover", *failover != next.failover),
        ("roots", *roots != next.roots),
        ("tools", *tools != next.tools || *grants != next.grants),
        ("approval", *leave != next.leave),
        ("capabilities", *capabilities != next.capabilities),
        ("slots", *slots != next.slots),
        ("budgets", *budgets != next.budgets),
        ("judge", *judge != next.judge),
        ("recall", *recall != next.recall),
        ("fetch", *fetch != next.fetch),
        ("sandbox", *sandbox != next.sandbox),
        ("triage", *triage != next.triage),
        ("mcp_servers", *servers != next.servers),
        ("hands", *hands != next.hands),
        ("runner", *runner != next.runner),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests;
