//! `agent new` and `agent check`.

use std::path::Path;

use nexus_wire::AspectName;
use serde_json::json;

use super::{Context, Exit, Format, New, Outcome};
use crate::home::{self, Fault, Home, NewHome, SETTINGS_FILE, SOUL_FILE, scaffold};
use crate::provider::ProviderKind;

pub(super) fn new(context: &mut Context<'_>, new: New) -> Outcome {
    let name = match new.name {
        Some(name) => name,
        None => name_of(&new.home)?,
    };
    let wanted = NewHome {
        name: name.clone(),
        role: new.role,
        provider: new.provider,
        model: new.model,
        hand: new.hand,
    };
    let written = scaffold(&new.home, &wanted)?;
    let home = new.home.display();
    for path in &written {
        writeln!(context.out, "wrote {}", path.display())?;
    }
    writeln!(context.out, "\n{name} has a home. What comes next:")?;
    writeln!(context.out, "  edit {home}/{SOUL_FILE} and {home}/{SETTINGS_FILE}")?;
    let loaded = Home::load(&new.home, context.env);
    let key_missing = |fault: &&Fault| fault.field == "provider.api_key_env";
    if let Some(fault) = loaded.as_ref().err().and_then(|faults| faults.0.iter().find(key_missing)) {
        writeln!(context.out, "  {}", fault.message)?;
    }
    writeln!(context.out, "  agent check {home}")?;
    writeln!(
        context.out,
        "  nexus aspect add {name} --home {home}    (lets it in; with the broker's --data, if it has one)"
    )?;
    writeln!(context.out, "  agent {home}")?;
    Ok(Exit::Done)
}

fn name_of(home: &Path) -> Result<AspectName, String> {
    // `.` and `..` have no name of their own until they are resolved.
    let resolved = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let resolved = std::fs::canonicalize(&resolved).unwrap_or(resolved);
    let folder = resolved.file_name().unwrap_or_default().to_string_lossy();
    folder.parse().map_err(|error| format!("the folder cannot lend its name: {error}; give one with --name"))
}

pub(super) fn check(context: &mut Context<'_>, dir: &Path, format: Format) -> Outcome {
    let (home, faults) = home::check(dir, context.env);
    match format {
        Format::Json => {
            let told = |fault: &Fault| {
                let at = fault.at.unzip();
                json!({
                    "file": fault.file, "line": at.0, "column": at.1,
                    "field": fault.field, "message": fault.message,
                })
            };
            let faults: Vec<_> = faults.iter().map(told).collect();
            writeln!(context.out, "{:#}", json!({"ok": faults.is_empty(), "faults": faults}))?;
        }
        Format::Text => {
            for fault in &faults {
                writeln!(context.out, "{fault}")?;
            }
            match (&home, faults.len()) {
                (Some(home), 0) => praise(context, dir, home)?,
                (_, 1) => writeln!(context.out, "1 fault in {}", dir.display())?,
                (_, count) => writeln!(context.out, "{count} faults in {}", dir.display())?,
            }
        }
    }
    Ok(if faults.is_empty() { Exit::Done } else { Exit::Failure })
}

fn praise(context: &mut Context<'_>, dir: &Path, home: &Home) -> std::io::Result<()> {
    let settings = &home.settings;
    let thinks = match settings.provider.kind {
        ProviderKind::Scripted => "scripted".to_owned(),
        kind @ (ProviderKind::Anthropic
        | ProviderKind::Command
        | ProviderKind::Ollama
        | ProviderKind::Openai) => {
            format!("{} {}", kind.name(), settings.provider.model)
        }
    };
    let hands: Vec<&str> = settings.hands.iter().map(|hand| hand.spec.name.as_str()).collect();
    let hands = if hands.is_empty() { "none".to_owned() } else { hands.join(", ") };
    writeln!(context.out, "{} is in order", dir.display())?;
    writeln!(context.out, "  aspect    {}", settings.name)?;
    writeln!(context.out, "  provider  {thinks}")?;
    for root in &settings.roots {
        writeln!(context.out, "  root      {} = {}", root.label, root.path.display())?;
    }
    writeln!(context.out, "  hands     {hands}")?;
    if !home.keyfile_path().exists() {
        writeln!(
            context.out,
            "  key       none yet; let it in with: nexus aspect add {} --home {}    (with the broker's --data, if it has one)",
            settings.name,
            dir.display()
        )?;
    }
    Ok(())
}
