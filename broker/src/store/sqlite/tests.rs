use super::*;
use crate::hub::records::{OperatorRecord, Store, StoreError};
use crate::hub::{Command, CommandBody, Effect, Hub, HubConfig, Origin};
use nexus_wire::admin::{OperatorAdd, OperatorRole};
use rusqlite::params;

const FIRST: &str = open::MIGRATIONS[0];
const SECOND: &str = "CREATE TABLE later (no INTEGER PRIMARY KEY); UPDATE operators SET role = 'viewer';";

fn operator(name: &str) -> OperatorRecord {
    OperatorRecord {
        name: name.parse().unwrap(),
        role: OperatorRole::Admin,
        token_sha256: [1; 32],
        created_at: 5,
        revoked_at: None,
    }
}

fn with_operator(path: &Path) {
    let mut store = SqliteStore::open_with(path, Options::default(), &[FIRST]).unwrap();
    store.begin().unwrap();
    store.put_operator(&operator("ana")).unwrap();
    store.commit().unwrap();
}

#[test]
fn an_older_database_is_copied_and_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    assert!(!dir.path().join("nexus.db.before-v1").exists(), "a new one has nothing to copy");
    let store = SqliteStore::open_with(&path, Options::default(), &[FIRST, SECOND]).unwrap();
    assert_eq!(store.operators().unwrap()[0].role, OperatorRole::Viewer);
    drop(store);
    let copy = dir.path().join("nexus.db.before-v2");
    let store = SqliteStore::open_with(&copy, Options::default(), &[FIRST]).unwrap();
    assert_eq!(store.operators().unwrap(), vec![operator("ana")]);
}

#[test]
fn a_migration_that_fails_changes_nothing_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    with_operator(&path);
    let broken = "UPDATE operators SET role = 'viewer'; CREATE TABLE operators (x);";
    for _ in 0..2 {
        let error = SqliteStore::open_with(&path, Options::default(), &[FIRST, broken]).unwrap_err();
        assert!(matches!(error, OpenError::Migration { .. }), "{error}");
    }
    let store = SqliteStore::open_with(&path, Options::default(), &[FIRST]).unwrap();
    assert_eq!(store.operators().unwrap(), vec![operator("ana")]);
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nexus.db");
    drop(SqliteStore::open_with(&path, Options::default(), &[FIRST, SECOND]).unwrap());
    let error = SqliteStore::open_with(&path, Options::default(), &[FIRST]).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("newer"), "{error}");
    SqliteStore::open_with(&path, Options::default(), &[FIRST, SECOND]).unwrap();
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
        assert_eq!(pragma("wal_autocheckpoint"), "Integer(1000)");
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
        token_sha256: "0a".repeat(32),
    };
    let body = CommandBody::AddOperator { by: nexus_wire::Party::System, add };
    store.begin()?;
    let effects = hub.apply(store, Command { at, origin: Origin::Broker, body })?;
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
    store.readers(1).read(SqliteReader::verify).unwrap();
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
        ("UPDATE operators SET token_sha256 = ?1", params![vec![1_u8; 31]]),
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
