//! One-time codes: a second factor that works once, and that can be asked for again where it matters.
//!
//! [`Otp`] enrols authenticators and verifies their codes, by the time (TOTP, RFC 6238) or by a counter (HOTP, RFC 4226).
//! [`OtpGuard`](crate::layer::OtpGuard) asks for a code in front of a route, inside any layer that authenticates;
//! [`guard::fresh`](crate::guard::fresh()) asks whether one was given lately. All that is known of a user's second factor is
//! one record, and each operation is one compare-and-swap on it.
//!
//! # Rules
//!
//! * **A code works once**, on all nodes together. The step of the last code only moves forward: an older code is refused
//!   after a newer one, also when the clock was set back. The same code again is refused and does not count as a failure.
//! * **No verdict leaves before its count is written.** Five wrong codes in a row lock the user for 15 minutes; of any number
//!   sent at once, five are looked at. Attempts while locked are not looked at, do not count and prolong nothing. What is
//!   right ends the row. Codes, confirmations and recovery codes count together.
//! * **A hundred wrong codes in a row**, whatever locks came between, end the authenticator (NIST SP 800-63B-4 section 3.2.2): no
//!   code of it is right any more, 403, until a recovery code was used or another authenticator is confirmed.
//! * **A code is as many ASCII digits as it has.** Anything else is a wrong code, with its answer and in its time.
//! * **A store that is away** is 503, and costs nothing. If it fails after it has written, the code is used up: a failure
//!   never makes a second use.
//! * **Enrolling** makes a secret that waits, 15 minutes at most, for its first code. What was there stays until then, and
//!   is replaced only for somebody who has just given a code of it: [`replacing`](NewEnrollment::replacing).
//! * **Recovery codes**: ten, shown once, each used once. The store has their hashes. One that was used is refused and does not
//!   count as a failure. They take the place of a code wherever [`use_recovery_code`](Otp::use_recovery_code) is called, and are a [`Factor::Otp`].
//! * **At rest** the whole record is sealed under a key that follows from the [`MasterSecret`](crate::MasterSecret). With an
//!   accepted old secret records open, and are sealed with the active one when a code is used.
//! * **A record that does not open** never counts as no second factor, and is no 503: its secret was retired, or it is damaged.
//!   The rejection is that of a [lost factor](crate::RejectionKind::FactorLost), 403, with the event
//!   [`OtpUnreadable`](crate::event::EventKind::OtpUnreadable).
//! * **Each enrolment keeps its scheme**: other digits in the settings leave the authenticators that are there as they are.
//! * **Whether a user has a second factor** is a field of the user, not the presence of a record. No record means that no
//!   code is right: what was lost refuses, and opens nothing.
//!
//! Two things follow. Somebody who knows a user's password can lock the second factor, for 15 minutes at a time; an event
//! ([`OtpLocked`](crate::event::EventKind::OtpLocked)) tells of it. And a server clock that was far ahead, and in which
//! a code was accepted, has to be caught up with: until then recovery codes are the way in.
//!
//! # Another master secret
//!
//! Records are in the store for years, and so is the secret that they need. Another one takes its place in the
//! [order](crate::MasterSecret#rotation) that [`MasterSecret`](crate::MasterSecret) has. Once the new secret is active, a record is
//! sealed anew when its user gives a code. `jam secret rotate --check`, or [`Otp::seals`], says whose records still need the old
//! one; retire it once these are few enough.
//!
//! Sessions end at once by a secret of their own (`Sessions::builder`), and `Otp` may go on to accept one that all other
//! engines have retired: each is given its secret when it is built. The user of a record that needed the old one cannot give a
//! code. Accept the secret again, or make sure in another way who it is, as you would for somebody without telephone and recovery
//! codes, and take the second factor away: `Accounts::dangerous_reset_second_factor`, or
//! [`dangerous_disable`](Otp::dangerous_disable) and the field of the user. Then it is enrolled like a first one.
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{Clock, MasterSecret, Otp, SystemClock, otp::Totp, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let otp = Otp::builder(Arc::new(MemoryStore::new()), &MasterSecret::generate(), "Acme").build()?;
//!
//! let enrollment = otp.enroll("42").account("alice@acme.dev").await?;
//! assert!(enrollment.uri().expose().starts_with("otpauth://totp/Acme:alice%40acme.dev?secret="));
//! println!("{}", enrollment.qr_text().expose());
//!
//! // What the authenticator shows. Producing codes is an API too.
//! let code = Totp::new().code(enrollment.secret(), SystemClock.now());
//! let recovery = otp.confirm("42", code.expose()).await?;
//! assert!(otp.is_enrolled("42").await?);
//!
//! // That code is used up, whoever sends it again.
//! assert_eq!(otp.verify("42", code.expose()).await.unwrap_err().status(), 401);
//! let first = recovery.iter().next().unwrap();
//! let (_, left) = otp.use_recovery_code("42", first).await?;
//! assert_eq!(left, 9);
//! assert!(otp.use_recovery_code("42", first).await.is_err());
//! # Ok(())
//! # }
//! ```

mod authenticate;
mod base32;
mod builder;
mod code;
mod decide;
mod engine;
mod enroll;
mod lost;
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
    engine::Otp,
    enroll::{Enrollment, NewEnrollment},
    recovery::RecoveryCodes,
    scheme::{Digest, Hotp, Scheme, Totp},
    seals::{SealedUnder, Seals},
    secret::OtpSecret,
};
use crate::{identity::Factor, rejection::Rejection};

/// A code is due: none was given, or not lately.
fn stale(within: Duration) -> Rejection {
    step_up(within, "no one-time code was given lately")
}

fn step_up(within: Duration, reason: &'static str) -> Rejection {
    let acr_values = Factor::Otp.as_amr().to_owned().into();
    Rejection::step_up(Some(within), Some(acr_values), reason)
}
