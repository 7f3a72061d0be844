//! The Hand `script`: a program of the settings, run in the sandbox with what a dispatch gives it.
//!
//! No shell reads any of it. Arguments of a dispatch are arguments, whatever they hold; its input goes to standard input
//! and into a variable.

use std::time::Duration;

use nexus_schema::{Schema, listed};
use nexus_wire::hands::HandFailure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::{ArgKind, OutputForm, RawScript, Script};
use super::{Job, failure, invalid, parse};
use crate::hands::{OUTPUT_BYTES_MAX, bounded};
use crate::sandbox::{CommandEnd, Kept, Ran, Request, SandboxConfig};
use crate::tools::{Folders, Roots};

const ARG_BYTES_MAX: usize = 8 * 1024;
const ARGS_BYTES_MAX: usize = 64 * 1024;
const INPUT_BYTES_MAX: usize = 512 * 1024;
/// A larger input is on standard input alone: a variable has no room for it.
const VARIABLE_BYTES_MAX: usize = 64 * 1024;
/// Of standard error, in the message of a failure.
const SAID_CHARS_MAX: usize = 2000;
const STDERR_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    name: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    input: Option<Value>,
}

/// `None`: it was given up, and is gone with all it had started.
pub(super) async fn run(
    job: &Job<'_>,
    input: &Value,
    repeatable: bool,
    given_up: impl Future<Output = ()> + Send,
) -> Option<Result<Value, HandFailure>> {
    let found = parse(input).and_then(|asked: Asked| Ok((find(job, &asked.name, repeatable)?, asked)));
    let (script, asked) = match found {
        Ok(found) => found,
        Err(failure) => return Some(Err(failure)),
    };
    let name = asked.name.clone();
    let request = match prepared(job, script, asked).await {
        Ok(request) => request,
        Err(failure) => return Some(Err(failure)),
    };
    job.show(format!("runs {name}"));
    let terms = job.toolbox.sandbox().config();
    let RawScript { network, timeout_s, .. } = script.about;
    let sandbox =
        job.toolbox.sandbox().on_terms(SandboxConfig { network, seconds_max: timeout_s, ..terms.clone() });
    match sandbox.run_unless(request, given_up).await {
        Ok(ran) => ran.map(|ran| outcome(&name, &script.about, ran)),
        Err(error) => Some(Err(failure("not_run", format!("{name}: {error}")))),
    }
}

fn find<'a>(job: &Job<'a>, name: &str, repeatable: bool) -> Result<&'a Script, HandFailure> {
    let known = job.runner.scripts.iter().filter(|(_, script)| script.about.repeatable || !repeatable);
    match known.clone().find(|(known, _)| *known == name) {
        Some((_, script)) => Ok(script),
        None => {
            let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
            let name: String = name.chars().take(64).collect();
            Err(invalid(format!("name: there is no script {name:?} here; there are {}", known.join(", "))))
        }
    }
}

/// What is run. Looks at files.
async fn prepared(job: &Job<'_>, script: &Script, asked: Asked) -> Result<Request, HandFailure> {
    let (roots, folder) = (job.toolbox.roots().clone(), script.folder.clone());
    let about = script.about.clone();
    let Asked { args, input, .. } = asked;
    let looked = tokio::task::spawn_blocking(move || {
        let args = arguments(&about, &roots, args)?;
        let place = roots.resolve(&folder).map_err(|error| failure("not_run", error.to_string()))?;
        Ok::<_, HandFailure>((args, place, Folders::of(&roots)))
    });
    let looked = looked.await.map_err(|error| failure("worker_broke", error.to_string()))?;
    let (args, place, Folders { read, write, closed }) = looked?;
    let input = text_of(&script.about, input)?;
    let lease = job.assignment.lease;
    let mut env: Vec<(String, String)> =
        script.env.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    env.push(("NEXUS_DISPATCH".to_owned(), lease.dispatch.to_string()));
    env.push(("NEXUS_ATTEMPT".to_owned(), lease.attempt.to_string()));
    if let Some(input) = input.as_ref().filter(|input| input.len() <= VARIABLE_BYTES_MAX) {
        env.push(("NEXUS_INPUT".to_owned(), input.clone()));
    }
    Ok(Request {
        argv: script.argv.iter().cloned().chain(args).collect(),
        input,
        env,
        home: place.root().to_owned(),
        folder: place.real,
        read,
        write,
        closed,
        timeout: Some(Duration::from_secs(script.about.timeout_s.into())),
        output_bytes_max: usize::try_from(script.about.output_bytes).unwrap_or(usize::MAX),
    })
}

