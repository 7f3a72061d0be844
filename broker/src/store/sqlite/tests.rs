use std::fs::File;
use std::sync::Arc;

use super::*;
use crate::hub::records::{ApiToken, Digest, OperatorRecord, Reads, Store, StoreError};
use crate::hub::{Command, CommandBody, Effect, Hub, HubConfig, Origin};
use nexus_wire::admin::{OperatorAdd, OperatorRole};
use rusqlite::params;

const LATER: &str = "CREATE TABLE later (no INTEGER PRIMARY KEY); UPDATE operators SET role = 'viewer';";

fn operator(name: &str) -> OperatorRecord {
    OperatorRecord {
        name: name.parse().unwrap(),
        role: OperatorRole::Admin,
        password: None,
        tokens: vec![ApiToken {
            name: "first".parse().unwrap(),
            sha256: Digest([1; 32]),
            created_at: 5,
            last_used_at: None,
            expires_at: None,
        }],
        sessions: Vec::new(),
        created_at: 5,
        revoked_at: None,
    }
}

/// A new database of the version before the migration that says this.
pub(super) fn older(path: &Path, says: &str) -> Connection {
    let before = migrate::MIGRATIONS.iter().position(|sql| sql.contains(says)).unwrap();
    drop(SqliteStore::open_with(path, Options::default(), &migrate::MIGRATIONS[..before]).unwrap());
    Connection::open(path).unwrap()
}

/// Today's migrations and one more.
fn and(next: &'static str) -> Vec<&'static str> {
    [migrate::MIGRATIONS, &[next]].concat()
}

fn with_operator(path: &Path) {
    let mut store = SqliteStore::open_with(path, Options::default(), migrate::MIGRATIONS).unwrap();
    store.begin().unwrap();
    store.put_operator(&operator("ana")).unwrap();
    store.commit().unwrap();
}

/// Names beside the database, the lock left out.
fn beside(path: &Path) -> Vec<String> {
    let entries = path.parent().unwrap().read_dir().unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn an_older_database_is_copied_and_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    assert_eq!(beside(&path), ["nexus.db"], "a new one has nothing to copy");
    let store = SqliteStore::open_with(&path, Options::default(), &and(LATER)).unwrap();
    assert_eq!(store.operators().unwrap()[0].role, OperatorRole::Viewer);
    drop(store);
    let names = beside(&path);
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[1].starts_with(&format!("nexus.db.v{}-2", migrate::MIGRATIONS.len()))
            && names[1].ends_with("Z.bak"),
        "{names:?}"
    );
    let copy = dir.path().join(&names[1]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let store = SqliteStore::open_with(&copy, Options::default(), migrate::MIGRATIONS).unwrap();
    assert_eq!(store.operators().unwrap(), vec![operator("ana")]);
}

#[test]
fn the_latest_copies_are_kept_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    for old in ["v1-20200101T000000Z", "v9-20190101T000000Z", "v1-20210101T000000Z", "v2-20220101T000000Z"] {
        std::fs::write(dir.path().join(format!("nexus.db.{old}.bak")), old).unwrap();
    }
    std::fs::write(dir.path().join("nexus.db.bak.partial"), "of a copy that was cut off").unwrap();
    std::fs::write(dir.path().join("nexus.db.mine.bak"), "somebody's own").unwrap();
    drop(SqliteStore::open_with(&path, Options::default(), &and(LATER)).unwrap());
    let names = beside(&path);
    let made = format!("nexus.db.v{}-", migrate::MIGRATIONS.len());
    let (new, old): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.starts_with(&made));
    assert_eq!(new.len(), 1);
    assert_eq!(
        old,
        [
            "nexus.db",
            "nexus.db.mine.bak",
            "nexus.db.v1-20210101T000000Z.bak",
            "nexus.db.v2-20220101T000000Z.bak"
        ]
    );
}

#[test]
fn a_migration_that_fails_changes_nothing_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    let broken = "UPDATE operators SET role = 'viewer'; CREATE TABLE operators (x);";
    let dangling =
        "INSERT INTO inboxes (aspect, tail, cursor, acked_generation, recent) VALUES (7, 0, 0, 0, x'');";
    for second in [broken, broken, dangling] {
        let error = SqliteStore::open_with(&path, Options::default(), &and(second)).unwrap_err();
        assert!(matches!(error, OpenError::Migration { .. }), "{error}");
        assert_eq!(beside(&path), ["nexus.db"], "no copy of what was not changed");
    }
    let store = SqliteStore::open_with(&path, Options::default(), migrate::MIGRATIONS).unwrap();
    assert_eq!(store.operators().unwrap(), vec![operator("ana")]);
}

