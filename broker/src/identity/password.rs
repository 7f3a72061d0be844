//! Passwords: Argon2id off the threads that serve, a few at a time.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use nexus_wire::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};
use nexus_wire::{ErrorBody, ErrorCode};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::AuthError;
use crate::task;

/// OWASP's second choice of parameters, which keeps a login under 20 MiB: memory in KiB, passes, lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Each takes [`MEMORY_KIB`].
const AT_ONCE: usize = 2;
const WAITING_MAX: usize = 32;

/// What a name that nobody has is checked against, so that it takes as long as a wrong password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bmV4dXNuZXh1c25leHVzbg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    working: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            working: Arc::new(Semaphore::new(AT_ONCE)),
            admitted: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// A PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, AuthError> {
        let password = Zeroizing::new(password);
        self.apart(move || hash(&password)).await?
    }

    /// `hash` is that of the operator; without one it takes as long and fails.
    pub(crate) async fn verify(&self, hash: Option<String>, password: String) -> Result<bool, AuthError> {
        let password = Zeroizing::new(password);
        self.apart(move || verify(hash.as_deref(), &password)).await
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| AuthError::Crowded)?;
        // Held by the work itself: whoever hangs up does not make room for a third at once.
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| AuthError::Crowded)?;
        let done = task::blocking(move || {
            let done = work();
            drop(working);
            done
        });
        done.await.map_err(|_| AuthError::Crowded)
    }
}

/// Refuses what is too short to be a password or too long to be typed.
pub(crate) fn acceptable(password: &str) -> Result<(), ErrorBody> {
    let chars = password.chars().count();
    let message = if chars < PASSWORD_CHARS_MIN {
        format!("the password has {chars} characters; use at least {PASSWORD_CHARS_MIN}")
    } else if password.len() > PASSWORD_BYTES_MAX {
        format!("the password has more than {PASSWORD_BYTES_MAX} bytes")
    } else {
        return Ok(());
    };
    Err(ErrorBody::new(ErrorCode::Invalid, message))
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

pub(crate) fn hash(password: &str) -> Result<String, AuthError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|_| AuthError::Password)?;
    let hashed = argon2().hash_password(password.as_bytes(), &salt).map_err(|_| AuthError::Password)?;
    Ok(hashed.to_string())
}

fn verify(hash: Option<&str>, password: &str) -> bool {
    let parsed = PasswordHash::new(hash.unwrap_or(NOBODY));
    let same = parsed.is_ok_and(|parsed| argon2().verify_password(password.as_bytes(), &parsed).is_ok());
    hash.is_some() && same
}

/// Whether a hash was made with less than today's parameters.
pub(crate) fn is_weak(hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return true };
    let Ok(params) = Params::try_from(&parsed) else { return true };
    parsed.algorithm != argon2::ARGON2ID_IDENT || params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_again_and_nobody_has_none() {
        let hashed = hash("correct horse battery").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert!(verify(Some(&hashed), "correct horse battery"));
        assert!(!verify(Some(&hashed), "correct horse batterY"));
        assert!(!verify(None, ""));
        // The comparison with nobody's must be a real one, or it is over in no time.
        assert!(PasswordHash::new(NOBODY).is_ok_and(|it| it.hash.is_some()));
        assert!(!is_weak(&hashed) && !is_weak(NOBODY));
        assert!(is_weak(
            "$argon2id$v=19$m=4096,t=2,p=1$bmV4dXNuZXh1c25leHVzbg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        ));
    }

    #[test]
    fn what_is_too_short_is_refused() {
        assert!(acceptable("123456789").is_err());
        assert!(acceptable("ééééé ééééé").is_ok());
        assert!(acceptable(&"x".repeat(PASSWORD_BYTES_MAX + 1)).is_err());
    }
}
