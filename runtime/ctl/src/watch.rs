//! `--watch` and `nexctl top`: the same look again whenever something has changed.

use std::pin::pin;
use std::time::Duration;

use nexus_client::{Follow, Followed};
use nexus_wire::log::Subscribe;

use crate::Run;
use crate::failure::Failure;
use crate::page::Page;
use crate::screen::Screen;

/// What changes at once is looked at together.
const TOGETHER: Duration = Duration::from_millis(150);
/// How often ages are brought up to date where a terminal shows them.
pub(crate) const SLOW: Duration = Duration::from_secs(5);
pub(crate) const FAST: Duration = Duration::from_secs(1);

const LIVE: &str = "Ctrl-C ends it";
const AWAY: &str = "connection lost; reconnecting… Ctrl-C ends it";

/// Shows what `look` finds, and what it finds after each change, until Ctrl-C.
pub(crate) async fn watch(
    run: &Run,
    tick: Duration,
    mut look: impl AsyncFnMut() -> Result<Page, Failure>,
) -> Result<(), Failure> {
    let subscribe = Subscribe { roster: true, activity: true, ..Subscribe::default() };
    let mut follow = run.connect().await?.follow(subscribe).await?;
    let mut screen = run.ui.live.then(|| Screen::open(&run.ui)).transpose()?;
    let mut shown = None;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        let (found, has_changed) = tokio::select! {
            found = looked(&mut look, &mut follow, screen.as_mut()) => found?,
            _ = &mut interrupted => break,
        };
        match (&mut screen, found) {
            (_, None) => {}
            (Some(screen), Some(page)) => screen.draw(page, LIVE)?,
            (None, Some(page)) if shown.as_ref() != Some(&page) => {
                run.ui.result(page.line.as_ref().unwrap_or(&page.text))?;
                shown = Some(page);
            }
            (None, Some(_)) => {}
        }
        if has_changed {
            tokio::time::sleep(TOGETHER).await;
            continue;
        }
        let is_live = screen.is_some();
        tokio::select! {
            changed = change(&mut follow, screen.as_mut()) => changed?,
            // Only a person reads ages; to a program nothing has changed.
            () = tokio::time::sleep(tick), if is_live => {}
            _ = &mut interrupted => break,
        }
    }
    screen.map_or(Ok(()), Screen::close)
}

/// What is found, nothing while there is no connection; and whether something changed meanwhile.
async fn looked(
    look: &mut impl AsyncFnMut() -> Result<Page, Failure>,
    follow: &mut Follow,
    mut screen: Option<&mut Screen<'_>>,
) -> Result<(Option<Page>, bool), Failure> {
    let mut looking = pin!(look());
    let mut has_changed = false;
    loop {
        tokio::select! {
            found = &mut looking => return match found {
                // By HTTP an outage is met at once; the link tells when it is over.
                Err(Failure::Unreachable(_)) => {
                    if let Some(screen) = screen {
                        screen.say(AWAY)?;
                    }
                    Ok((None, false))
                }
                found => found.map(|page| (Some(page), has_changed)),
            },
            followed = follow.next() => {
                tell(&followed?, screen.as_deref_mut())?;
                has_changed = true;
            }
        }
    }
}

fn tell(followed: &Followed, screen: Option<&mut Screen<'_>>) -> Result<(), Failure> {
    match (followed, screen) {
        (Followed::Lost { .. }, Some(screen)) => screen.say(AWAY),
        (
            Followed::Activity(_)
            | Followed::Gap(_)
            | Followed::Log(_)
            | Followed::Lost { .. }
            | Followed::ObserveGap(_)
            | Followed::Observed(_)
            | Followed::Reconnected
            | Followed::Roster(_),
            _,
        ) => Ok(()),
    }
}

/// Waits for a change, and a moment for what comes with it.
async fn change(follow: &mut Follow, mut screen: Option<&mut Screen<'_>>) -> Result<(), Failure> {
    let first = follow.next().await?;
    tell(&first, screen.as_deref_mut())?;
    let rest = async {
        loop {
            tell(&follow.next().await?, screen.as_deref_mut())?;
        }
    };
    let rest: Result<Result<std::convert::Infallible, Failure>, _> =
        tokio::time::timeout(TOGETHER, rest).await;
    match rest {
        Ok(Err(failure)) => Err(failure),
        Err(_) => Ok(()),
    }
}