#[test]
fn the_token_an_operator_had_becomes_one_of_several() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(migrate::MIGRATIONS[0]).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let sql = "INSERT INTO operators (name, role, token_sha256, created_at) VALUES ('ana', 'admin', ?1, 5)";
    connection.execute(sql, params![[1_u8; 32]]).unwrap();
    drop(connection);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    assert_eq!(store.operators().unwrap(), vec![operator("ana")]);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let cases = [
        "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')",
        "CREATE TABLE notes (text); PRAGMA user_version = 1",
        "PRAGMA user_version = 3",
        "PRAGMA application_id = 252006673",
        "CREATE TABLE log (x); CREATE TABLE meta (x); PRAGMA application_id = 7",
    ];
    for sql in cases {
        let _ = std::fs::remove_file(&path);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        let error = SqliteStore::open(&path, Options::default()).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{sql}: {error}");
        assert!(error.to_string().contains("nexus.db"), "{sql}: {error}");
        assert!(std::fs::read(&path).unwrap() == before, "{sql}");
        assert_eq!(beside(&path), ["nexus.db"], "{sql}");
    }
}

#[test]
fn our_databases_say_whose_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    drop(SqliteStore::open(&path, Options::default()).unwrap());
    assert_eq!(std::fs::read(&path).unwrap()[68..72], *b"Nexu");
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    drop(SqliteStore::open_with(&path, Options::default(), &and(LATER)).unwrap());
    let as_writer = SqliteStore::open_with(&path, Options::default(), migrate::MIGRATIONS).unwrap_err();
    for error in [as_writer, SqliteReader::open(&path).unwrap_err()] {
        assert!(matches!(error, OpenError::Newer { found, known, .. } if found == known + 1), "{error}");
        assert!(error.to_string().contains("newer"), "{error}");
    }
    SqliteStore::open_with(&path, Options::default(), &and(LATER)).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let text = "not a database, but somebody's notes".repeat(200);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path, Options::default()).unwrap_err();
    assert!(error.to_string().contains("nexus.db"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn every_connection_is_set_up_as_the_design_asks() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    for (synchronous, level) in [(Synchronous::Full, 2), (Synchronous::Off, 0)] {
        let store = SqliteStore::open(&path, Options { synchronous }).unwrap();
        let pragma = |name: &str| -> String {
            let value = |row: &rusqlite::Row<'_>| Ok(format!("{:?}", row.get_ref(0)?));
            store.connection.query_row(&format!("PRAGMA {name}"), [], value).unwrap()
        };
        assert_eq!(pragma("synchronous"), format!("Integer({level})"));
        assert_eq!(pragma("foreign_keys"), "Integer(1)");
        assert_eq!(pragma("wal_autocheckpoint"), "Integer(0)");
        assert_eq!(pragma("busy_timeout"), "Integer(10000)");
        let mode: String = store.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}

fn add_operator(store: &mut SqliteStore, hub: &mut Hub, at: i64) -> Stored<Vec<Effect>> {
    // A long name makes the database grow soon.
    let add = OperatorAdd {
        name: format!("a{at}").parse().unwrap(),
        role: OperatorRole::Admin,
        token_sha256: format!("{at:064x}"),
    };
    let body = CommandBody::AddOperator { by: nexus_wire::Party::System, add };
    store.begin()?;
    let effects = hub.apply(store, Command { at, origin: Origin::Broker, trace: None, body })?;
    store.commit()?;
    Ok(effects)
}

#[test]
fn a_full_disk_loses_the_batch_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let mut hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    let pages: u32 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |store: &SqliteStore, pages: u32| {
        store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(&store, pages);
    let mut failures = 0;
    for at in 1..200 {
        let before = hub.clone();
        match add_operator(&mut store, &mut hub, at) {
            Ok(_) => {}
            Err(error) => {
                failures += 1;
                assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                store.rollback().unwrap();
                hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
                assert_eq!(hub, before);
                if failures == 3 {
                    limit(&store, pages + 1000);
                }
            }
        }
        assert_eq!(Hub::rebuild(&store, HubConfig::default()).unwrap(), hub);
    }
    assert_eq!(failures, 3, "the disk was full three times, then there was room");
    assert_eq!(store.operators().unwrap().len(), 199 - failures);
    store.readers(1).read(|reader| reader.verify(None)).unwrap();
}

#[test]
fn a_disk_that_turned_read_only_loses_the_batch_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
    let mut hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    add_operator(&mut store, &mut hub, 1).unwrap();
    let before = hub.clone();
    store.connection.pragma_update(None, "query_only", true).unwrap();
    let error = add_operator(&mut store, &mut hub, 2).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    store.rollback().unwrap();
    hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    assert_eq!(hub, before);
    store.connection.pragma_update(None, "query_only", false).unwrap();
    add_operator(&mut store, &mut hub, 3).unwrap();
    assert_eq!(Hub::rebuild(&store, HubConfig::default()).unwrap(), hub);
}

#[test]
fn a_row_that_says_what_cannot_be_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    let cases: [(&str, &[&dyn rusqlite::ToSql]); 3] = [
        ("UPDATE operators SET role = 'emperor'", &[]),
        ("UPDATE operators SET tokens = ?1", params!["[{}]"]),
        ("UPDATE operators SET role = 'admin', name = 'A NAME'", &[]),
    ];
    for (sql, params) in cases {
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        store.connection.execute(sql, params).unwrap();
        assert!(matches!(store.operators(), Err(StoreError::Corrupt(_))), "{sql}");
    }
}

