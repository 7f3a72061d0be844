//! `nexctl trigger`: what the team does while nobody types, and what became of it.

mod hook;
mod plan;

use std::time::Duration;

use nexus_client::Client;
use nexus_wire::files::{FilesWatch, WatcherState};
use nexus_wire::hands::Wanted;
use nexus_wire::hook::{TriggerRotate, Webhook};
use nexus_wire::trigger::{
    Act, After, AskAspect, DispatchHand, Event, Every, Overlap, Retry, StartFlow, Trigger, TriggerDelete,
    TriggerFire, TriggerGet, TriggerHistory, TriggerInfo, TriggerList, TriggerPause, TriggerResume,
    TriggerStatus, Watch, When,
};
use nexus_wire::{Ms, TriggerName};

use crate::cli::{AddTrigger, TriggerAction, Watched};
use crate::failure::Failure;
use crate::page::Page;
use crate::ui::{Shape, Tone, printable, yaml};
use crate::{Run, ids, table, text};

/// How often an address is looked at where nobody says otherwise.
const WATCH_EVERY: Duration = Duration::from_secs(5 * 60);

pub(crate) async fn trigger(run: &Run, action: TriggerAction) -> Result<(), Failure> {
    match action {
        TriggerAction::Add(add) => {
            let mut client = run.connect().await?;
            let thread = match &add.thread {
                Some(thread) => Some(run.within(ids::thread(&mut client, thread)).await??),
                None => None,
            };
            let file = add.secret_file.clone();
            let secret = hook::secret(file.as_deref())?;
            let definition = definition(run, *add, thread)?;
            match &definition.when {
                When::Webhook(_) => hook::added(run, client, definition, secret).await,
                When::Cron(_)
                | When::Every(_)
                | When::At(_)
                | When::Event(_)
                | When::After(_)
                | When::Watch(_)
                | When::Files(_)
                | When::Manual => put(run, client, definition).await,
            }
        }
        TriggerAction::Put { file } => {
            let wrong =
                |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", file.display()));
            let written = match file.to_str() {
                Some("-") => text::of_stdin(&mut std::io::stdin())?,
                Some(_) | None => std::fs::read_to_string(&file).map_err(|error| wrong(&error))?,
            };
            // Through JSON: a choice is a field there, and in YAML by itself a tag.
            let json: serde_json::Value = serde_yaml_ng::from_str(&written).map_err(|error| wrong(&error))?;
            let definition: Trigger = serde_json::from_value(json).map_err(|error| wrong(&error))?;
            put(run, run.connect().await?, definition).await
        }
        TriggerAction::Delete { name } => {
            let mut client = run.connect().await?;
            let done = run.change(&mut client, TriggerDelete { trigger: name.clone() }).await?;
            client.close().await;
            if run.ui.shape() == Shape::Data || done.deleted {
                return run.answer(&done, || format!("{name} is deleted, and its history with it"));
            }
            run.ui.note(Tone::Plain, "there was no such trigger; see: nexctl trigger list");
            Ok(())
        }
        TriggerAction::Fire { name, payload } => {
            let payload = match payload {
                Some(json) => serde_json::from_str(&json)
                    .map_err(|error| Failure::Usage(format!("--payload is no JSON: {error}")))?,
                None => serde_json::Value::Null,
            };
            let mut client = run.connect().await?;
            let fired = run.change(&mut client, TriggerFire { trigger: name, payload }).await?;
            client.close().await;
            run.answer(&fired, || {
                let why = fired.slot.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                printable(&format!("slot {} is {}{why}", fired.slot.no, fired.slot.state.as_str()))
            })
        }
        TriggerAction::Pause { name, reason } => {
            let mut client = run.connect().await?;
            let info = run.change(&mut client, TriggerPause { trigger: name, reason }).await?;
            client.close().await;
            run.answer(&info, || standing(run, &info))
        }
        TriggerAction::Resume { name } => {
            let mut client = run.connect().await?;
            let info = run.change(&mut client, TriggerResume { trigger: name }).await?;
            client.close().await;
            run.answer(&info, || standing(run, &info))
        }
        TriggerAction::Rotate { name, secret_file, overlap } => {
            let secret = hook::secret(secret_file.as_deref())?;
            let overlap_s = overlap.map(seconds).transpose()?;
            hook::rotate(run, TriggerRotate { trigger: name, secret, overlap_s }).await
        }
        look @ (TriggerAction::History { .. }
        | TriggerAction::List { .. }
        | TriggerAction::Next { .. }
        | TriggerAction::Show { .. }) => shown(run, look).await,
    }
}

