//! One-time codes: a second factor whose codes work once, and that a route can require again.
//!
//! [`Otp`] enrolls authenticators and verifies their codes, time-based (TOTP, RFC 6238) or
//! counter-based (HOTP, RFC 4226). [`OtpGuard`](crate::layer::OtpGuard) requires a code in front of
//! a route, inside any layer that authenticates; [`guard::fresh`](crate::guard::fresh()) checks
//! whether one was given recently. The second factor of a user is one record, and each operation is
//! one compare-and-swap on it.
//!
//! # Rules
//!
//! * **A code works once** across all nodes. The step of the last accepted code only moves forward:
//!   an older code is rejected after a newer one, even if the clock was set back. A repeated code
//!   is rejected and does not count as a failure.
//! * **The result is returned only after the failure count is stored.** Five wrong codes in a row
//!   lock the user for 15 minutes; of any number of concurrent codes, five are checked. Attempts
//!   during a lock are not checked, do not count and do not prolong it. A right code resets the
//!   count. Codes, confirmations and recovery codes share one count.
//! * **A hundred wrong codes in a row**, across any number of locks, disable the authenticator
//!   (NIST SP 800-63B-4 section 3.2.2): all its codes are rejected with 403 until a recovery code
//!   is used or another authenticator is confirmed.
//! * **A code consists of ASCII digits, of the configured number.** Anything else is a wrong code,
//!   with the same response and timing.
//! * **A store that is unavailable** is 503, and does not count. If it fails after it has written,
//!   the code is used up: a failure never allows a second use.
//! * **Enrollment** creates a secret that is pending, for 15 minutes at most, until its first code.
//!   An existing authenticator stays until then, and is replaced only if the caller has just given
//!   one of its codes: [`replacing`](NewEnrollment::replacing).
//! * **Recovery codes**: ten, shown once, each used once. The store holds only their hashes. A used
//!   one is rejected and does not count as a failure. They are accepted by
//!   [`use_recovery_code`](Otp::use_recovery_code) and count as a [`Factor::Otp`].
//! * **At rest** the whole record is encrypted with a key derived from the
//!   [`MasterSecret`](crate::MasterSecret). Records under an accepted old secret can be read, and
//!   are encrypted with the active one when a code is used.
//! * **An unreadable record** never counts as no second factor, and is not 503: its secret was
//!   retired, or it is damaged. The response is 403,
//!   [`RejectionKind::FactorLost`](crate::RejectionKind::FactorLost), with the event
//!   [`OtpUnreadable`](crate::event::EventKind::OtpUnreadable).
//! * **Each enrollment keeps its scheme**: a change of the settings, such as the number of digits,
//!   does not affect existing authenticators.
//! * **Whether a user has a second factor** is a field of the user, not the presence of a record.
//!   Without a record every code is rejected: lost data never grants access.
//!
//! This has two consequences. A caller who knows a user's password can lock the second factor, for
//! 15 minutes at a time; the event [`OtpLocked`](crate::event::EventKind::OtpLocked) reports it.
//! And if a code was accepted while the server clock was far ahead, all codes are rejected until
//! the clock reaches that time; until then only recovery codes work.
//!
//! # Rotation of the master secret
//!
//! Records are in the store for years, and so is the secret that they need. Replace it in the
//! [order](crate::MasterSecret#rotation) that [`MasterSecret`](crate::MasterSecret) describes. Once
//! the new secret is active, a record is encrypted with it when its user gives a code.
//! `jam secret rotate --check`, or [`Otp::seals`], lists the users whose records still need the old
//! secret; retire it once they are few enough.
//!
//! Each engine gets its secret when it is built. So sessions can have their own secret
//! (`Sessions::builder`), which revokes them at once when it is replaced, and `Otp` can continue to
//! accept a secret that all other engines have retired.
//!
//! The user of a record that needs a retired secret cannot give a code. Either accept the secret
//! again, or verify the identity of the user in another way, as for a user who has lost both
//! authenticator and recovery codes, and remove the second factor: with
//! `SecondFactor::dangerous_reset` of accounts, or with
//! [`dangerous_disable`](Otp::dangerous_disable) and the field of the user. The user then enrolls
//! again as for the first time.
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{Clock, Env, MasterSecret, Otp, SystemClock, otp::Totp, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
//! let otp = Otp::builder(&env, "Acme").build()?;
//!
//! let enrollment = otp.enroll("42").account("alice@acme.dev").await?;
//! assert!(enrollment.uri().expose().starts_with("otpauth://totp/Acme:alice%40acme.dev?secret="));
//! println!("{}", enrollment.qr_text().expose());
//!
//! // The code that the authenticator shows. Generating codes is an API too.
//! let code = Totp::new().code(enrollment.secret(), SystemClock.now());
//! let recovery = otp.confirm("42", code.expose()).await?;
//! assert!(otp.is_enrolled("42").await?);
//!
//! // That code is used up.
//! assert_eq!(otp.verify("42", code.expose()).await.unwrap_err().status(), 401);
//! let first = recovery.iter().next().unwrap();
//! let (_, left) = otp.use_recovery_code("42", first).await?;
//! assert_eq!(left, 9);
//! assert!(otp.use_recovery_code("42", first).await.is_err());
//! # Ok(())
//! # }
//! ```

mod attempt;
mod authenticate;
mod base32;
mod builder;
mod code;
mod compare;
mod encoding;
mod engine;
mod enroll;
mod inner;
mod qr;
mod record;
mod recovery;
mod scheme;
mod seals;
mod secret;
#[cfg(test)]
mod tests;
mod uri;

use std::time::Duration;

pub use self::{
    builder::OtpBuilder,
    code::Digest,
    engine::Otp,
    enroll::{Enrollment, NewEnrollment},
    recovery::RecoveryCodes,
    scheme::{Hotp, OtpScheme, Totp},
    seals::{SealedUnder, Seals},
    secret::OtpSecret,
};
use crate::{identity::Factor, rejection::Rejection};

/// Rejects a caller who has given no code, or not recently.
fn stale(within: Duration) -> Rejection {
    step_up(within, "no recent one-time code")
}

fn step_up(within: Duration, reason: &'static str) -> Rejection {
    let acr_values = Factor::Otp.as_amr().to_owned().into();
    Rejection::step_up(Some(within), Some(acr_values), reason)
}