#[test]
fn readers_see_what_is_committed_and_wait_for_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
    let readers = store.readers(1);
    store.begin().unwrap();
    store.put_operator(&operator("ana")).unwrap();
    assert_eq!(store.operators().unwrap().len(), 1);
    assert_eq!(readers.read(|reader| reader.operators()).unwrap().len(), 0);
    store.commit().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(readers.read(|reader| reader.operators()).unwrap().len(), 1));
        }
    });
    // One that panics gives its connection back.
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        readers.read(|_| -> Stored<()> { panic!("a reading went wrong") })
    }));
    assert!(panicked.is_err());
    assert_eq!(readers.read(|reader| reader.operators()).unwrap().len(), 1);
}

#[test]
fn a_write_ahead_log_that_a_long_reading_made_grow_shrinks_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let length = || std::fs::metadata(dir.path().join("nexus.db-wal")).unwrap().len();
    let mut write = || {
        let sql = "INSERT OR REPLACE INTO items (no, id, json) VALUES (?1, x'', ?2)";
        store.connection.execute(sql, params![1, "x".repeat(500_000)]).unwrap();
        store.settle();
    };
    for _ in 0..100 {
        write();
    }
    // As many pages as may be, and the write that went over them.
    assert!(length() < 6 << 20, "{}", length());
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM items").unwrap();
    for _ in 0..40 {
        write();
    }
    assert!(length() > 16 << 20, "the reading holds it: {}", length());
    drop(reader);
    for _ in 0..20 {
        write();
    }
    assert!(length() <= open::WAL_BYTES_KEPT.unsigned_abs(), "{}", length());
}

#[test]
fn what_is_written_to_a_file_that_is_not_in_its_place_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (path, away) = (dir.path().join("nexus.db"), dir.path().join("away"));
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let mut hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    add_operator(&mut store, &mut hub, 1).unwrap();
    std::fs::rename(&path, &away).unwrap();
    let gone = add_operator(&mut store, &mut hub, 2).unwrap_err();
    assert!(matches!(&gone, StoreError::Unavailable(what) if what.contains("nexus.db")), "{gone}");
    std::fs::write(&path, "another").unwrap();
    let other = add_operator(&mut store, &mut hub, 2).unwrap_err();
    assert!(matches!(&other, StoreError::Unavailable(what) if what.contains("another file")), "{other}");
    std::fs::rename(&away, &path).unwrap();
    add_operator(&mut store, &mut hub, 2).unwrap();
    assert_eq!(store.operators().unwrap().len(), 2);
}

