//! `nexus tenant`: makes a Nexus of its own for somebody, beside those of others in one broker.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use nexus_wire::Ms;
use serde::Serialize;
use tokio::time::sleep;

use super::CliError;
use super::print::{say, table};
use crate::clock;
use crate::config::{Config, FILE as CONFIG_FILE, tenants_hosts, tenants_url};
use crate::datadir::{DataDir, DataDirError, Lock};
use crate::hub::records::Reads;
use crate::setup::{FIRST_OPERATOR, Setup};
use crate::store::SqliteReader;
use crate::tenants::{
    FOLDER, OFF, Tenancy, TenantName, TenantsError, all, fault_of, folder_of, is_nexus, note_fault, restart,
};

const POLL: Duration = Duration::from_millis(50);
/// A broker looks every second which tenants there are.
const SERVED_WAIT: Duration = Duration::from_secs(15);
/// Agents get their time to end.
const END_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Make a tenant: a whole Nexus of its own, which this broker serves under a name of its own
    Add {
        /// What to call it: a lower-case name, which stands before the broker's own: NAME.localhost
        name: TenantName,
        /// Under which a proxy shows it, such as https://acme.example [default: the broker's, with NAME before it]
        #[arg(long, value_name = "URL", value_parser = tenants_url)]
        public_url: Option<String>,
        /// Further host names that lead to it; may be given several times
        #[arg(long = "allowed-host", value_name = "HOST", value_parser = one_host)]
        allowed_hosts: Vec<String>,
    },
    /// Show them: whether they are served, where, who is in, and what was spent
    List {
        /// How they are shown
        #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
        output: Output,
    },
    /// Have the broker begin a tenant anew, with its settings as they are now; its links close and come back
    Restart {
        /// Which
        name: TenantName,
    },
    /// Have a tenant served no more; its folder is moved aside, and nothing in it is deleted
    Remove {
        /// Which
        name: TenantName,
        /// Although it is being served: its links close, its agents end
        #[arg(long)]
        force: bool,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Output {
    #[default]
    Table,
    Json,
}

/// `config`: the broker's.
pub(super) async fn run(tenant: Tenant, mut config: Config) -> Result<(), CliError> {
    let broker = config.data.clone();
    if Tenancy::of(&broker).is_some() {
        return Err(TenantsError::Nested(broker).into());
    }
    if !is_nexus(&broker) {
        return Err(TenantsError::NoBroker(broker).into());
    }
    // One that runs may have been told another on its command line.
    if let Some(port) = holder(&broker).flatten().and_then(|url| url.rsplit_once(':')?.1.parse().ok()) {
        config.listen.set_port(port);
    }
    match tenant {
        Tenant::Add { name, public_url, allowed_hosts } => {
            add(&name, &config, &settings(public_url.as_deref(), &allowed_hosts)).await
        }
        Tenant::Restart { name } => restart(&broker, &name).await,
        Tenant::List { output } => {
            list(&config, output);
            Ok(())
        }
        Tenant::Remove { name, force } => Ok(remove(&broker, &name, force).await?),
    }
}

/// One name, as a setting takes several.
fn one_host(text: &str) -> Result<String, String> {
    match &tenants_hosts(text)?[..] {
        [host] => Ok(host.clone()),
        _ => Err("one host name; give the flag several times for several".to_owned()),
    }
}

/// The file of a tenant that is to have these. What is in them needs no quoting.
fn settings(public_url: Option<&str>, allowed_hosts: &[String]) -> String {
    let url = public_url.filter(|url| !url.is_empty()).map(|url| format!("public_url = \"{url}\"\n"));
    let hosts: Vec<String> = allowed_hosts.iter().map(|host| format!("\"{host}\"")).collect();
    let hosts = (!hosts.is_empty()).then(|| format!("allowed_hosts = [{}]\n", hosts.join(", ")));
    url.into_iter().chain(hosts).collect()
}

/// `settings`: its file, empty for none.
async fn add(name: &TenantName, config: &Config, settings: &str) -> Result<(), CliError> {
    let (broker, folder) = (&config.data, folder_of(&config.data, name));
    if folder.symlink_metadata().is_ok() {
        return Err(TenantsError::There(name.clone()).into());
    }
    let tenants = broker.join(FOLDER);
    let changed = |source| TenantsError::Change { path: tenants.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(&tenants).map_err(changed)?;
    // The broker must not see it before it is whole.
    let made = tenants.join(format!(".{name}.{}.new", std::process::id()));
    let env = |name: &str| std::env::var(name).ok();
    if !settings.is_empty() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&made).and_then(|()| {
            let file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(made.join(CONFIG_FILE));
            file?.write_all(settings.as_bytes())
        });
        made.map_err(changed)?;
    }
    let (tenant, _) = Config::of_tenant(&made, name, config, env)?;
    let setup_token = Setup::open(&tenant)?.setup_token.take();
    match std::fs::rename(&made, &folder).and_then(|()| File::open(&tenants)?.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            return Err(TenantsError::There(name.clone()).into());
        }
        renamed => renamed.map_err(changed)?,
    }
    let url = served(broker, name).await;
    let at = tenant.public_url.clone().or_else(|| in_browser(config, name)).or_else(|| url.clone());
    let at = at.unwrap_or_else(|| tenant.url());
    say(format_args!("{name} is a Nexus of its own:"));
    say(format_args!("  data       {}", folder.display()));
    say(format_args!("  url        {}", url.clone().unwrap_or_else(|| tenant.url())));
    say(format_args!("  dashboard  {at}/"));
    say(format_args!("  token      {} (operator {FIRST_OPERATOR})", folder.join("operator.token").display()));
    if let Some(token) = setup_token {
        say(format_args!(
            "\nWhoever opens this link becomes its admin, once, within 24 hours; it is shown once:\n\n  {at}/#setup={token}\n"
        ));
    }
    match url {
        Some(_) => say(format_args!("The broker serves it by now")),
        None => match fault_of(broker, name) {
            Some(fault) => say(format_args!("The broker cannot serve it: {fault}")),
            None => say(format_args!(
                "It is served when the broker runs: nexus serve --data {}",
                broker.display()
            )),
        },
    }
    Ok(())
}

