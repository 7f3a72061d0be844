//! A broker, agents and operators of one test: real binaries in a temporary folder.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, binary, connect, run, wait_until};

/// One test's own Nexus.
#[derive(Debug)]
pub struct World {
    dir: TempDir,
    listen: String,
    flags: Vec<String>,
    env: Vec<(String, String)>,
    broker: Option<Process>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A broker on a free loopback port, ready.
    pub fn new() -> Self {
        let mut world = Self::asleep();
        world.start_broker();
        world
    }

    /// Everything but a running broker.
    pub fn asleep() -> Self {
        let dir = tempfile::Builder::new().prefix("nexus-test-").tempdir().expect("a temporary folder");
        Self {
            dir,
            listen: format!("127.0.0.1:{}", free_port()),
            flags: Vec::new(),
            env: Vec::new(),
            broker: None,
        }
    }

    #[must_use]
    pub fn listen(mut self, listen: &str) -> Self {
        listen.clone_into(&mut self.listen);
        self
    }

    /// More flags for `nexus serve`.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// One more variable for every process of this world.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes `<data>/nexus.toml`.
    #[must_use]
    pub fn config(self, toml: &str) -> Self {
        std::fs::create_dir_all(self.data()).expect("the folder is ours");
        std::fs::write(self.data().join("nexus.toml"), toml).expect("the folder is ours");
        self
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A command of one of our binaries with this world's surroundings.
    pub fn command(&self, name: &str) -> Command {
        self.command_under(&[], name)
    }

    /// The same, run by another program, such as a tracer.
    pub fn command_under(&self, runner: &[&str], name: &str) -> Command {
        let program = binary(name);
        let mut command = match runner.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .env("NEXUS_CONFIG", self.dir.path().join("nexctl.toml"))
            .env("NO_COLOR", "1")
            .env_remove("NEXUS_URL")
            .env_remove("NEXUS_TOKEN")
            .env_remove("NEXUS_DATA")
            .current_dir(self.dir.path())
            .envs(self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        command
    }

    pub fn start_broker(&mut self) {
        self.start_broker_under(&[]);
    }

    pub fn start_broker_under(&mut self, runner: &[&str]) {
        let mut command = self.command_under(runner, "nexus");
        command.arg("serve").arg("--data").arg(self.data()).args(["--listen", &self.listen]);
        command.args(&self.flags);
        let broker = Process::start("nexus", &mut command);
        broker.wait_for_text("ready in");
        self.broker = Some(broker);
    }

    pub fn broker(&self) -> &Process {
        self.broker.as_ref().expect("the broker was started")
    }

    pub fn broker_mut(&mut self) -> &mut Process {
        self.broker.as_mut().expect("the broker was started")
    }

    /// kill -9.
    pub fn kill_broker(&mut self) {
        self.broker.take().expect("the broker was started").kill();
    }

    pub fn restart_broker(&mut self) {
        self.kill_broker();
        self.start_broker();
    }

    /// What the broker wrote of itself: address and process.
    fn run_file(&self) -> Value {
        let text =
            std::fs::read_to_string(self.data().join("nexus.run")).expect("a ready broker says where it is");
        serde_json::from_str(&text).expect("the run file is JSON")
    }

    pub fn url(&self) -> String {
        self.run_file()["url"].as_str().expect("the run file has the URL").to_owned()
    }

    pub fn token(&self) -> String {
        let text =
            std::fs::read_to_string(self.data().join("operator.token")).expect("made at the first start");
        text.trim().to_owned()
    }

    pub fn ca_pem(&self) -> String {
        std::fs::read_to_string(self.data().join("ca.pem")).expect("made at the first start")
    }

    /// Runs one of our binaries to its end.
    pub fn run(&self, name: &str, args: &[&str]) -> Output {
        run(self.command(name).args(args)).expect("our binary runs")
    }

    /// Runs `nexctl` as the first operator.
    pub fn nexctl(&self, args: &[&str]) -> Output {
        run(&mut self.nexctl_command(args)).expect("nexctl runs")
    }

    pub fn nexctl_command(&self, args: &[&str]) -> Command {
        let mut command = self.command("nexctl");
        command.args(args).env("NEXUS_URL", self.url()).env("NEXUS_TOKEN", self.token());
        command.env("NEXUS_CA", self.data().join("ca.pem"));
        command
    }

    /// `nexctl … -o json` that has to succeed.
    pub fn nexctl_json(&self, args: &[&str]) -> Value {
        let out = self.nexctl(&[args, &["-o", "json"]].concat());
        assert!(out.status.success(), "nexctl {args:?}: {}", text(&out));
        serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&out)))
    }

    /// What became of a trigger, the oldest first.
    pub fn slots(&self, trigger: &str) -> Vec<Value> {
        let page = self.nexctl_json(&["trigger", "history", trigger, "--limit", "200"]);
        let mut slots = page["slots"].as_array().expect("a list").clone();
        slots.reverse();
        slots
    }

    /// The same, once there are so many and all have ended.
    pub fn ended_slots(&self, trigger: &str, count: usize) -> Vec<Value> {
        wait_until(&format!("{count} slots of {trigger} that have ended"), || {
            let slots = self.slots(trigger);
            (slots.len() >= count && slots.iter().all(|slot| !slot["ended_at"].is_null())).then_some(slots)
        })
    }

    /// One request over plain HTTP as the first operator; the whole answer. `headers` are lines.
    pub fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        self.http_with(&format!("authorization: Bearer {}\r\n{headers}", self.token()), method, path, body)
    }

    /// The same as nobody in particular, but for what these headers say.
    pub fn http_with(&self, headers: &str, method: &str, path: &str, body: &str) -> String {
        let (mut answer, url) = (String::new(), self.url());
        let address = url.trim_start_matches("http://");
        let mut stream = connect(address);
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Makes a home with these settings and this script, and lets its aspect in.
    pub fn home(&self, name: &str, settings: Value, script: &str) -> PathBuf {
        let home = self.dir.path().join("agents").join(name);
        std::fs::create_dir_all(home.join("work")).expect("the folder is ours");
        let mut all = json!({"name": name, "provider": {"kind": "scripted"}});
        for (key, value) in settings.as_object().expect("settings are an object") {
            all[key] = value.clone();
        }
        for hand in all.get_mut("hands").and_then(Value::as_array_mut).into_iter().flatten() {
            for required in ["description", "instructions"] {
                hand[required] = json!("does what the test needs");
            }
        }
        std::fs::write(home.join("aspect.json"), all.to_string()).expect("the folder is ours");
        std::fs::write(home.join("SOUL.md"), format!("You are {name}.\n")).expect("the folder is ours");
        std::fs::write(home.join("NEXUS.md"), "Work.\n").expect("the folder is ours");
        std::fs::write(home.join("script.toml"), script).expect("the folder is ours");
        self.let_in(&home);
        home
    }

    /// Makes the key of the aspect in `home`.
    pub fn let_in(&self, home: &Path) {
        let settings: Value =
            serde_json::from_slice(&std::fs::read(home.join("aspect.json")).expect("a home has settings"))
                .expect("settings are JSON");
        let name = settings["name"].as_str().expect("an aspect has a name");
        let role = settings["role"].as_str().unwrap_or("worker");
        let (data, at) = (self.data(), home.display().to_string());
        let data = data.to_string_lossy();
        let args =
            ["aspect", "add", name, "--data", &data, "--home", &at, "--role", role, "--share-knowledge"];
        let out = self.run("nexus", &args);
        assert!(out.status.success(), "nexus aspect add {name}: {}", text(&out));
    }

    /// Starts the agent of `home` and waits until it registered.
    pub fn agent(&self, home: &Path) -> Process {
        let agent = self.agent_under(&[], home);
        agent.wait_for_text("registered");
        agent
    }

    /// Starts the agent of `home` under another program and does not wait.
    pub fn agent_under(&self, runner: &[&str], home: &Path) -> Process {
        let name = home.file_name().expect("a home is a folder").to_string_lossy().into_owned();
        Process::start(&name, self.command_under(runner, "agent").arg(home))
    }
}

/// Both outputs of a finished command, for an assertion's message.
pub fn text(out: &Output) -> String {
    format!(
        "{}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

/// A port nobody listens on now. A broker that is killed has to come back to the address its agents know, so
/// each test asks for a port by number.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    listener.local_addr().expect("it is bound").port()
}