/// A commit that copied would have all who wait for it wait for that as well.
#[test]
fn what_was_committed_is_copied_into_the_database_when_it_is_much_and_not_by_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let bytes = || std::fs::metadata(&path).unwrap().len();
    let mut grow = |by: u32| {
        store.begin().unwrap();
        store.connection.execute_batch("CREATE TABLE IF NOT EXISTS filler (content BLOB)").unwrap();
        store.connection.execute("INSERT INTO filler VALUES (zeroblob(?1))", [by]).unwrap();
        store.commit().unwrap();
        let committed = bytes();
        store.settle();
        (committed, bytes())
    };
    let few = grow(4096);
    assert_eq!(few, (few.0, few.0));
    let much = 1000 * 4096_u32;
    let (committed, settled) = grow(much);
    assert_eq!(committed, few.0);
    assert!(settled >= committed + u64::from(much), "{settled}");
}

/// Settles, and gives what is logged of it.
fn settling(dir: &Path) -> impl Fn(&mut SqliteStore) -> String {
    let said = dir.join("said");
    let log = tracing_subscriber::fmt()
        .with_writer(Arc::new(File::create(&said).unwrap()))
        .with_max_level(tracing::Level::DEBUG)
        .with_target(false)
        .with_ansi(false)
        .without_time();
    let log = tracing::Dispatch::new(log.finish());
    move |store| {
        let before = std::fs::read_to_string(&said).unwrap().len();
        tracing::dispatcher::with_default(&log, || store.settle());
        std::fs::read_to_string(&said).unwrap().split_off(before).trim().to_owned()
    }
}

#[test]
fn a_log_that_a_long_reading_holds_is_told_of_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let settle = settling(dir.path());
    let write = |store: &mut SqliteStore| {
        let sql = "INSERT OR REPLACE INTO items (no, id, json) VALUES (1, x'', ?1)";
        store.connection.execute(sql, ["x".repeat(4 << 20)]).unwrap();
        settle(store)
    };
    write(&mut store);
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM items").unwrap();
    let held: Vec<String> = (0..20).map(|_| write(&mut store)).filter(|said| !said.is_empty()).collect();
    assert!(held.len() == 1 && held[0].starts_with("WARN somebody reads the database for long"), "{held:?}");
    drop(reader);
    // The last one copies all of it, and the next begins it anew.
    let over: Vec<String> = (0..3).map(|_| write(&mut store)).filter(|said| !said.is_empty()).collect();
    assert_eq!(over, ["INFO nobody holds the write-ahead log any more; it begins anew"]);
    let at_once = "INSERT OR REPLACE INTO items (no, id, json) VALUES (2, x'', ?1)";
    store.connection.execute(at_once, ["x".repeat(80 << 20)]).unwrap();
    assert_eq!([settle(&mut store), write(&mut store), write(&mut store)], ["", "", ""], "nobody reads");
}

/// Those who waited were answered before: what cannot be copied stays where it is, and that is said once.
#[test]
fn a_log_that_cannot_be_copied_is_told_of_once_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (path, wal) = (dir.path().join("nexus.db"), dir.path().join("nexus.db-wal"));
    let mut store = SqliteStore::open(&path, Options::default()).unwrap();
    let commit = |store: &mut SqliteStore, filler: &str| {
        store.begin().unwrap();
        store.put_operator(&operator("ana")).unwrap();
        // More pages than are left in the log.
        let sql = "INSERT OR REPLACE INTO items (no, id, json) VALUES (1, x'', ?1)";
        store.connection.execute(sql, [filler.repeat(500 * 4096)]).unwrap();
        store.commit().unwrap();
    };
    let settle = settling(dir.path());

    let warned = "WARN the write-ahead log cannot be copied into the database and grows error=disk I/O error";
    for filler in ["x", "y"] {
        commit(&mut store, filler);
        // A disk that does not give back what it was given.
        let held = std::fs::read(&wal).unwrap();
        File::options().write(true).open(&wal).unwrap().set_len(0).unwrap();
        assert_eq!(settle(&mut store), warned);
        assert_eq!(settle(&mut store), "DEBUG the write-ahead log still grows error=disk I/O error");
        std::fs::write(&wal, held).unwrap();
        assert_eq!(settle(&mut store), "", "and gives it back");
    }

    // Of the log nothing is needed any more: the database alone has all of it.
    let copy = dir.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let copy = SqliteStore::open(&copy, Options::default()).unwrap();
    assert_eq!(copy.operators().unwrap(), [operator("ana")]);
    let text: String = copy.connection.query_row("SELECT json FROM items", [], |row| row.get(0)).unwrap();
    assert!(text == "y".repeat(500 * 4096), "{} bytes", text.len());
}
