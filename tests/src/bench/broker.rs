//! The broker under measurement: started with a data directory, asked the way any client asks it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use nexus_client::{Broker, Credential, Endpoint, KeyFile};
use nexus_wire::admin::{AspectAdd, AspectKey};
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::hands::HandSpec;
use nexus_wire::inbox::Ack;
use nexus_wire::roster::{AspectRole, Register, Registered};
use nexus_wire::{AspectName, Envelope, FromBroker, ToBroker, envelope};
use uuid::Uuid;

use super::child::Process;
use super::clock::now;
use super::fault::{Doing as _, Fault, Outcome};
use super::input::BUSY;
use super::template::fresh_id;
use super::ws::{self, Link};

const START: Duration = Duration::from_secs(30);
/// Long enough to see whether it works, longer than it waits before it begins.
const SETTLE: Duration = Duration::from_millis(150);
const SETTLED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Nexus {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
    endpoint: Endpoint,
    ca_pem: Option<String>,
    operator: Broker,
    nexus_id: Uuid,
}

/// How a broker is started that is not as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Variant<'a> {
    pub(crate) tls: bool,
    /// Settings, as its environment.
    pub(crate) env: &'a [&'a str],
}

/// An aspect that was let in, with its key.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: AspectName,
    client: Broker,
    generation: u64,
}

impl Nexus {
    /// Starts a broker and waits until `/readyz` says so.
    pub(crate) fn launch(program: &Path, data: &Path, addr: SocketAddr, dir: &Path) -> Outcome<Process> {
        let mut process = Self::launch_as(Variant::default(), program, data, addr, dir)?;
        process.wait_ready(START, || is_ready(addr).ok().filter(|ready| *ready))?;
        Ok(process)
    }

    fn launch_as(
        variant: Variant<'_>,
        program: &Path,
        data: &Path,
        addr: SocketAddr,
        dir: &Path,
    ) -> Outcome<Process> {
        let mut arguments: Vec<String> = variant.env.iter().map(|&it| it.to_owned()).collect();
        arguments.push(program.display().to_string());
        arguments.extend(["serve", "--data", &data.display().to_string()].map(str::to_owned));
        arguments.extend(["--listen".to_owned(), addr.to_string()]);
        arguments.extend(variant.tls.then(|| "--tls".to_owned()));
        // Becomes the program, as setpriv does.
        Process::start("nexus", Path::new("env"), &arguments, dir)
    }

    pub(crate) async fn start(program: &Path, data: &Path, addr: SocketAddr, dir: &Path) -> Outcome<Self> {
        Self::start_as(Variant::default(), program, data, addr, dir).await
    }

    pub(crate) async fn start_as(
        variant: Variant<'_>,
        program: &Path,
        data: &Path,
        addr: SocketAddr,
        dir: &Path,
    ) -> Outcome<Self> {
        let mut process = Self::launch_as(variant, program, data, addr, dir)?;
        let run = data.join("nexus.run");
        let pid = process.pid().to_string();
        process.wait_ready(START, || std::fs::read_to_string(&run).ok().filter(|it| it.contains(&pid)))?;
        let path = data.join("operator.token");
        let token = std::fs::read_to_string(&path).doing(format!("read {}", path.display()))?;
        let token = token.trim().to_owned();
        let ca_pem = match variant.tls {
            true => Some(std::fs::read_to_string(data.join("ca.pem")).doing("read the broker's CA")?),
            false => None,
        };
        let scheme = if variant.tls { "https" } else { "http" };
        let endpoint = Endpoint::new(&format!("{scheme}://{addr}"), ca_pem.as_deref(), None);
        let endpoint = endpoint.doing("reach the broker")?;
        let operator = Broker::new(endpoint.clone(), Credential::Token(token.clone().into()));
        let nexus_id = operator.info().await.doing("reach the broker")?.nexus_id;
        Ok(Self { process, addr, token, endpoint, ca_pem, operator, nexus_id })
    }

    /// Waits until the broker has nothing to do. What it does behind the commits, such as the search index, would
    /// otherwise be timed with whatever comes next, the yardsticks among it.
    pub(crate) async fn settle(&self) -> Outcome<()> {
        let begun = now();
        let mut before = self.process.cpu_ticks()?;
        loop {
            tokio::time::sleep(SETTLE).await;
            let after = self.process.cpu_ticks()?;
            // One may be that of the look before.
            if after - before <= 1 {
                return Ok(());
            }
            if begun.elapsed() > SETTLED {
                return Err(Fault::new("wait for the broker to have nothing to do", "it is still at work"));
            }
            before = after;
        }
    }

    /// Lets `<stem>-0` … in.
    pub(crate) async fn add_members(&self, stem: &str, count: usize) -> Outcome<Vec<Member>> {
        let mut members = Vec::with_capacity(count);
        for number in 0..count {
            let name: AspectName = format!("{stem}-{number}").parse().doing("name an aspect")?;
            let doing = || format!("let the aspect {name} in");
            let url = self.endpoint.url().to_owned();
            let keyfile = KeyFile::generate(name.clone(), self.nexus_id, url, self.ca_pem.clone());
            let keyfile = keyfile.doing(doing())?;
            let add = AspectAdd {
                name: name.clone(),
                role: AspectRole::Worker,
                public_key: keyfile.public_key.clone(),
                share_knowledge: false,
            };
            self.operator.post_json::<AspectKey>("/api/v1/aspects", &add).await.doing(doing())?;
            let client = Broker::of_keyfile(keyfile).doing(doing())?;
            members.push(Member { name, client, generation: 0 });
        }
        Ok(members)
    }