/// What only looks.
async fn shown(run: &Run, action: TriggerAction) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    match action {
        TriggerAction::History { name, limit, before } => {
            let wanted = TriggerHistory { trigger: name, before, limit };
            let page = run.within(client.call(wanted)).await??;
            let empty = page.slots.is_empty().then_some("it has not been due yet; see: nexctl trigger next");
            let next = page.slots.last().filter(|_| page.more).map(|slot| slot.no);
            let rows = || table::slots(&run.ui, &page.slots, &run.zone);
            Page::of(run, &page, empty, rows)?.going_on("--before", next).print(run)?;
        }
        TriggerAction::List { limit, after } => {
            run.within(list(run, &mut client, TriggerList { after, limit })).await??.print(run)?;
        }
        TriggerAction::Next { name, number } => {
            let page = match name {
                Some(name) => run.within(plan::of_one(run, &mut client, name, number)).await??,
                None => run.within(plan::of_all(run, &mut client, number)).await??,
            };
            page.print(run)?;
        }
        TriggerAction::Show { name } => run.within(one(run, &mut client, name)).await??.print(run)?,
        TriggerAction::Add(_)
        | TriggerAction::Delete { .. }
        | TriggerAction::Fire { .. }
        | TriggerAction::Pause { .. }
        | TriggerAction::Put { .. }
        | TriggerAction::Resume { .. }
        | TriggerAction::Rotate { .. } => {}
    }
    client.close().await;
    Ok(())
}

pub(crate) async fn list(run: &Run, client: &mut Client, list: TriggerList) -> Result<Page, Failure> {
    let page = client.call(list).await?;
    let empty = page.triggers.is_empty().then_some("there is none; see: nexctl trigger add --help");
    let next = page.triggers.last().filter(|_| page.more).map(|it| it.definition.name.clone());
    let rows = || table::triggers(&run.ui, &page.triggers, run.now());
    Ok(Page::of(run, &page, empty, rows)?.going_on("--after", next))
}

pub(crate) async fn one(run: &Run, client: &mut Client, name: TriggerName) -> Result<Page, Failure> {
    let info = client.call(TriggerGet { trigger: name }).await?;
    Page::of(run, &info, None, || described(run, &info) + "\n")
}

async fn put(run: &Run, mut client: Client, definition: Trigger) -> Result<(), Failure> {
    let info = run.change(&mut client, definition).await?;
    client.close().await;
    if let Some(unseen) = unseen(&info) {
        run.ui.note(Tone::Warning, &printable(&unseen));
    }
    run.answer(&info, || standing(run, &info))
}

/// Why nobody looks at the files that it waits for.
fn unseen(info: &TriggerInfo) -> Option<String> {
    let watcher = info.watcher.as_ref().filter(|watcher| watcher.state != WatcherState::Watching)?;
    watcher.reason.clone()
}

fn seconds(time: Duration) -> Result<u32, Failure> {
    u32::try_from(time.as_secs()).map_err(|_| Failure::Usage("that is too long a time".to_owned()))
}

fn input(words: &str) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(words).map_err(|error| Failure::Usage(format!("the input is no JSON: {error}")))
}

