use std::io;

use futures_util::stream;

use super::*;

const STALL: Duration = Duration::from_secs(60);

type Events = Vec<Result<String, ProviderErrorKind>>;

async fn read(chunks: Vec<Result<Bytes, io::Error>>) -> Events {
    events(stream::iter(chunks), STALL).collect().await
}

/// Chunks of `size` bytes, wherever that cuts.
fn cut(text: &str, size: usize) -> Vec<Result<Bytes, io::Error>> {
    text.as_bytes().chunks(size).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect()
}

fn data(items: &[&str]) -> Events {
    items.iter().map(|item| Ok((*item).to_owned())).collect()
}

#[tokio::test]
async fn every_split_yields_the_same_events() {
    let text = "\u{feff}: hello\r\nevent: a\r\ndata: {\"t\":\"añ→🜁\"}\r\n\r\n:\n\ndata: one\ndata: two\n\nretry: 5\n\ndata: [DONE]\n\n";
    for size in 1..=text.len() {
        let seen = read(cut(text, size)).await;
        assert_eq!(seen, data(&["{\"t\":\"añ→🜁\"}", "one\ntwo", "[DONE]"]), "chunks of {size} bytes");
    }
}

#[tokio::test]
async fn an_event_cut_in_the_middle_is_not_an_event() {
    assert_eq!(read(cut("data: one\n\ndata: tw", 4)).await, data(&["one"]));
}

#[tokio::test]
async fn bytes_that_are_no_text_end_the_stream() {
    let seen = read(vec![Ok(Bytes::from_static(b"data: \xff\xfe\n\ndata: x\n\n"))]).await;
    assert!(matches!(seen.as_slice(), [Err(ProviderErrorKind::Truncated(_))]), "{seen:?}");
}

#[tokio::test]
async fn an_endless_event_is_cut() {
    let line = Bytes::from("data: ".to_owned() + &"x".repeat(1024 * 1024));
    let endless = stream::repeat_with(move || Ok::<_, io::Error>(line.clone()));
    let seen: Events = events(endless, STALL).collect().await;
    assert!(
        matches!(seen.as_slice(), [Err(ProviderErrorKind::Invalid(reason))] if reason.contains("event")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_endless_stream_is_cut() {
    let comment = Bytes::from(format!(":{}\n\n", "x".repeat(1024 * 1024)));
    let endless = stream::repeat_with(move || Ok::<_, io::Error>(comment.clone()));
    let seen: Events = events(endless, STALL).collect().await;
    assert!(matches!(seen.as_slice(), [Err(ProviderErrorKind::Invalid(_))]), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_measured_from_the_last_byte() {
    let slow = stream::unfold(0, |step| async move {
        let wait = if step < 3 { 59 } else { 61 };
        tokio::time::sleep(Duration::from_secs(wait)).await;
        Some((Ok::<_, io::Error>(Bytes::from(format!("data: {step}\n\n"))), step + 1))
    });
    let seen: Events = events(Box::pin(slow), STALL).collect().await;
    let mut expected = data(&["0", "1", "2"]);
    expected.push(Err(ProviderErrorKind::Stalled(STALL)));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_broken_connection_is_a_truncated_stream() {
    let mut chunks = cut("data: one\n\n", 64);
    chunks.push(Err(io::Error::other("reset by peer")));
    let mut expected = data(&["one"]);
    expected.push(Err(ProviderErrorKind::Truncated("reset by peer".to_owned())));
    assert_eq!(read(chunks).await, expected);
}
