//! The way to the broker: one link at a time, dialled again when it is lost; requests wait for the next one, up to a bound.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use nexus_client::{
    Broker, CallError, Caller, CloseReason, Event, Link, Loss, RequestError, Session, new_request_id,
};
use nexus_mcp_server::{Bus, Heard, Role, Who};
use nexus_operator::failure::Failure;
use nexus_wire::access::SessionInfo;
use nexus_wire::admin::OperatorRole;
use nexus_wire::log::Subscribe;
use nexus_wire::roster::{Deregister, Register};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, FromBroker, Json, Party, RequestId, ToBroker};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use crate::work;

/// Frames kept for whoever listens; who is slower than that is told to look again.
const HEARD_MAX: usize = 1024;
/// How long the start waits to learn who it is, before it serves all the same.
const INTRODUCTION: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Uplink {
    caller: Caller,
    standing: Arc<Standing>,
    patience: Duration,
    url: String,
    keeping: AbortHandle,
}

/// What the task that keeps the link and those who ask have in common.
#[derive(Debug)]
struct Standing {
    who: RwLock<Who>,
    told: broadcast::Sender<Heard>,
    /// Why there is no link now, as far as is known.
    trouble: RwLock<Option<String>>,
}

impl Uplink {
    pub(crate) async fn start(broker: Broker, patience: Duration) -> Result<Self, Failure> {
        let name = broker.aspect();
        let who = match &name {
            Some(name) => Who { party: Party::Aspect(name.clone()), role: Role::Aspect },
            // Until the broker has said who it is.
            None => Who { party: Party::System, role: Role::Operator },
        };
        let standing = Arc::new(Standing {
            who: RwLock::new(who),
            told: broadcast::Sender::new(HEARD_MAX),
            trouble: RwLock::default(),
        });
        introduce(&broker, name.as_ref(), &standing).await?;
        let session = Session::start(broker.clone());
        let (caller, url) = (session.caller(), broker.endpoint().url().to_owned());
        let keeping = tokio::spawn(keep(session, broker, name, Arc::clone(&standing))).abort_handle();
        Ok(Self { caller, standing, patience, url, keeping })
    }

    /// Says goodbye.
    pub(crate) async fn leave(&self) {
        let Some(link) = self.caller.link() else { return };
        // Nobody is to dial again.
        self.keeping.abort();
        if self.who().role == Role::Aspect {
            let reason = Some("the assistant has closed it".to_owned());
            let _ = link.call(Deregister { reason }).await;
        }
        link.close().await;
    }

