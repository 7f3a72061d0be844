//! A server that takes whatever is posted to it, for tests of what goes outside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Answers 200 to everything, and keeps the bodies.
#[derive(Debug, Default)]
pub struct Inlet {
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Inlet {
    /// On a port of this machine that somebody was told before.
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let inlet = Self::default();
        let taken = Arc::clone(&inlet.taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take(stream, &taken);
            }
        });
        inlet
    }

    pub fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn take(stream: TcpStream, taken: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    for line in head.lines() {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    if let Ok(json) = serde_json::from_slice(&body) {
        taken.lock().unwrap_or_else(PoisonError::into_inner).push(json);
    }
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let _ = reader.into_inner().write_all(answer.as_bytes());
}