/// The arguments of a dispatch, once they are known to be no more than that.
fn arguments(about: &RawScript, roots: &Roots, args: Vec<String>) -> Result<Vec<String>, HandFailure> {
    let most = usize::try_from(about.args_max).unwrap_or(usize::MAX);
    if args.len() > most {
        let args = args.len();
        return Err(invalid(format!("args: {args} are too many; this script takes at most {most}")));
    }
    let all: usize = args.iter().map(String::len).sum();
    if all > ARGS_BYTES_MAX {
        return Err(invalid(format!("args: they have {all} bytes; at most {ARGS_BYTES_MAX}")));
    }
    let is_data = about.options || about.run.last().is_some_and(|last| last == "--");
    let fitting = |(at, arg): (usize, String)| {
        let wrong = |what: String| Err(invalid(format!("args[{at}]: {what}")));
        if arg.len() > ARG_BYTES_MAX {
            return wrong(format!("it has {} bytes; at most {ARG_BYTES_MAX}", arg.len()));
        }
        if arg.contains('\0') {
            return wrong("it holds a NUL byte, which no argument can".to_owned());
        }
        if arg.starts_with('-') && !is_data {
            let shown: String = arg.chars().take(64).collect();
            return wrong(format!(
                "{shown:?} would be an option; the settings say whether this script takes any (options, or `--` at the \
                 end of run)"
            ));
        }
        match about.args {
            ArgKind::Text => Ok(arg),
            ArgKind::Path => match roots.resolve(&arg) {
                Ok(place) => Ok(place.real.to_string_lossy().into_owned()),
                Err(error) => wrong(error.to_string()),
            },
        }
    };
    args.into_iter().enumerate().map(fitting).collect()
}

/// What goes to standard input; nothing when nothing was given.
fn text_of(about: &RawScript, input: Option<Value>) -> Result<Option<String>, HandFailure> {
    if let Some(schema) = &about.input_schema {
        let schema = Schema::compile(schema).map_err(|fault| failure("worker_broke", fault.to_string()))?;
        let faults = schema.faults(input.as_ref().unwrap_or(&Value::Null));
        if !faults.is_empty() {
            return Err(invalid(format!("input: {}", listed(&faults))));
        }
    }
    let text = input.map(|input| input.to_string());
    match text.as_ref().map_or(0, String::len) {
        bytes if bytes > INPUT_BYTES_MAX => {
            Err(invalid(format!("input: it has {bytes} bytes; at most {INPUT_BYTES_MAX}")))
        }
        _ => Ok(text),
    }
}

fn outcome(name: &str, about: &RawScript, ran: Ran) -> Result<Value, HandFailure> {
    let said = end_of(&ran.stderr);
    let colon = if said.is_empty() { "" } else { ": " };
    let ended = match ran.end {
        CommandEnd::Exit(0) => return output(name, about, ran),
        // What a shell and bubblewrap make of a signal.
        CommandEnd::Exit(code @ 129..=192) => {
            format!("{name} ended with exit code {code}, as by signal {}{colon}{said}", code - 128)
        }
        CommandEnd::Exit(code) => format!("{name} ended with exit code {code}{colon}{said}"),
        CommandEnd::Signal(signal) => format!("{name} was ended by signal {signal}{colon}{said}"),
        CommandEnd::TimedOut => {
            let seconds = about.timeout_s;
            let message = format!(
                "{name} took longer than {seconds} s and was ended with all it had started{colon}{said}"
            );
            return Err(failure("timeout", message));
        }
    };
    Err(failure("script_failed", ended))
}

fn output(name: &str, about: &RawScript, ran: Ran) -> Result<Value, HandFailure> {
    let Ran { mut stdout, mut stderr, duration_ms, .. } = ran;
    while stderr.head.len() + stderr.tail.len() > STDERR_BYTES_MAX && stderr.shrink() {}
    let shown = |output: Value, truncated: bool, stderr: &Kept| {
        json!({
            "script": name, "output": output, "truncated": truncated, "stderr": stderr.text(),
            "duration_ms": duration_ms,
        })
    };
    match about.output {
        OutputForm::Json if !stdout.is_whole() => Err(failure(
            "output_too_large",
            format!("{name} wrote more than the {} bytes that are kept (output_bytes)", about.output_bytes),
        )),
        OutputForm::Json => {
            let text = stdout.text();
            let value = serde_json::from_str(&text).map_err(|error| {
                let beginning: String = text.chars().take(200).collect();
                failure("invalid_output", format!("{name} wrote no JSON: {error}; it begins {beginning:?}"))
            })?;
            bounded(shown(value, false, &stderr))
        }
        OutputForm::Text => loop {
            let value = shown(Value::String(stdout.text()), !stdout.is_whole(), &stderr);
            if value.to_string().len() <= OUTPUT_BYTES_MAX || !stdout.shrink() {
                return bounded(value);
            }
        },
    }
}

/// What was said last.
fn end_of(kept: &Kept) -> String {
    let text = kept.text();
    let text = text.trim();
    let chars = text.chars().count();
    text.chars().skip(chars.saturating_sub(SAID_CHARS_MAX)).collect()
}
