//! `nexctl blob` and `nexctl backup`: what goes by HTTP and not in frames.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use nexus_client::Broker;
use nexus_wire::BlobId;
use nexus_wire::backup::{BackupMade, BackupMake};
use nexus_wire::blob::BlobInfo;
use nexus_wire::limits::BLOB_BYTES_MAX;

use crate::cli::{self, BlobAction};
use crate::failure::Failure;
use crate::screen::patiently;
use crate::ui::{Shape, Tone, printable};
use crate::{Run, table};

/// The broker gives a backup up after an hour.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(3_600);

pub(crate) async fn blob(run: &Run, action: BlobAction) -> Result<(), Failure> {
    let broker = run.broker()?;
    match action {
        BlobAction::Get { id, to } => get(run, &broker, id, to.as_deref()).await,
        BlobAction::List { cursor, limit } => {
            let page = run.within(broker.blobs(cursor, limit)).await??;
            let empty = "no blobs yet; put one with: nexctl blob put FILE";
            let rows = table::blobs(&run.ui, &page.blobs, run.now());
            run.list(&page, page.blobs.is_empty().then_some(empty), &rows)?;
            let used = format!("all together: {} bytes of {} MB", page.used_bytes, page.quota_bytes >> 20);
            run.ui.note(Tone::Dim, &used);
            if let Some(next) = page.next_cursor {
                run.ui.note(Tone::Dim, &format!("there are more; go on with --cursor {next}"));
            }
            Ok(())
        }
        BlobAction::Put { file, name, media_type } => {
            let bytes = content(&file)?;
            let own = file.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.or(own).filter(|name| name != "-");
            let about = serde_json::json!({"name": name, "media_type": media_type, "bytes": bytes.len()});
            run.rehearse("PUT /api/v1/blobs", &about)?;
            let put = broker.put_blob(bytes.into(), &media_type, name.as_deref());
            let info = patiently(&run.ui, "sending", put).await?;
            match run.ui.shape() {
                Shape::Data => run.ui.data(&info),
                Shape::Text => run.ui.result_line(&info.id.to_string()),
            }
        }
        BlobAction::Show { id } => shown(run, &run.within(broker.blob_info(id)).await??),
    }
}

fn shown(run: &Run, info: &BlobInfo) -> Result<(), Failure> {
    match run.ui.shape() {
        Shape::Data => run.ui.data(info),
        Shape::Text => run.ui.result(&table::blobs(&run.ui, std::slice::from_ref(info), run.now())),
    }
}

async fn get(run: &Run, broker: &Broker, id: BlobId, to: Option<&Path>) -> Result<(), Failure> {
    let blob = patiently(&run.ui, "fetching", broker.blob(id, BLOB_BYTES_MAX)).await?;
    let Some(path) = to else { return run.ui.result_bytes(&blob.bytes) };
    let failed = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(&blob.bytes).map_err(failed)?;
    let media_type = printable(&blob.media_type);
    run.ui.note(Tone::Plain, &format!("{}: {} bytes, {media_type}", path.display(), blob.bytes.len()));
    Ok(())
}

fn content(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        return whole(path, std::io::stdin().lock());
    }
    let file = std::fs::File::open(path);
    whole(path, file.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?)
}

/// All of a file, unless it is more than a blob may be.
pub(crate) fn whole(path: &Path, file: impl Read) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    file.take(BLOB_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BLOB_BYTES_MAX {
        return Err(Failure::Usage(too_large(path)));
    }
    Ok(bytes)
}

pub(crate) fn too_large(path: &Path) -> String {
    format!("{} has more than the {BLOB_BYTES_MAX} bytes of the largest blob", path.display())
}

pub(crate) async fn backup(run: &Run, backup: cli::Backup) -> Result<(), Failure> {
    let make = BackupMake { name: backup.name, with_keys: backup.with_keys };
    let broker = run.broker()?;
    run.rehearse("POST /api/v1/backup", &make)?;
    let making = broker.post_json_within("/api/v1/backup", &make, BACKUP_TIMEOUT);
    let made: BackupMade = patiently(&run.ui, "making the backup", making).await?;
    match run.ui.shape() {
        Shape::Data => run.ui.data(&made),
        Shape::Text => {
            let path = printable(&made.path);
            run.ui.result_line(&format!(
                "{path} on the broker's machine, {} bytes, up to log entry {}",
                made.bytes, made.head
            ))?;
            let note = match made.with_keys {
                true => "it holds the keys of this Nexus: whoever has it can speak for this Nexus",
                false => {
                    "its keys are not in it: keep a copy of identity.json, or make backups with --with-keys"
                }
            };
            run.ui.note(Tone::Plain, note);
            Ok(())
        }
    }
}
