//! What a process asked of the kernel, from strace: the only witness of whether a sync came before a promise.
//!
//! kill -9 cannot tell: the page cache survives it. A trace can: bytes were written to this file, the file was
//! synced, the sync returned, and only then did these other bytes leave through a socket.

use std::path::Path;

/// Runs a program under strace; its trace goes to `file`.
pub fn tracer(file: &Path) -> Vec<String> {
    let calls = "trace=fdatasync,fsync,write,writev,pwrite64,pwritev,sendto,sendmsg";
    let file = file.display().to_string();
    ["strace", "-f", "-qq", "-xx", "-s", "1048576", "-y", "-e", calls, "-e", "signal=none", "-o", &file]
        .map(str::to_owned)
        .to_vec()
}

/// One call, in the order in which it began.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: String,
    /// What the descriptor is open on: a path, or `socket:[…]`.
    pub target: String,
    /// All bytes the call carried.
    pub bytes: Vec<u8>,
    /// Line at which it returned; `None` if it never did.
    pub returned: Option<usize>,
    pub began: usize,
    pub succeeded: bool,
}

impl Call {
    fn is_sync(&self) -> bool {
        self.name == "fdatasync" || self.name == "fsync"
    }

    fn holds(&self, text: &str) -> bool {
        self.bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
    }
}

/// A process's calls.
#[derive(Debug)]
pub struct Trace(Vec<Call>);

impl Trace {
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("strace wrote its trace");
        let mut calls: Vec<Call> = Vec::new();
        let mut open: Vec<(String, usize)> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let Some((pid, rest)) = line.split_once(char::is_whitespace) else { continue };
            let rest = rest.trim_start();
            if let Some(resumed) = rest.strip_prefix("<... ") {
                let index = open.iter().position(|(of, _)| of == pid);
                if let Some((_, call)) = index.map(|index| open.remove(index)) {
                    calls[call].returned = Some(at);
                    calls[call].succeeded = succeeded(resumed);
                }
                continue;
            }
            let Some((name, arguments)) = rest.split_once('(') else { continue };
            let unfinished = rest.ends_with("<unfinished ...>");
            if unfinished {
                open.push((pid.to_owned(), calls.len()));
            }
            calls.push(Call {
                name: name.to_owned(),
                target: target(arguments),
                bytes: carried(arguments),
                returned: (!unfinished).then_some(at),
                began: at,
                succeeded: !unfinished && succeeded(rest),
            });
        }
        Self(calls)
    }

    /// The first call on a file whose path contains `file` that carried `text`.
    pub fn wrote(&self, file: &str, text: &str) -> Option<&Call> {
        self.0.iter().find(|call| !call.is_sync() && call.target.contains(file) && call.holds(text))
    }

    /// When the first bytes holding all of `texts` left through a socket; masked WebSocket frames are read too.
    pub fn sent(&self, texts: &[&str]) -> Option<usize> {
        let sockets = self.0.iter().filter(|call| !call.is_sync() && is_socket(&call.target));
        sockets
            .filter(|call| {
                let plain = texts.iter().all(|text| call.holds(text));
                plain
                    || unmasked(&call.bytes)
                        .iter()
                        .any(|frame| texts.iter().all(|text| contains(frame, text)))
            })
            .map(|call| call.began)
            .next()
    }

    /// Whether `file` was synced, wholly, between the return of `written` and line `before`.
    pub fn synced_between(&self, file: &str, written: &Call, before: usize) -> bool {
        let Some(after) = written.returned else { return false };
        self.0.iter().any(|call| {
            call.is_sync()
                && call.succeeded
                && call.target.contains(file)
                && call.began > after
                && call.returned.is_some_and(|returned| returned < before)
        })
    }

    /// Whether the folder itself was synced before line `before`.
    pub fn folder_synced(&self, folder: &str, before: usize) -> bool {
        self.0.iter().any(|call| {
            call.is_sync()
                && call.succeeded
                && call.target.ends_with(folder)
                && call.returned.is_some_and(|returned| returned < before)
        })
    }
}

fn is_socket(target: &str) -> bool {
    target.starts_with("socket:") || target.starts_with("TCP")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len().max(1)).any(|window| window == text.as_bytes())
}

fn succeeded(line: &str) -> bool {
    line.rsplit_once(" = ").is_some_and(|(_, value)| !value.starts_with('-'))
}

/// `\x41\x42` as bytes.
fn unescaped(hex: &str) -> Vec<u8> {
    hex.split("\\x").filter_map(|pair| u8::from_str_radix(pair.get(..2)?, 16).ok()).collect()
}

fn target(arguments: &str) -> String {
    let Some((_, rest)) = arguments.split_once('<') else { return String::new() };
    let name = rest.split_once('>').map_or("", |(name, _)| name);
    if name.contains("\\x") {
        String::from_utf8_lossy(&unescaped(name)).into_owned()
    } else {
        name.to_owned()
    }
}

fn carried(arguments: &str) -> Vec<u8> {
    arguments.split('"').skip(1).step_by(2).flat_map(unescaped).collect()
}

/// The payloads of the client's WebSocket frames in `bytes` (RFC 6455 §5.2), masks taken off.
fn unmasked(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while bytes.len() >= 6 && bytes[1] & 0x80 != 0 {
        let (length, header) = match bytes[1] & 0x7f {
            126 if bytes.len() >= 8 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            126 | 127 => break,
            short => (usize::from(short), 2),
        };
        let Some(mask) = bytes.get(header..header + 4) else { break };
        let Some(body) = bytes.get(header + 4..header + 4 + length) else { break };
        frames.push(body.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect());
        bytes = &bytes[header + 4 + length..];
    }
    frames
}
