//! What streams as lines of JSON in a file, for whoever wants to keep it. Written by a thread of its own behind a
//! bounded queue: whoever streams never waits for the disk. What found no room is counted, and the file says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock;
use crate::framing::Block;
use crate::task;

/// Blocks that may wait, and their bytes.
const WAITING_MAX: usize = 4_096;
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Between attempts to write while the disk refuses.
const RETRY: Duration = Duration::from_secs(1);

/// Where it goes, and how much is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SinkSettings {
    pub path: PathBuf,
    /// A file that has grown to this is put away and another begun.
    pub file_bytes: u64,
    /// Kept in all, the one that is written included.
    pub files: u32,
}

#[derive(Debug)]
enum Message {
    Block(Block),
    /// Nothing more comes.
    End,
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The end that is written to.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    queue: SyncSender<Message>,
    counts: Arc<Counts>,
}

impl Sink {
    pub(crate) fn start(settings: SinkSettings) -> io::Result<(Self, JoinHandle<()>)> {
        let file = Rotating::open(settings)?;
        let (sink, waiting) = Self::new();
        let counts = Arc::clone(&sink.counts);
        let thread = task::thread("sink", move || Writer::new(file, counts).run(&waiting))?;
        Ok((sink, thread))
    }

    fn new() -> (Self, Receiver<Message>) {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        (Self { queue, counts: Arc::default() }, waiting)
    }

    /// Never waits.
    pub(crate) fn put(&self, block: Block) {
        let (bytes, count) = (block.frames().len(), block.count());
        let waiting = self.counts.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One that is larger than all room is taken when nothing waits.
        let has_room = waiting == 0 || waiting + bytes <= WAITING_BYTES_MAX;
        if !has_room || self.queue.try_send(Message::Block(block)).is_err() {
            self.counts.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// What waits is written, and then the thread ends.
    pub(crate) fn end(&self) {
        // A thread that has gone has ended already.
        let _ = self.queue.send(Message::End);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

struct Writer {
    file: Rotating,
    counts: Arc<Counts>,
    /// Of those dropped: how many the file says.
    told: u64,
    failed_at: Option<Instant>,
}

impl Writer {
    fn new(file: Rotating, counts: Arc<Counts>) -> Self {
        Self { file, counts, told: 0, failed_at: None }
    }

    fn run(&mut self, queue: &Receiver<Message>) {
        loop {
            let message = match queue.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    let Ok(message) = queue.recv() else { break };
                    message
                }
            };
            match message {
                Message::Block(block) => self.take(&block),
                Message::End => break,
            }
        }
        self.flush();
    }

    fn take(&mut self, block: &Block) {
        self.counts.waiting_bytes.fetch_sub(block.frames().len(), Ordering::Relaxed);
        let rests = self.failed_at.is_some_and(|at| clock::now().saturating_duration_since(at) < RETRY);
        let mut left = block.count();
        if !rests {
            match self.write(block, &mut left) {
                Ok(()) => self.failed_at = None,
                Err(error) => self.fail(&error),
            }
        }
        self.lose(left);
    }

    fn lose(&self, frames: u64) {
        self.counts.dropped.fetch_add(frames, Ordering::Relaxed);
    }

    fn fail(&mut self, error: &io::Error) {
        if self.failed_at.is_none() {
            let path = self.file.settings.path.display();
            tracing::warn!(%error, "what streams cannot be written to {path}; it is dropped until it can");
        }
        self.failed_at = Some(clock::now());
        let lost = self.file.void();
        self.lose(lost);
    }

    /// `left` counts down to the frames that were not even begun with.
    fn write(&mut self, block: &Block, left: &mut u64) -> io::Result<()> {
        let at = clock::wall();
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if dropped > self.told {
            let frames = dropped - self.told;
            tracing::warn!(frames, "the file of what streams lacks these");
            let line = json!({"at": at, "kind": "observe.dropped", "payload": {"frames": frames}});
            self.file.line(&[&line.to_string()])?;
            self.told = dropped;
        }
        let begin = format!("{{\"at\":{at},");
        // A frame is an object, and its text begins with the brace that is left out here.
        for text in block.texts() {
            self.file.line(&[&begin, text.get(1..).unwrap_or_default()])?;
            *left -= 1;
        }
        Ok(())
    }

    fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            self.fail(&error);
        }
    }
}

/// The file that is written, and those put away beside it: `.1` is the latest of them.
struct Rotating {
    settings: SinkSettings,
    /// `None`: to be opened again.
    file: Option<BufWriter<File>>,
    bytes: u64,
    /// Lines that may still be in memory alone.
    unwritten: u64,
}

impl Rotating {
    fn open(settings: SinkSettings) -> io::Result<Self> {
        let mut this = Self { settings, file: None, bytes: 0, unwritten: 0 };
        this.opened()?;
        Ok(this)
    }

