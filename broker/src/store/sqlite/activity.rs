//! Threads by when they last changed, those of everybody and those of each party.

use nexus_wire::Party;
use rusqlite::{Connection, params};

use super::columns::to_number;
use super::fault::fault;
use crate::hub::records::{Stored, ThreadRecord};

/// Stands for everybody.
pub(super) const ALL: &str = "";

/// Threads that last changed in the same one are sorted as they are read. An exact order would have every message
/// write pages of an index.
pub(super) fn era(last_seq: u64) -> u64 {
    last_seq >> 12
}

/// Puts a thread where it belongs now. `old`: as it was when this was last called.
pub(super) fn change(
    connection: &Connection,
    no: i64,
    old: Option<&ThreadRecord>,
    new: &ThreadRecord,
) -> Stored<()> {
    if let Some(old) = old {
        if era(old.last_seq) == era(new.last_seq) && old.participants == new.participants {
            return Ok(());
        }
        let sql = "DELETE FROM thread_activity WHERE party = ?1 AND era = ?2 AND thread = ?3";
        each(connection, sql, no, old)?;
    }
    let sql = "INSERT INTO thread_activity (party, era, thread) VALUES (?1, ?2, ?3)";
    each(connection, sql, no, new)
}

fn each(connection: &Connection, sql: &str, no: i64, record: &ThreadRecord) -> Stored<()> {
    let mut statement = connection.prepare_cached(sql).map_err(fault)?;
    let era = to_number(era(record.last_seq));
    let named = record.participants.iter().map(Party::to_string);
    for party in std::iter::once(ALL.to_owned()).chain(named) {
        statement.execute(params![party, era, no]).map_err(fault)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nexus_wire::ThreadId;
    use rusqlite::StatementStatus;
    use uuid::Uuid;

    use super::*;
    use crate::hub::records::{Reads, Store, Transaction};
    use crate::store::sqlite::read::THREADS;
    use crate::store::sqlite::tests::older;
    use crate::store::sqlite::{Options, SqliteStore};

    fn record(thread: u128, parties: &[Party], last_seq: u64) -> ThreadRecord {
        ThreadRecord {
            id: ThreadId(Uuid::from_u128(thread)),
            title: "a thread".into(),
            participants: parties.into(),
            created_at: 1,
            last_at: 1,
            messages: 1,
            last_seq,
            paused: false,
            agent_run: 0,
            same_run: 0,
            last_content: [0; 32],
        }
    }

    fn parties() -> [Party; 3] {
        ["wren", "wrenna", "operator/ana"].map(|name| name.parse().unwrap())
    }

    /// All threads as they are to be read, a page at a time.
    fn expected(threads: &BTreeMap<u128, ThreadRecord>, of: Option<&Party>) -> Vec<u64> {
        let of_party = threads.values().filter(|it| of.is_none_or(|party| it.participants.contains(party)));
        let mut seqs: Vec<u64> = of_party.map(|it| it.last_seq).collect();
        seqs.sort_unstable_by(|a, b| b.cmp(a));
        seqs
    }

    fn paged(store: &impl Reads, of: Option<&Party>) -> Vec<u64> {
        let (mut before, mut seqs) = (None, Vec::new());
        loop {
            let page = store.threads(of, before, 3).unwrap();
            let Some(last) = page.last() else { return seqs };
            before = Some(last.last_seq);
            seqs.extend(page.iter().map(|it| it.last_seq));
        }
    }

    #[test]
    fn threads_come_latest_first_however_long_ago_they_changed() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
        let (parties, mut threads, mut seq) = (parties(), BTreeMap::new(), 0);
        for round in 0_u64..200 {
            store.begin().unwrap();
            for step in 0..3 {
                // Now next to one another, now an era apart; each thread is with two, later with others.
                seq += if (round + step) % 5 == 0 { 3_000 } else { 1 };
                let thread = u128::from((round * 7 + step * 3) % 23);
                let first = ((round / 60 + step) % 3) as usize;
                let with = [parties[first].clone(), parties[(first + 1) % 3].clone()];
                let record = record(thread, &with, seq);
                store.put_thread(&record).unwrap();
                threads.insert(thread, record);
            }
            if round % 11 == 0 {
                store.rollback().unwrap();
                threads = stored(&store);
            } else {
                store.commit().unwrap();
            }
        }
        assert!(era(seq) > 20 && threads.len() == 23, "{seq}, {} threads", threads.len());
        for of in [None, Some(&parties[0]), Some(&parties[1]), Some(&parties[2])] {
            assert_eq!(paged(&store, of), expected(&threads, of), "{of:?}");
        }
    }

    fn stored(store: &SqliteStore) -> BTreeMap<u128, ThreadRecord> {
        let ids = (0..23).map(|no| (no, ThreadId(Uuid::from_u128(no))));
        ids.filter_map(|(no, id)| Some((no, store.thread(id).unwrap()?))).collect()
    }

    #[test]
    fn threads_of_an_older_database_are_found_by_their_parties() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nexus.db");
        let old = older(&path, "thread_activity");
        let rows = [(1, "operator/ana wren", 10_000), (2, "wrenna", 5), (3, "wren wrenna", 4_096)];
        for (no, participants, last_seq) in rows {
            let id = Uuid::from_u128(no as u128).into_bytes();
            old.execute("INSERT INTO threads VALUES (?1, ?2, 'old', 1, ?3)", params![no, id, participants])
                .unwrap();
            let sql = "INSERT INTO thread_states VALUES (?1, 1, ?2, 1, 0, 0, 0, x'', x'')";
            old.execute(sql, params![no, last_seq]).unwrap();
        }
        drop(old);
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let [wren, wrenna, ana] = parties();
        let cases: [(Option<&Party>, &[u64]); 4] = [
            (None, &[10_000, 4_096, 5]),
            (Some(&wren), &[10_000, 4_096]),
            (Some(&wrenna), &[4_096, 5]),
            (Some(&ana), &[10_000]),
        ];
        for (of, seqs) in cases {
            assert_eq!(paged(&store, of), seqs, "{of:?}");
        }
    }

    #[test]
    fn nobody_looks_through_all_threads() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
        let [wren, wrenna, ana] = parties();
        store.begin().unwrap();
        for thread in 0..20_000_u64 {
            let with = if thread == 7 { [ana.clone(), wren.clone()] } else { [ana.clone(), wrenna.clone()] };
            store.put_thread(&record(u128::from(thread), &with, thread + 1)).unwrap();
        }
        store.commit().unwrap();
        let steps = || {
            let statement = store.connection.prepare_cached(THREADS).unwrap();
            statement.get_status(StatementStatus::VmStep)
        };
        // An era is looked through, a step of the reading has about 20 of these, and there are 20 000 threads.
        for (of, count, most) in [(None, 20, 120_000), (Some(&wren), 1, 200), (Some(&wrenna), 20, 120_000)] {
            let before = steps();
            assert_eq!(store.threads(of, None, 20).unwrap().len(), count);
            let taken = steps() - before;
            assert!((1..most).contains(&taken), "{taken} steps for {of:?}");
        }
    }
}
