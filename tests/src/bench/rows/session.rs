//! A large session opened at its head, against reading its file once; and what an agent takes that has nothing to do,
//! and how soon it is there.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use nexus_agent::journal::Durability;
use nexus_agent::session::{Session, SessionKey};
use serde_json::json;
use uuid::Uuid;

use crate::broker::Nexus;
use crate::child::Process;
use crate::clock::{now, pause};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::report::Samples;

const BYTES: u64 = 1024 * 1024 * 1024;
/// On the active branch.
const ACTIVE: usize = 200;
/// Of a branch that was left.
const LEFT: usize = 64;
/// About what an entry of a session with tools has.
const ENTRY_BYTES: usize = 4 * 1024;
const SETTLE: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(30);

/// A session of 1 GiB, most of it on branches that were left.
#[derive(Debug)]
pub(crate) struct Large {
    home: PathBuf,
    file: PathBuf,
}

impl Large {
    pub(crate) fn write(dir: &Path) -> Outcome<Self> {
        let home = dir.join("large");
        let file = SessionKey::Global.path(&home);
        fs::create_dir_all(file.parent().doing("name a folder")?).doing("make a folder for a session")?;
        let mut out = Lines { out: BufWriter::new(File::create(&file).doing("make a session")?), bytes: 0 };
        let ts = "2026-01-02T03:04:05Z";
        out.line(&json!({"format": "nexus-session", "version": 1, "id": Uuid::now_v7(), "ts": ts}))?;
        let text = "words that were said ".repeat(ENTRY_BYTES / 21);
        let entry = |out: &mut Lines, parent: Option<Uuid>| -> Outcome<Uuid> {
            let id = Uuid::now_v7();
            let payload = json!({"content": [{"type": "text", "text": text}]});
            out.line(
                &json!({"id": id, "parentId": parent, "kind": "turn.user", "ts": ts, "payload": payload}),
            )?;
            Ok(id)
        };
        let root = entry(&mut out, None)?;
        while out.bytes < BYTES {
            let mut head = root;
            for _ in 0..LEFT {
                head = entry(&mut out, Some(head))?;
            }
        }
        let mut head = root;
        for _ in 1..ACTIVE {
            head = entry(&mut out, Some(head))?;
        }
        out.out.flush().doing("write a session")?;
        let large = Self { home, file };
        // As whoever wrote it would leave it.
        large.open()?;
        Ok(large)
    }

    fn open(&self) -> Outcome<()> {
        let session =
            Session::open_existing(&self.home, SessionKey::Global, Durability::Fsync, Timestamp::UNIX_EPOCH);
        let session = session.doing("open a session")?;
        let entries = session.tree().branch(session.tree().head()).len();
        match entries {
            ACTIVE => Ok(()),
            _ => Err(Fault::new("open a session", format!("{entries} entries on its branch"))),
        }
    }

    fn read(&self) -> Outcome<u64> {
        let mut file = File::open(&self.file).doing("open a session's file")?;
        let mut buffer = vec![0; 1024 * 1024];
        let mut bytes = 0;
        loop {
            match file.read(&mut buffer).doing("read a session's file")? {
                0 => return Ok(bytes),
                read => bytes += read as u64,
            }
        }
    }

    pub(crate) fn round(&self, samples: &mut Samples) -> Outcome<()> {
        let begun = now();
        self.read()?;
        let read = begun.elapsed();
        let begun = now();
        self.open()?;
        let opened = begun.elapsed();
        let (opened, read) = (opened.as_secs_f64() * 1e3, read.as_secs_f64() * 1e3);
        samples.add("open-session", opened, Some(read));
        Ok(())
    }
}

struct Lines {
    out: BufWriter<File>,
    bytes: u64,
}

impl Lines {
    fn line(&mut self, line: &serde_json::Value) -> Outcome<()> {
        let line = format!("{line}\n");
        self.bytes += line.len() as u64;
        self.out.write_all(line.as_bytes()).doing("write a session")
    }
}

/// An aspect that is let in, with the agent that runs it.
#[derive(Debug)]
pub(crate) struct Idler {
    agent: PathBuf,
    home: PathBuf,
}

impl Idler {
    pub(crate) fn make(nexus: &Path, data: &Path, dir: &Path) -> Outcome<Self> {
        let home = dir.join("idler");
        fs::create_dir_all(home.join("work")).doing("make a home")?;
        fs::write(home.join("aspect.json"), r#"{"name": "idler"}"#).doing("make a home")?;
        fs::write(home.join("SOUL.md"), "I wait.").doing("make a home")?;
        let mut add = Command::new(nexus);
        add.args(["aspect", "add", "idler", "--home"]).arg(&home).arg("--data").arg(data);
        let added = add.output().doing("let an aspect in")?;
        if !added.status.success() {
            let said = String::from_utf8_lossy(&added.stderr).into_owned();
            return Err(Fault::new("let an aspect in", said));
        }
        Ok(Self { agent: nexus.with_file_name("agent"), home })
    }

    pub(crate) fn round(&self, dir: &Path, samples: &mut Samples) -> Outcome<()> {
        let log = dir.join("agent.log");
        let _ = fs::remove_file(&log);
        let begun = now();
        let arguments = [self.home.display().to_string()];
        let mut process = Process::start("agent", &self.agent, &arguments, dir)?;
        let registered = || fs::read_to_string(&log).ok().filter(|said| said.contains("registered with"));
        process.wait_ready(START, registered)?;
        samples.add("agent-start", begun.elapsed().as_secs_f64() * 1e3, None);
        pause(SETTLE);
        samples.add("agent-memory", process.rss_kib()?, None);
        process.stop();
        Ok(())
    }
}

/// Both, on the broker that the rounds have left.
pub(crate) fn round(
    large: &Large,
    idler: &mut Option<Idler>,
    (nexus, data): (&Path, &Path),
    addr: SocketAddr,
    dir: &Path,
    samples: &mut Samples,
) -> Outcome<()> {
    large.round(samples)?;
    let process = Nexus::launch(nexus, data, addr, dir)?;
    if idler.is_none() {
        *idler = Some(Idler::make(nexus, data, dir)?);
    }
    let outcome = idler.as_ref().map_or(Ok(()), |idler| idler.round(dir, samples));
    process.stop();
    outcome
}
