//! The one part that touches the world: a terminal, a link to the broker, the clock. It carries events to the state and
//! effects away, and decides nothing.

mod input;
mod link;
mod requests;
pub(crate) mod terminal;

use std::task::Poll;
use std::time::Duration;

use nexus_client::{Broker, Caller, Client, Follow};
use nexus_operator::failure::Failure;
use nexus_wire::Ms;
use nexus_wire::log::Subscribe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::{App, Effect, Event};
use crate::pace::Pace;
use crate::view::Theme;
pub(crate) use link::told;
use terminal::Screen;

/// Answers that wait to be taken up.
const ANSWERS_MAX: usize = 256;
/// Events that are taken up before the next frame is thought of.
const BATCH_MAX: usize = 256;
/// How often time is looked at, for ages and for what may be asked again.
const TICK: Duration = Duration::from_millis(250);

/// The time, for people and for the state.
#[expect(clippy::disallowed_methods, reason = "the one place where this program reads the wall clock")]
pub(crate) fn wall() -> Ms {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| Ms::try_from(since.as_millis()).unwrap_or(Ms::MAX))
}

/// The connection, everything of what was streamed and is kept first.
pub(crate) async fn follow(broker: Broker) -> Result<Follow, Failure> {
    let client = Client::connect(broker).await?;
    let subscribe = Subscribe {
        observe: true,
        observe_from: Some(Default::default()),
        roster: true,
        activity: true,
        ..Subscribe::default()
    };
    Ok(client.follow(subscribe).await?)
}

/// How the program was ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Quit,
    /// By this signal.
    Signal(i32),
}

/// What can be asked of the broker beside following it.
#[derive(Debug)]
pub(crate) struct Asking {
    caller: Caller,
    answers: mpsc::Sender<Event>,
}

impl Asking {
    pub(crate) fn new(caller: Caller) -> (Self, mpsc::Receiver<Event>) {
        let (answers, taken) = mpsc::channel(ANSWERS_MAX);
        (Self { caller, answers }, taken)
    }

    /// Carries out what is of the broker; the rest is left to the caller.
    pub(crate) fn carry_out(&self, effect: Effect) -> Option<Effect> {
        let (caller, answers) = (self.caller.clone(), self.answers.clone());
        match effect {
            Effect::Load(load) => {
                tokio::spawn(async move { answers.send(requests::load(&caller, load).await).await });
                None
            }
            Effect::Act(asked) => {
                tokio::spawn(async move {
                    match requests::act(&caller, asked).await {
                        Some(event) => answers.send(event).await,
                        None => Ok(()),
                    }
                });
                None
            }
            Effect::Suspend | Effect::Repaint | Effect::Quit => Some(effect),
        }
    }
}

/// Until whoever watches leaves, or a signal ends it. The terminal is as it was then.
pub(crate) async fn run(mut app: App, broker: Broker, theme: Theme) -> Result<End, Failure> {
    let mut following = Some(follow(broker).await?);
    let caller = following.as_ref().map(Follow::caller);
    let Some((asking, mut answers)) = caller.map(Asking::new) else { return Ok(End::Quit) };
    let mut ending = Ending::new()?;
    let mut resuming = waiting_for(terminal::resuming())?;
    let mut screen = Screen::enter()?;
    let mut typed = input::typed();
    let mut ticks = tokio::time::interval(TICK);
    let begun = Instant::now();
    let mut pace = Pace::default();
    let mut second = 0;
    let mut events = vec![Event::Redraw];
    loop {
        for event in events.drain(..) {
            let now = wall();
            // Time alone changes what is shown once a second.
            let is_news = !matches!(event, Event::Tick) || now / 1_000 != second;
            second = now / 1_000;
            if is_news {
                pace.touch();
            }
            for effect in app.update(event, now) {
                match asking.carry_out(effect) {
                    None | Some(Effect::Load(_) | Effect::Act(_)) => {}
                    Some(Effect::Suspend) => screen.suspend()?,
                    Some(Effect::Repaint) => screen.repaint()?,
                    Some(Effect::Quit) => return Ok(End::Quit),
                }
            }
        }
        if pace.draws(begun.elapsed()) {
            screen.draw(&app, theme)?;
        }
        let frame = pace.next().map(|at| begun + at);
        tokio::select! {
            biased;
            number = ending.next() => return Ok(End::Signal(number)),
            _ = resuming.recv() => {
                screen.resume()?;
                events.push(Event::Redraw);
            }
            event = typed.recv() => match event {
                Some(event) => events.push(event),
                // The terminal is gone.
                None => return Ok(End::Signal(SignalKind::hangup().as_raw_value())),
            },
            () = until(frame) => {}
            event = answers.recv() => events.extend(event),
            _ = ticks.tick() => events.push(Event::Tick),
            told = told(&mut following) => events.push(told),
        }
        while events.len() < BATCH_MAX
            && let Ok(event) = answers.try_recv()
        {
            events.push(event);
        }
    }
}

async fn until(frame: Option<Instant>) {
    match frame {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Signals that end the program.
#[derive(Debug)]
struct Ending(Vec<(i32, Signal)>);

impl Ending {
    fn new() -> Result<Self, Failure> {
        let kinds =
            [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()];
        let waiting = |kind: SignalKind| Ok((kind.as_raw_value(), waiting_for(kind)?));
        kinds.into_iter().map(waiting).collect::<Result<_, Failure>>().map(Self)
    }

    /// Which one came.
    async fn next(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            let mut waiting = self.0.iter_mut();
            let come =
                waiting.find_map(|(number, signal)| signal.poll_recv(context).is_ready().then_some(*number));
            come.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

fn waiting_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Failed(format!("signals cannot be waited for: {error}")))
}