async fn restart(broker: &Path, name: &TenantName) -> Result<(), CliError> {
    if !all(broker).contains(name) {
        return Err(TenantsError::Unknown(name.clone()).into());
    }
    if holder(broker).is_none() {
        return Err(TenantsError::NoServer(broker.to_owned()).into());
    }
    let changed = |source| TenantsError::Change { path: broker.join(FOLDER), source };
    restart::want(broker, name).map_err(changed)?;
    let mut waited = Duration::ZERO;
    while !restart::is_done(broker, name) {
        let is_there = holder(broker).is_some();
        if waited >= END_WAIT || !is_there {
            restart::give_up(broker, name);
            let late = TenantsError::NotAnew(name.clone());
            return Err(if is_there { late } else { TenantsError::NoServer(broker.to_owned()) }.into());
        }
        sleep(POLL).await;
        waited += POLL;
    }
    match fault_of(broker, name) {
        Some(fault) => Err(TenantsError::Fault { name: name.clone(), fault }.into()),
        None => {
            let url = served(broker, name).await.unwrap_or_default();
            say(format_args!("{name} was begun anew, and is served at {url}"));
            Ok(())
        }
    }
}

/// Where the tenant is reached, once a broker that runs serves it.
async fn served(broker: &Path, name: &TenantName) -> Option<String> {
    let folder = folder_of(broker, name);
    let mut waited = Duration::ZERO;
    while waited < SERVED_WAIT && holder(broker).is_some() && fault_of(broker, name).is_none() {
        if let Some(url) = holder(&folder).flatten() {
            return Some(url);
        }
        sleep(POLL).await;
        waited += POLL;
    }
    None
}

/// Of a network's address, which has no names below it: the first name there is.
fn in_browser(broker: &Config, name: &TenantName) -> Option<String> {
    let ip = broker.listen.ip();
    if ip.is_loopback() {
        return None;
    }
    let machine = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = broker.allowed_hosts.first().cloned().or_else(machine)?;
    Some(format!("https://{name}.{}:{}", host.trim(), broker.listen.port()))
}

/// Whether somebody uses a data directory, and where they answer if they do.
fn holder(data: &Path) -> Option<Option<String>> {
    match lock(data) {
        Err(DataDirError::InUse { run, .. }) => Some(run.map(|run| run.url)),
        Ok(_) | Err(_) => None,
    }
}

fn lock(data: &Path) -> Result<Lock, DataDirError> {
    DataDir::existing(data)?.lock()
}

/// A tenant, as its folder shows it.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    state: State,
    /// Where programs reach it.
    url: String,
    data: PathBuf,
    /// Who is in; nothing where the database cannot be read.
    people: Option<usize>,
    aspects: Option<usize>,
    spent_today_microusd: Option<u64>,
    spent_this_month_microusd: Option<u64>,
    /// Why it is not served.
    fault: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Served,
    /// The broker does not run, or cannot serve it.
    NotServed,
}

fn list(config: &Config, output: Output) {
    let rows: Vec<Row> = all(&config.data).iter().map(|name| row(config, name)).collect();
    match output {
        Output::Json => say(format_args!("{}", serde_json::to_string_pretty(&rows).unwrap_or_default())),
        Output::Table => {
            let lines: Vec<Vec<String>> = rows.iter().map(line).collect();
            table(&["name", "state", "url", "people", "aspects", "today", "this month", "data"], &lines);
            for Row { name, fault, .. } in &rows {
                if let Some(fault) = fault {
                    say(format_args!("{name} is not served: {fault}"));
                }
            }
        }
    }
}

