//! From the outbox to the socket: everything that waits is written before it is flushed, so that many frames
//! share one write.

use std::collections::VecDeque;
use std::future::poll_fn;

use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use nexus_wire::limits::FRAME_BYTES_MAX;
use nexus_wire::observe::RosterChanged;
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, RequestId, envelope};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::Ending;
use crate::deliver::Peer;
use crate::deliver::outbox::{Answer, Out, Work};
use crate::edge::Edge;

pub(super) async fn run<S>(
    edge: &Edge,
    peer: &Peer,
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
) -> Ending
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut frames = VecDeque::new();
    loop {
        match poll_fn(|cx| peer.outbox.poll_take(cx, &mut frames)).await {
            Work::Frames => {
                while let Some(out) = frames.pop_front() {
                    if sink.feed(message(edge, out)).await.is_err() {
                        return Ending::Gone;
                    }
                }
            }
            Work::Roster(names) => {
                for aspect in names.iter().filter_map(|name| edge.published.presence.info(name)) {
                    let frame = FromBroker::RosterChanged(RosterChanged { aspect });
                    let text = envelope::push(&frame);
                    if fits(&text) && sink.feed(Message::text(text)).await.is_err() {
                        return Ending::Gone;
                    }
                }
            }
            Work::Close(close) => return Ending::Close(close),
        }
        if sink.flush().await.is_err() {
            return Ending::Gone;
        }
    }
}

fn message(edge: &Edge, out: Out) -> Message {
    match out {
        Out::Answer { request, answer } => Message::text(reply(edge, request, *answer)),
        Out::Complaint(body) => Message::text(envelope::push(&FromBroker::Error(body))),
        Out::Deliver { offset, item } => Message::text(envelope::deliver_text(offset, &item)),
        Out::Gap(gap) => Message::text(envelope::push(&FromBroker::Gap(gap))),
        Out::Log(line) => Message::Text(line.text()),
        Out::Ping => Message::Ping(Bytes::new()),
        Out::Stream(text) => Message::Text(text),
    }
}

fn reply(edge: &Edge, request: RequestId, answer: Answer) -> String {
    let text = match answer {
        Ok(FromBroker::Registered(mut registered)) => {
            edge.published.presence.overlay(&mut registered.situation.team);
            envelope::reply(request, &FromBroker::Registered(registered))
        }
        Ok(frame) => envelope::reply(request, &frame),
        Err(body) => envelope::reply(request, &FromBroker::Error(body)),
    };
    if fits(&text) {
        return text;
    }
    let message = format!(
        "the answer has {} bytes, more than the {FRAME_BYTES_MAX} of a frame: ask for less at a time",
        text.len()
    );
    envelope::reply(request, &FromBroker::Error(ErrorBody::new(ErrorCode::TooLarge, message)))
}

/// Whatever a client is sent is a frame. Lists end early and contents are refused when they come in, so what does
/// not fit here shows a defect; it must not cost the reader its link all the same.
fn fits(text: &str) -> bool {
    let fits = text.len() <= FRAME_BYTES_MAX;
    if !fits {
        tracing::error!(bytes = text.len(), "a frame would have been too large and was not sent");
    }
    fits
}
