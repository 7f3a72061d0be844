//! Files that go with a message: all of them are looked at before anything is sent, and put as blobs before the message
//! that names them.

use std::fs::File;
use std::path::{Path, PathBuf};

use nexus_client::{Broker, Client};
use nexus_wire::BlobId;
use nexus_wire::attachment::Attachment;
use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::limits::{ATTACHMENT_NAME_BYTES_MAX, ATTACHMENTS_MAX, BLOB_BYTES_MAX};
use sha2::{Digest as _, Sha256};

use crate::cli::MEDIA_TYPE;
use crate::failure::Failure;
use crate::screen::patiently;
use crate::ui::Tone;
use crate::{Run, blob};

/// A file that can be attached. It is open: whoever replaces it meanwhile changes nothing of what is sent.
#[derive(Debug)]
pub(crate) struct Enclosure {
    path: PathBuf,
    name: String,
    file: File,
}

/// Says of the first file that cannot be sent why not.
pub(crate) fn look_at(paths: &[PathBuf]) -> Result<Vec<Enclosure>, Failure> {
    let count = paths.len();
    if count > ATTACHMENTS_MAX {
        let message = format!("{count} files are more than the {ATTACHMENTS_MAX} that a message may have");
        return Err(Failure::Usage(message));
    }
    paths.iter().map(|path| enclose(path).map_err(Failure::Usage)).collect()
}

fn enclose(path: &Path) -> Result<Enclosure, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("{shown}: {error}");
    // Opening a pipe would wait for whoever writes into it.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(format!("{shown} is a directory; only files can be attached"));
    }
    if !metadata.is_file() {
        return Err(format!("{shown} is no plain file; only those can be attached"));
    }
    if metadata.len() > BLOB_BYTES_MAX {
        return Err(blob::too_large(path));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_name = (1..=ATTACHMENT_NAME_BYTES_MAX).contains(&name.len())
        && !name.contains('\\')
        && !name.chars().any(char::is_control);
    if !is_name {
        return Err(format!(
            "{name:?} cannot name an attachment: a name is one line of 1 to {ATTACHMENT_NAME_BYTES_MAX} bytes, \
             without a backslash"
        ));
    }
    let file = File::open(path).map_err(failed)?;
    Ok(Enclosure { path: path.to_owned(), name, file })
}

/// Puts the files and sends the message that names them; a rehearsal puts none and shows what they would be called.
pub(crate) async fn send(
    run: &Run,
    client: &mut Client,
    mut message: ChatSend,
    files: Vec<Enclosure>,
) -> Result<ChatSent, Failure> {
    let broker = run.broker()?;
    for file in files {
        message.attachments.push(file.put(run, &broker).await?);
    }
    run.change(client, message).await
}

impl Enclosure {
    async fn put(self, run: &Run, broker: &Broker) -> Result<Attachment, Failure> {
        let Self { path, name, file } = self;
        let bytes = blob::whole(&path, file)?;
        let length = bytes.len() as u64;
        let blob = if run.rehearsal {
            BlobId(Sha256::digest(&bytes).into())
        } else {
            let put = broker.put_blob(bytes.into(), MEDIA_TYPE, Some(&name));
            patiently(&run.ui, "sending", put).await?.id
        };
        Ok(Attachment { blob, name, media_type: Some(MEDIA_TYPE.to_owned()), bytes: Some(length) })
    }
}

/// Says so where a title was given and the thread it was for had one.
pub(crate) fn note_title(run: &Run, message: &ChatSend, sent: &ChatSent) {
    if message.topic.is_some() && (message.thread.is_some() || message.reply_to.is_some()) {
        let line = format!(
            "the thread was there before and keeps its title; another is given with: nexctl rename {} TITLE",
            sent.thread
        );
        run.ui.note(Tone::Warning, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(paths: &[PathBuf]) -> String {
        let failure = look_at(paths).expect_err("it cannot be sent");
        assert_eq!(failure.exit_code(), 2);
        failure.to_string()
    }

    #[test]
    fn what_can_be_attached_is_a_file_of_a_bounded_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let largest = at("largest");
        File::create(&largest).and_then(|file| file.set_len(BLOB_BYTES_MAX)).expect("the folder is ours");
        std::fs::write(at("empty"), "").expect("the folder is ours");
        let good = look_at(&[largest.clone(), at("empty")]).expect("both can be sent");
        let names: Vec<&str> = good.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["largest", "empty"]);

        let file = File::options().write(true).open(&largest).expect("it is ours");
        file.set_len(BLOB_BYTES_MAX + 1).expect("it is ours");
        let large = format!("{} has more than the 104857600 bytes of the largest blob", largest.display());
        assert_eq!(refused(&[at("empty"), largest]), large);
        let none = at("none");
        assert_eq!(
            refused(&[at("empty"), none.clone()]),
            format!("{}: No such file or directory (os error 2)", none.display())
        );
        let here = folder.path();
        assert_eq!(
            refused(&[here.to_owned()]),
            format!("{} is a directory; only files can be attached", here.display())
        );
        let device = PathBuf::from("/dev/null");
        assert_eq!(refused(&[device]), "/dev/null is no plain file; only those can be attached");
    }

    #[test]
    fn a_name_is_one_line_and_no_path() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["two\nlines", "of\\another"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").expect("the folder is ours");
            let said = format!(
                "{name:?} cannot name an attachment: a name is one line of 1 to 255 bytes, without a backslash"
            );
            assert_eq!(refused(&[path]), said);
        }
    }

    #[test]
    fn a_message_has_no_more_files_than_it_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "x").expect("the folder is ours");
        assert_eq!(look_at(&vec![path; ATTACHMENTS_MAX]).map(|all| all.len()).ok(), Some(16));
        // Counted before any is looked for.
        let many = vec![folder.path().join("none"); ATTACHMENTS_MAX + 1];
        assert_eq!(refused(&many), "17 files are more than the 16 that a message may have");
    }
}
