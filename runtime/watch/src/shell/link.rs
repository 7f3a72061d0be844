//! What comes from the broker, in the words of the state.

use nexus_client::{Follow, Followed};
use nexus_operator::failure::Failure;
use nexus_wire::Ms;

use crate::app::{Event, News};

/// What comes next; after the end, never. Safe to cancel.
pub(crate) async fn told(following: &mut Option<Follow>) -> Event {
    let Some(follow) = following else { return std::future::pending().await };
    let news = match follow.next().await {
        Ok(followed) => news(followed),
        Err(error) => {
            *following = None;
            News::Over(Failure::from(error).to_string())
        }
    };
    Event::News(Box::new(news))
}

fn news(followed: Followed) -> News {
    match followed {
        Followed::Activity(changed) => News::Activity(*changed),
        Followed::Gap(gap) => News::LogGap(gap),
        Followed::Log(entry) => News::Log(*entry),
        Followed::Lost { loss, retry_in } => News::Lost {
            why: loss.to_string(),
            retry_in: Ms::try_from(retry_in.as_millis()).unwrap_or(Ms::MAX),
        },
        Followed::ObserveGap(gap) => News::ObserveGap(gap),
        Followed::Observed(observed) => News::Observed(*observed),
        Followed::Reconnected => News::Reconnected,
        Followed::Roster(changed) => News::Roster(changed.aspect),
    }
}