    fn away(&self) -> ErrorBody {
        let why = self.standing.trouble.read().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.map_or(String::new(), |why| format!(" ({why})"));
        let message = format!(
            "the broker at {} has not answered for {} s{why}; if it is restarting, wait and call again, else start it \
             with: nexus serve",
            self.url,
            self.patience.as_secs()
        );
        ErrorBody::new(ErrorCode::Unavailable, message)
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Bus for Uplink {
    fn who(&self) -> Who {
        self.standing.who.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, id: RequestId, frame: ToBroker) -> Result<Json, ErrorBody> {
        match tokio::time::timeout(self.patience, self.caller.call_as(id, frame)).await {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(CallError::Refused(body))) => Err(body),
            Ok(Err(CallError::Over(loss))) => Err(over(&loss)),
            Ok(Err(error @ CallError::BadReply(_))) => {
                Err(ErrorBody::new(ErrorCode::Internal, error.to_string()))
            }
            Err(_) => Err(self.away()),
        }
    }

    fn hear(&self, _: Subscribe) -> broadcast::Receiver<Heard> {
        self.standing.told.subscribe()
    }
}

/// There will be no further link of this process.
fn over(loss: &Loss) -> ErrorBody {
    let code = if loss.is_displaced() { ErrorCode::Displaced } else { ErrorCode::Unauthorized };
    let next = if loss.is_displaced() {
        "each assistant that runs at the same time needs a keyfile of its own; restart this server to take over"
    } else {
        "put the key or token in order and restart this server"
    };
    ErrorBody::new(code, format!("there is no way to the broker any more: {loss}; {next}"))
}

/// Learns who the token's owner is. A broker that is away is asked again once it is there.
async fn introduce(broker: &Broker, name: Option<&AspectName>, standing: &Standing) -> Result<(), Failure> {
    let asked = async {
        match name {
            Some(_) => broker.bearer().await.map(|_| None),
            None => broker.get_json::<SessionInfo>("/api/v1/session").await.map(Some),
        }
    };
    match tokio::time::timeout(INTRODUCTION, asked).await {
        Ok(Ok(None)) => Ok(()),
        Ok(Ok(Some(info))) => {
            standing.is(&info);
            Ok(())
        }
        Ok(Err(error)) if error.is_terminal() => Err(error.into()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the broker is not there yet");
            standing.has_trouble(Some(error.to_string()));
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

impl Standing {
    fn is(&self, info: &SessionInfo) {
        let role = match info.role {
            OperatorRole::Viewer => Role::Viewer,
            OperatorRole::Operator => Role::Operator,
            OperatorRole::Admin => Role::Admin,
        };
        let who = Who { party: Party::Operator(info.operator.clone()), role };
        *self.who.write().unwrap_or_else(PoisonError::into_inner) = who;
    }

    fn has_trouble(&self, why: Option<String>) {
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Nobody may be listening.
    fn tell(&self, heard: Heard) {
        let _ = self.told.send(heard);
    }
}

/// Owns the session until it is over.
async fn keep(mut session: Session, broker: Broker, name: Option<AspectName>, standing: Arc<Standing>) {
    let mut link = None;
    loop {
        match session.next().await {
            Event::Connected(new) => {
                link = Some(new.clone());
                let (broker, name, standing) = (broker.clone(), name.clone(), Arc::clone(&standing));
                // Beside this loop, which takes what comes on the link meanwhile.
                tokio::spawn(async move { begin(&new, &broker, name.as_ref(), &standing).await });
            }
            Event::Frame(frame) => {
                let frame = Arc::new(*frame);
                standing.tell(Heard::Frame(Arc::clone(&frame)));
                if let (Some(link), FromBroker::Deliver(_) | FromBroker::SessionAsk(_)) = (&link, &*frame) {
                    work::take(link, &frame).await;
                }
            }
            // By us, at the end.
            Event::Lost { loss: Loss::Link(CloseReason::Local), .. } => {}
            Event::Lost { loss, retry_in } => {
                tracing::warn!(%loss, ?retry_in, "no link to the broker");
                standing.has_trouble(Some(loss.to_string()));
            }
            Event::Terminal(loss) => {
                tracing::error!(%loss, "there will be no further link");
                standing.has_trouble(Some(loss.to_string()));
                // Whoever asks is told why as long as the session is not dropped.
                return std::future::pending().await;
            }
        }
    }
}

/// Says on a new link who we are, and that we listen.
async fn begin(link: &Link, broker: &Broker, name: Option<&AspectName>, standing: &Standing) {
    let begun = match name {
        Some(_) => link.call(registration()).await.map(drop),
        None => {
            if let Ok(info) = broker.get_json::<SessionInfo>("/api/v1/session").await {
                standing.is(&info);
            }
            let subscribe = Subscribe { observe: true, roster: true, ..Subscribe::default() };
            link.call_as(new_request_id(), subscribe).await.map(drop)
        }
    };
    match begun {
        Ok(()) => {
            link.established();
            standing.has_trouble(None);
            standing.tell(Heard::Anew);
        }
        Err(RequestError::Lost(_)) => {}
        Err(error) => {
            tracing::error!(%error, "the broker does not take this link");
            standing.has_trouble(Some(error.to_string()));
            link.close().await;
        }
    }
}

/// It offers no Hands and takes no work. What it has to know is the broker's to keep, so it is no copy of anything and
/// goes on with what is there.
fn registration() -> Register {
    Register { provider: "mcp".to_owned(), adopt: true, ..Register::default() }
}
