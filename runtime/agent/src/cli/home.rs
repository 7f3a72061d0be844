//! `agent check`.

use std::path::Path;

use nexus_client::{Broker, KeyFile, install_crypto};
use serde_json::json;

use super::{Context, Exit, Format, Outcome};
use crate::home::{self, Fault, Home};
use crate::provider::ProviderKind;
use crate::sandbox::{self, Mode, Probed, Sandbox};

pub(super) fn check(context: &mut Context<'_>, dir: &Path, format: Format, online: bool) -> Outcome {
    let (home, mut faults) = home::check(dir, context.env);
    let mut reached = None;
    if let Some(home) = home.as_ref().filter(|_| online) {
        match reach(home)? {
            Ok(url) => reached = Some(url),
            Err(fault) => faults.push(fault),
        }
    }
    let probed = match &home {
        Some(home) => Some(probe(home)?),
        None => None,
    };
    match format {
        Format::Json => {
            let told = |fault: &Fault| {
                let at = fault.at.unzip();
                json!({
                    "file": fault.file, "line": at.0, "column": at.1,
                    "field": fault.field, "message": fault.message,
                })
            };
            let told: Vec<_> = faults.iter().map(told).collect();
            let aspect = home.as_ref().map(shown);
            let sandbox = probed.as_ref().map(|probed| {
                let Probed { mode, landlock, seccomp, bubblewrap, commands } = probed;
                json!({
                    "mode": mode, "landlock": landlock, "seccomp": seccomp, "bubblewrap": bubblewrap,
                    "commands": commands, "means": probed.means(),
                })
            });
            let all = json!({
                "ok": faults.is_empty(), "faults": told, "aspect": aspect, "broker": reached, "sandbox": sandbox,
            });
            writeln!(context.out, "{all:#}")?;
        }
        Format::Text => {
            for fault in &faults {
                writeln!(context.out, "{fault}")?;
            }
            match (&home, faults.len()) {
                (Some(home), 0) => {
                    praise(context, dir, home, reached.as_deref())?;
                    if let Some(probed) = &probed {
                        show_sandbox(context, probed)?;
                    }
                }
                (_, 1) => writeln!(context.out, "1 fault in {}", dir.display())?,
                (_, count) => writeln!(context.out, "{count} faults in {}", dir.display())?,
            }
        }
    }
    Ok(if faults.is_empty() { Exit::Done } else { Exit::Failure })
}

/// Whether the broker of the keyfile is there and lets this key in; where it is. Registers nobody.
fn reach(home: &Home) -> Result<Result<String, Fault>, std::io::Error> {
    let path = home.keyfile_path();
    let fault = |message: String| Fault::of_file(&path, message);
    let keyfile = match KeyFile::load(&path) {
        Ok(keyfile) => keyfile,
        Err(error) => return Ok(Err(fault(error.kind.to_string()))),
    };
    let (url, nexus_id) = (keyfile.url.clone(), keyfile.nexus_id);
    install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let broker = Broker::of_keyfile(keyfile).map_err(|error| fault(error.to_string()))?;
        let info = broker.info().await.map_err(|error| fault(error.to_string()))?;
        if info.nexus_id != nexus_id {
            return Err(fault(format!(
                "another Nexus ({}) answers at {url}, and the key is for {nexus_id}",
                info.nexus_id
            )));
        }
        broker.bearer().await.map_err(|error| fault(error.to_string()))?;
        Ok(url)
    }))
}

/// What of the sandbox works here. Nothing of the home is touched.
fn probe(home: &Home) -> std::io::Result<Probed> {
    let sandbox = Sandbox::new(home.settings.sandbox.clone(), sandbox::own_program());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(sandbox::probe(&sandbox)))
}

fn show_sandbox(context: &mut Context<'_>, probed: &Probed) -> std::io::Result<()> {
    let Probed { mode, landlock, seccomp, bubblewrap, commands: _ } = probed;
    let mode = match mode {
        Mode::Full => "full",
        Mode::ReadOnly => "read-only",
        Mode::WorkspaceWrite => "workspace-write",
    };
    writeln!(context.out, "  sandbox   {mode}: {}", probed.means())?;
    for (name, layer) in [("landlock", landlock), ("seccomp", seccomp), ("bubblewrap", bubblewrap)] {
        match &layer.why {
            None => writeln!(context.out, "            {name} works here")?,
            Some(why) => writeln!(context.out, "            {name} does not work here: {why}")?,
        }
    }
    Ok(())
}

/// For programs. Fields are added and never taken away.
fn shown(home: &Home) -> serde_json::Value {
    let settings = &home.settings;
    let roots = settings.roots.iter().map(|root| (root.label.clone(), json!(root.path)));
    json!({
        "name": settings.name,
        "role": settings.role,
        "context_mode": settings.context_mode,
        "provider": settings.provider.kind.name(),
        "model": settings.provider.model,
        "roots": roots.collect::<serde_json::Map<_, _>>(),
        "tools": settings.tools.iter().map(|tool| tool.name()).collect::<Vec<_>>(),
        "hands": settings.hands.iter().map(|hand| hand.spec.name.as_str()).collect::<Vec<_>>(),
        "persona": home.persona.source(),
        "has_key": home.keyfile_path().exists(),
    })
}

fn praise(context: &mut Context<'_>, dir: &Path, home: &Home, reached: Option<&str>) -> std::io::Result<()> {
    let settings = &home.settings;
    let thinks = match settings.provider.kind {
        kind @ (ProviderKind::None | ProviderKind::Scripted) => kind.name().to_owned(),
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
    let tools: Vec<&str> = settings.tools.iter().map(|tool| tool.name()).collect();
    let tools = if tools.is_empty() { "none".to_owned() } else { tools.join(", ") };
    writeln!(context.out, "  tools     {tools}")?;
    writeln!(context.out, "  hands     {hands}")?;
    writeln!(context.out, "  persona   {}", home.persona.source())?;
    if let Some(url) = reached {
        writeln!(context.out, "  broker    {url} answers and takes the key")?;
    }
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
