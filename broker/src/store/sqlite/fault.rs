//! What an error of SQLite means for the batch it hits.

use std::fmt::Display;

use rusqlite::{Error, ErrorCode, ffi};

use crate::hub::records::{StoreError, Stored};

/// Errors of the file's content are damage; whatever the disk or the system refuses may go well later. A statement that
/// SQLite cannot carry out meets a column without JSON or a table that is gone.
pub(in crate::store) fn fault(error: Error) -> StoreError {
    let is_damage = if let Some(failure) = error.sqlite_error() {
        failure.extended_code == ffi::SQLITE_ERROR
            || matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
            )
    } else {
        matches!(
            error,
            Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::Utf8Error(..)
                | Error::QueryReturnedNoRows
        )
    };
    match is_damage {
        true => StoreError::Corrupt(error.to_string()),
        false => StoreError::Unavailable(in_plain_words(error).to_string()),
    }
}

/// Without room for the file that those who have a database open share, SQLite says "disk I/O error", and nobody
/// would think of making room.
pub(super) fn in_plain_words(error: Error) -> Error {
    match error.sqlite_error() {
        Some(failure) if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            let words = "the disk is full: no room for the shared memory (-shm) beside the database";
            Error::SqliteFailure(*failure, Some(words.to_owned()))
        }
        Some(_) | None => error,
    }
}

/// A row that reads and says something that cannot be.
pub(super) fn damage(what: impl Display) -> StoreError {
    StoreError::Corrupt(what.to_string())
}

/// Damage says where it is.
pub(super) fn readable<T>(what: impl Display, found: Stored<T>) -> Stored<T> {
    found.map_err(|error| match error {
        StoreError::Corrupt(why) => damage(format_args!("{what} cannot be read: {why}")),
        unavailable @ StoreError::Unavailable(_) => unavailable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_the_disk_or_the_file_is_at_fault() {
        let cases = [
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_READONLY, false),
            (ffi::SQLITE_IOERR, false),
            (ffi::SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_BUSY, false),
            (ffi::SQLITE_CANTOPEN, false),
            (ffi::SQLITE_CORRUPT, true),
            (ffi::SQLITE_CORRUPT_INDEX, true),
            (ffi::SQLITE_NOTADB, true),
            (ffi::SQLITE_ERROR, true),
        ];
        for (code, is_damage) in cases {
            let error = fault(Error::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!(matches!(error, StoreError::Corrupt(_)), is_damage, "{code}: {error}");
        }
    }
}