    /// A link of the operator, which has said nothing yet.
    pub(crate) async fn operator_link(&self, buffer: usize) -> Outcome<Link> {
        self.link(&self.token, buffer).await
    }

    async fn link(&self, bearer: &str, buffer: usize) -> Outcome<Link> {
        let socket = self.endpoint.open().await.doing("reach the broker")?;
        Link::over(socket, self.endpoint.authority(), "/connect", Some(bearer), buffer).await
    }

    /// States of all aspects, as REST tells them.
    pub(crate) async fn online(&self) -> Outcome<usize> {
        let team: nexus_wire::roster::Team =
            self.operator.get_json("/api/v1/aspects").await.doing("ask for the roster")?;
        Ok(team.aspects.iter().filter(|it| it.state == nexus_wire::roster::AspectState::Online).count())
    }
}

impl Member {
    /// Fetches the access token beforehand, so that a measurement does not contain it.
    pub(crate) async fn bearer(&self) -> Outcome<String> {
        let bearer = self.client.bearer().await.doing(format!("get a token for {}", self.name))?;
        Ok(bearer.expose().to_owned())
    }

    /// A registered link. Delivery begins at the broker's cursor.
    pub(crate) async fn register(&mut self, nexus: &Nexus) -> Outcome<(Link, Registered)> {
        self.register_with(nexus, Vec::new()).await
    }

    /// With Hands, each of which may be given as much as it likes.
    pub(crate) async fn register_with(
        &mut self,
        nexus: &Nexus,
        hands: Vec<HandSpec>,
    ) -> Outcome<(Link, Registered)> {
        let bearer = self.bearer().await?;
        let mut link = nexus.link(&bearer, BUSY).await?;
        let registered = register_hands(&mut link, self.generation, hands).await?;
        self.generation = registered.generation;
        Ok((link, registered))
    }
}

pub(crate) async fn register(link: &mut Link, last_generation: u64) -> Outcome<Registered> {
    register_hands(link, last_generation, Vec::new()).await
}

async fn register_hands(link: &mut Link, last_generation: u64, hands: Vec<HandSpec>) -> Outcome<Registered> {
    let register = Register {
        model: "none".into(),
        provider: "bench".into(),
        slots: hands.iter().map(|hand| hand.concurrency).sum::<u32>().max(1),
        hands,
        last_generation,
        ..Register::default()
    };
    let answer = ask(link, register.into()).await?;
    if let FromBroker::Registered(registered) = answer {
        Ok(*registered)
    } else {
        Err(Fault::new("register", format!("answered by {answer:?}")))
    }
}

/// Sends a request and waits for its reply; other frames before it are dropped.
pub(crate) async fn ask(link: &mut Link, frame: ToBroker) -> Outcome<FromBroker> {
    let id = fresh_id();
    let doing = || format!("ask {}", nexus_wire::frame::FrameSet::kind(&frame));
    let text = envelope::encode(&Envelope { id: Some(id), ..Envelope::default() }, &frame);
    link.send(&ws::encode(text.as_bytes())).await?;
    loop {
        let text = link.text().await?;
        let text = String::from_utf8_lossy(&text);
        let reply = envelope::decode::<FromBroker>(&text).doing(doing())?;
        if reply.envelope.in_reply_to == Some(id) {
            return if let FromBroker::Error(body) = reply.frame {
                Err(Fault::new(doing(), body))
            } else {
                Ok(reply.frame)
            };
        }
    }
}

/// Posts a message and gives what the broker says of it.
pub(crate) async fn say(link: &mut Link, send: ChatSend) -> Outcome<ChatSent> {
    let answer = ask(link, send.into()).await?;
    if let FromBroker::Ok(json) = answer {
        json.parse().doing("read the answer to chat.send")
    } else {
        Err(Fault::new("say something", format!("answered by {answer:?}")))
    }
}

/// Takes and acknowledges the one item that is on its way.
pub(crate) async fn take_item(link: &mut Link) -> Outcome<u64> {
    loop {
        let text = link.text().await?;
        if let Some(offset) = delivered(&text) {
            link.send(&ack(offset)).await?;
            return Ok(offset);
        }
    }
}

pub(crate) fn ack(offset: u64) -> Vec<u8> {
    let text = envelope::encode(&Envelope::default(), &ToBroker::Ack(Ack { offset }));
    ws::encode(text.as_bytes())
}

/// The offset of a `deliver` frame.
pub(crate) fn delivered(text: &[u8]) -> Option<u64> {
    let rest = text.strip_prefix(br#"{"kind":"deliver","payload":{"offset":"#)?;
    let digits = rest.iter().take_while(|it| it.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// The id that an `ok` answers; an `error` is a fault.
pub(crate) fn answered(text: &[u8]) -> Outcome<Option<&[u8]>> {
    if let Some(rest) = text.strip_prefix(br#"{"kind":"ok","in_reply_to":""#) {
        return Ok(rest.get(..36));
    }
    if text.starts_with(br#"{"kind":"error""#) {
        return Err(Fault::new("send a frame", String::from_utf8_lossy(text)));
    }
    Ok(None)
}

fn is_ready(addr: SocketAddr) -> std::io::Result<bool> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(START))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(&status == b"HTTP/1.1 200")
}