fn row(config: &Config, name: &TenantName) -> Row {
    let data = folder_of(&config.data, name);
    let holder = holder(&data);
    let env = |name: &str| std::env::var(name).ok();
    let settings = Config::of_tenant(&data, name, config, env);
    let mut fault = fault_of(&config.data, name).filter(|_| holder.is_none());
    let known = match counts(&data) {
        Ok(known) => Some(known),
        Err(error) => {
            fault.get_or_insert(error);
            None
        }
    };
    let expected = match settings {
        Ok((settings, _)) => settings.url(),
        Err(error) => {
            fault.get_or_insert_with(|| error.to_string());
            name.url(config.listen, config.tls)
        }
    };
    let state = if holder.is_some() { State::Served } else { State::NotServed };
    Row {
        name: name.to_string(),
        state,
        url: holder.flatten().unwrap_or(expected),
        data,
        people: known.as_ref().map(|it| it.people),
        aspects: known.as_ref().map(|it| it.aspects),
        spent_today_microusd: known.as_ref().map(|it| it.today),
        spent_this_month_microusd: known.as_ref().map(|it| it.month),
        fault,
    }
}

struct Counts {
    people: usize,
    aspects: usize,
    today: u64,
    month: u64,
}

/// Read beside a broker that runs.
fn counts(data: &Path) -> Result<Counts, String> {
    let reader = SqliteReader::open(&data.join("nexus.db")).map_err(|error| error.to_string())?;
    let snapshot = reader.snapshot().map_err(|error| error.to_string())?;
    let (today, month) = begins(clock::wall());
    let since = |since: Ms| -> Result<u64, String> {
        let mut sum = 0_u64;
        let spent =
            reader.spent(since, Ms::MAX, &mut |it| sum = sum.saturating_add(it.cost_microusd.unwrap_or(0)));
        spent.map(|()| sum).map_err(|error| error.to_string())
    };
    Ok(Counts {
        people: snapshot.operators.iter().filter(|it| it.is_active()).count(),
        aspects: snapshot.aspects.iter().filter(|it| it.is_active()).count(),
        today: since(today)?,
        month: since(month)?,
    })
}

/// When the day and the month of `at` began, in UTC.
fn begins(at: Ms) -> (Ms, Ms) {
    let now = jiff::Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    let begin = |day: jiff::civil::Date| {
        day.to_zoned(jiff::tz::TimeZone::UTC).map_or(at, |day| day.timestamp().as_millisecond())
    };
    (begin(now.date()), begin(now.date().first_of_month()))
}

fn line(row: &Row) -> Vec<String> {
    let count = |count: Option<usize>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let money = |sum: Option<u64>| match sum {
        Some(sum) => format!("${}.{:02}", sum / 1_000_000, sum % 1_000_000 / 10_000),
        None => "?".to_owned(),
    };
    let state = match row.state {
        State::Served => "served",
        State::NotServed => "not served",
    };
    vec![
        row.name.clone(),
        state.to_owned(),
        row.url.clone(),
        count(row.people),
        count(row.aspects),
        money(row.spent_today_microusd),
        money(row.spent_this_month_microusd),
        row.data.display().to_string(),
    ]
}

async fn remove(broker: &Path, name: &TenantName, force: bool) -> Result<(), TenantsError> {
    if !all(broker).contains(name) {
        return Err(TenantsError::Unknown(name.clone()));
    }
    let folder = folder_of(broker, name);
    let held = take(&folder, name, force).await?;
    let at = jiff::Timestamp::from_millisecond(clock::wall()).unwrap_or_default();
    let aside = broker.join(FOLDER).join(format!(".removed-{name}-{}", at.strftime("%Y-%m-%dT%H%M%S")));
    let changed = |source| TenantsError::Change { path: folder.clone(), source };
    std::fs::rename(&folder, &aside).map_err(changed)?;
    // For whoever moves it back.
    let _ = std::fs::remove_file(aside.join(OFF));
    note_fault(broker, name, None);
    drop(held);
    say(format_args!(
        "{name} is served no more; everything of it is in {}: moved back, it is served again",
        aside.display()
    ));
    Ok(())
}

/// Its data directory for ourselves.
async fn take(folder: &Path, name: &TenantName, force: bool) -> Result<Lock, TenantsError> {
    match lock(folder) {
        Err(DataDirError::InUse { .. }) if force => {}
        Err(DataDirError::InUse { .. }) => return Err(TenantsError::AtWork(name.clone())),
        locked => return Ok(locked?),
    }
    let off = folder.join(OFF);
    std::fs::write(&off, "").map_err(|source| TenantsError::Change { path: off.clone(), source })?;
    let mut waited = Duration::ZERO;
    loop {
        match lock(folder) {
            Err(DataDirError::InUse { .. }) if waited < END_WAIT => {}
            Err(DataDirError::InUse { .. }) => {
                let _ = std::fs::remove_file(&off);
                return Err(TenantsError::Busy(name.clone()));
            }
            locked => return Ok(locked?),
        }
        sleep(POLL).await;
        waited += POLL;
    }
}