    fn opened(&mut self) -> io::Result<&mut BufWriter<File>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let (file, bytes) = append_to(&self.settings.path)?;
                self.bytes = bytes;
                BufWriter::new(file)
            }
        };
        Ok(self.file.insert(file))
    }

    fn line(&mut self, parts: &[&str]) -> io::Result<()> {
        let added = 1 + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.opened()?;
        if self.bytes > 0 && self.bytes + added > self.settings.file_bytes {
            self.rotate()?;
        }
        let file = self.opened()?;
        for part in parts {
            file.write_all(part.as_bytes())?;
        }
        file.write_all(b"\n")?;
        self.bytes += added;
        self.unwritten += 1;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file = None;
        let put_away = |number: u32| match number {
            0 => self.settings.path.clone(),
            number => {
                let mut name = self.settings.path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            }
        };
        let last = self.settings.files - 1;
        remove(&put_away(last))?;
        for number in (0..last).rev() {
            match std::fs::rename(put_away(number), put_away(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)?;
        self.unwritten = 0;
        Ok(())
    }

    /// What waits in memory is given up, at most so many lines; the next one opens the file anew.
    fn void(&mut self) -> u64 {
        if let Some(file) = self.file.take() {
            let _ = file.into_parts();
        }
        std::mem::take(&mut self.unwritten)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens the file at its end, the owner's alone when it is new. A line that a kill cut short is ended.
fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        return Ok((file, 0));
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok((file, bytes));
    }
    file.write_all(b"\n")?;
    Ok((file, bytes + 1))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::Value;

    use super::*;
    use crate::framing::put_text;

    fn block(texts: &[&str]) -> Block {
        let mut frames = Vec::new();
        texts.iter().for_each(|text| put_text(&mut frames, [*text]));
        Block::new(frames, texts.len() as u64)
    }

    fn settings(dir: &Path, file_bytes: u64, files: u32) -> SinkSettings {
        SinkSettings { path: dir.join("observe.jsonl"), file_bytes, files }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
    }

    #[test]
    fn each_frame_is_a_line_of_the_owners_file() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path(), 1 << 20, 2);
        std::fs::write(&settings.path, "{\"cut").unwrap();
        std::fs::set_permissions(&settings.path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (sink, thread) = Sink::start(settings.clone()).unwrap();
        sink.put(block(&[r#"{"kind":"observe","n":0}"#, r#"{"kind":"observe","n":1}"#]));
        sink.put(block(&[r#"{"kind":"observe","n":2}"#]));
        sink.end();
        thread.join().unwrap();
        let lines = lines(&settings.path);
        assert_eq!(lines[0], Value::Null, "what a kill cut short stays, on a line of its own");
        let numbers: Vec<_> = lines[1..].iter().map(|line| line["n"].as_u64()).collect();
        assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
        assert!(lines[1..].iter().all(|line| line["at"].is_i64() && line["kind"] == "observe"));
        std::fs::remove_file(&settings.path).unwrap();
        drop(Rotating::open(settings.clone()).unwrap());
        assert_eq!(std::fs::metadata(&settings.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn files_rotate_by_size_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = Rotating::open(settings(dir.path(), 20, 3)).unwrap();
        for n in 0..9 {
            file.line(&[&format!("{n}-------")]).unwrap();
        }
        file.flush().unwrap();
        let mut names: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["observe.jsonl", "observe.jsonl.1", "observe.jsonl.2"]);
        let first = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(first("observe.jsonl"), "8-------\n");
        assert_eq!(first("observe.jsonl.1"), "6-------\n7-------\n");
        assert_eq!(first("observe.jsonl.2"), "4-------\n5-------\n");
        drop(file);
        let mut alone = Rotating::open(settings(dir.path(), 20, 1)).unwrap();
        (0..5).for_each(|n| alone.line(&[&format!("{n}-------")]).unwrap());
        alone.flush().unwrap();
        assert_eq!(first("observe.jsonl"), "3-------\n4-------\n");
    }

    #[test]
    fn what_finds_no_room_is_counted_and_said() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path(), 1 << 30, 2);
        let (sink, waiting) = Sink::new();
        for _ in 0..WAITING_MAX + 3 {
            sink.put(block(&[r#"{"kind":"observe"}"#]));
        }
        let large = "x".repeat(WAITING_BYTES_MAX);
        sink.put(block(&[&large]));
        assert_eq!(sink.dropped(), 4);
        let file = Rotating::open(settings.clone()).unwrap();
        let mut writer = Writer::new(file, Arc::clone(&sink.counts));
        // The queue is full, so its end is that nobody can put anything in any more.
        let counts = Arc::clone(&sink.counts);
        drop(sink);
        writer.run(&waiting);
        assert_eq!(counts.waiting_bytes.load(Ordering::Relaxed), 0);
        let lines = lines(&settings.path);
        assert_eq!(lines.len(), WAITING_MAX + 1);
        assert_eq!(lines[0]["payload"]["frames"], 4);
    }

    #[test]
    fn a_disk_that_refuses_costs_lines_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(dir.path(), 1, 2);
        let mut writer = Writer::new(Rotating::open(settings.clone()).unwrap(), Arc::default());
        writer.take(&block(&[r#"{"n":0}"#]));
        // A folder with something in it stands where the full file is to be put away.
        std::fs::create_dir_all(dir.path().join("observe.jsonl.1/x")).unwrap();
        writer.take(&block(&[r#"{"n":1}"#, r#"{"n":2}"#]));
        assert_eq!(writer.counts.dropped.load(Ordering::Relaxed), 2);
        std::fs::remove_dir_all(dir.path().join("observe.jsonl.1")).unwrap();
        writer.failed_at = None;
        writer.take(&block(&[r#"{"n":3}"#]));
        writer.flush();
        assert_eq!(lines(&settings.path)[0]["n"], 3);
    }
}
