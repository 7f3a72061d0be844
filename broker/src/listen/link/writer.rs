//! From the outbox to the socket: everything that waits is encoded into one buffer before it is written, so that
//! many frames share one write.

use std::collections::VecDeque;
use std::future::poll_fn;

use nexus_wire::limits::FRAME_BYTES_MAX;
use nexus_wire::observe::{ActivityChanged, RosterChanged};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, RequestId, envelope};
use tokio::io::AsyncWrite;

use super::Ending;
use super::socket::Output;
use crate::deliver::Peer;
use crate::deliver::outbox::{Answer, Out, Reply, Work};
use crate::edge::Edge;
use crate::framing::{put_ping, put_pong, put_text};

pub(super) async fn run<S>(edge: &Edge, peer: &Peer, output: &mut Output, stream: &mut S) -> Ending
where
    S: AsyncWrite + Unpin,
{
    let mut frames = VecDeque::new();
    loop {
        let work = poll_fn(|cx| {
            let work = peer.outbox.poll_take(cx, &mut frames);
            if work.is_pending() {
                output.rest();
            }
            work
        });
        match work.await {
            Work::Frames => {
                while let Some(out) = frames.pop_front() {
                    edge.published.meter.sent(out.kind(), out.refusal());
                    put(edge, out, &mut output.bytes);
                    if output.is_plenty() && output.write(stream).await.is_err() {
                        return Ending::Gone;
                    }
                }
            }
            Work::Roster(names) => {
                for aspect in names.iter().filter_map(|name| edge.published.presence.info(name)) {
                    let frame = FromBroker::RosterChanged(Box::new(RosterChanged { aspect }));
                    edge.published.meter.sent(Some("roster.changed"), None);
                    let text = envelope::push(&frame);
                    if fits(&text) {
                        put_text(&mut output.bytes, [&text]);
                    }
                }
            }
            Work::Active(names) => {
                for (aspect, activity) in
                    names.iter().filter_map(|name| edge.published.presence.activity(name))
                {
                    edge.published.meter.sent(Some("activity"), None);
                    let frame = FromBroker::Activity(ActivityChanged { aspect, activity });
                    put_text(&mut output.bytes, [&envelope::push(&frame)]);
                }
            }
            Work::Close(close) => return Ending::Close(close),
        }
        if output.write(stream).await.is_err() {
            return Ending::Gone;
        }
    }
}

fn put(edge: &Edge, out: Out, bytes: &mut Vec<u8>) {
    match out {
        Out::Answer { request, reply } => put_reply(edge, request, reply, bytes),
        Out::Complaint(body) => put_text(bytes, [&envelope::push(&FromBroker::Error(body))]),
        Out::Deliver { offset, item } => {
            put_text(bytes, envelope::deliver_parts(itoa::Buffer::new().format(offset), &item));
        }
        Out::Gap(gap) => put_text(bytes, [&envelope::push(&FromBroker::Gap(gap))]),
        Out::Log(line) => put_text(bytes, [line.text()]),
        Out::ObserveGap(gap) => put_text(bytes, [&envelope::push(&FromBroker::ObserveGap(*gap))]),
        Out::Ping => put_ping(bytes),
        Out::Pong(payload) => put_pong(bytes, &payload),
        Out::Shutdown(text) => put_text(bytes, [&text]),
        Out::Stream(block) => bytes.extend_from_slice(block.frames()),
    }
}

fn put_reply(edge: &Edge, request: RequestId, reply: Reply, bytes: &mut Vec<u8>) {
    let answer = match reply {
        // Text already.
        Reply::Ok(json) if json.as_str().len() < FRAME_BYTES_MAX / 2 => {
            let request = request.0.hyphenated();
            return put_text(bytes, envelope::ok_parts(request.encode_lower(&mut [0; 36]), json.as_str()));
        }
        Reply::Ok(json) => Ok(FromBroker::Ok(json)),
        // Its place is free once it is among the bytes, of which no more are taken before these are written.
        Reply::Read(held) => return put_reply(edge, request, held.answer.into(), bytes),
        Reply::Other(answer) => *answer,
    };
    put_text(bytes, [&text_of(edge, request, answer)]);
}

fn text_of(edge: &Edge, request: RequestId, answer: Answer) -> String {
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