fn definition(run: &Run, add: AddTrigger, thread: Option<nexus_wire::ThreadId>) -> Result<Trigger, Failure> {
    let now = run.now();
    // Of a time that is typed without an offset.
    let clock = match &add.zone {
        Some(name) => {
            nexus_flow::zone(Some(name)).map_err(|wrong| Failure::Usage(format!("--zone: {wrong}")))?
        }
        None => run.zone.clone(),
    };
    let when = if let Some(pattern) = add.cron {
        When::Cron(pattern)
    } else if let Some(watched) = add.watch {
        match watched {
            Watched::Address(_) if !add.changes.is_empty() => {
                let message = "--changes is about files: name a watch of an aspect, <aspect>/<watch>";
                return Err(Failure::Usage(message.to_owned()));
            }
            Watched::Address(url) => {
                When::Watch(Watch { url, every_s: seconds(add.every.unwrap_or(WATCH_EVERY))? })
            }
            Watched::Files(_) if add.every.is_some() => {
                let message = "--every is for addresses: changes of files are seen as they happen";
                return Err(Failure::Usage(message.to_owned()));
            }
            Watched::Files(watch) => {
                let kinds = add.changes.into_iter().map(Into::into).collect();
                When::Files(FilesWatch { watch, kinds })
            }
        }
    } else if let Some(every) = add.every {
        When::Every(Every { seconds: seconds(every)?, anchor: None })
    } else if let Some(at) = add.at {
        When::At(at.ms(now, &clock))
    } else if let Some(after) = add.in_ {
        When::At(now.saturating_add(Ms::try_from(after.as_millis()).unwrap_or(Ms::MAX)))
    } else if let Some(trigger) = add.after {
        When::After(After { trigger: Some(trigger), flow: None, on: add.on.into() })
    } else if let Some(flow) = add.after_flow {
        When::After(After { trigger: None, flow: Some(flow), on: add.on.into() })
    } else if !add.event.is_empty() {
        When::Event(Event { kinds: add.event, by: add.by, thread })
    } else if let Some(preset) = add.webhook {
        When::Webhook(Webhook { preset: preset.into() })
    } else {
        When::Manual
    };
    let overlap = match (add.overlap, &when) {
        (Some(overlap), _) => overlap.into(),
        // What a service tells, or shows, should not be lost because something is at work.
        (None, When::Watch(_) | When::Files(_) | When::Webhook(_)) => Overlap::Queue,
        (None, _) => Overlap::Skip,
    };
    let words = |words: &[String]| text::of_words(words, &mut std::io::stdin());
    let act = match (add.ask, add.dispatch, add.flow) {
        (_, _, Some(id)) if add.words.is_empty() => {
            Act::Flow(StartFlow { id, input: serde_json::Value::Null })
        }
        (_, _, Some(id)) => Act::Flow(StartFlow { id, input: input(&words(&add.words)?)? }),
        (Some(aspect), None, None) => Act::Ask(AskAspect { aspect, text: words(&add.words)? }),
        // clap wants one of them.
        (_, hand, None) => {
            let (needs, likes) = (add.needs, add.likes);
            let wanted = Wanted { needs, likes, prefer: add.prefer, avoid: add.avoid };
            Act::Dispatch(DispatchHand {
                capability: hand.is_none().then_some(wanted),
                hand,
                input: input(&words(&add.words)?)?,
                deadline_s: add.deadline.map(seconds).transpose()?,
            })
        }
    };
    Ok(Trigger {
        name: add.name,
        description: add.description,
        when,
        act,
        timezone: add.zone,
        misfire: add.misfire,
        overlap,
        jitter_s: add.jitter.map(seconds).transpose()?.unwrap_or(0),
        retry: Retry {
            max: add.retry,
            backoff_s: add.backoff.into_iter().map(seconds).collect::<Result<_, _>>()?,
        },
        budget: add.budget.into(),
        expires_at: add.expires.map(|at| at.ms(now, &clock)),
        if_defined_at: None,
    })
}

/// In a line.
fn standing(run: &Run, info: &TriggerInfo) -> String {
    let why = info.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let next = match (info.status, info.next) {
        (TriggerStatus::Active, Some(next)) => format!("; next {}", table::exact(next, &run.zone)),
        (TriggerStatus::Active | TriggerStatus::Paused | TriggerStatus::Done, _) => String::new(),
    };
    printable(&format!("{} is {}{why}{next}", info.definition.name, info.status.as_str()))
}

/// The definition as it can be put again, under how it stands.
fn described(run: &Run, info: &TriggerInfo) -> String {
    let written = yaml(&info.definition).unwrap_or_default();
    let at = |at: Ms| table::exact(at, &run.zone);
    let hook = info.hook.as_ref().map_or_else(String::new, |hook| {
        let since = hook
            .secret_since
            .map_or_else(|| "there is none yet".to_owned(), |since| format!("since {}", at(since)));
        let before = hook.previous_until.filter(|until| *until > run.now());
        let before = before.map_or_else(String::new, |until| format!("; the one before until {}", at(until)));
        format!("webhook     {}\nsecret      {since}{before}\n", hook::url(run, &hook.path))
    });
    let watch = info.watch.as_ref().map_or_else(String::new, |watch| match (&watch.error, watch.since) {
        (Some(error), _) => {
            format!("address     {} looks in a row came to nothing: {}\n", watch.failures, printable(error))
        }
        (None, Some(since)) => format!("address     as it is since {}\n", at(since)),
        (None, None) => "address     not seen yet\n".to_owned(),
    });
    let watcher = info.watcher.as_ref().map_or_else(String::new, |watcher| {
        let why = watcher.reason.as_ref().map_or_else(String::new, |why| format!(": {}", printable(why)));
        format!("files       {}{why}\n", watcher.state.as_str().replace('_', " "))
    });
    format!(
        "{}\n\nowner       {}\ndefined     {}\nslots       {}\nfailures    {} in a row\nthread      {}\n{hook}{watch}{watcher}\n{}",
        standing(run, info),
        info.owner,
        at(info.defined_at),
        info.slots,
        info.failures,
        info.thread.map_or_else(|| "-".to_owned(), |thread| thread.to_string()),
        printable(written.trim_end()),
    )
}
