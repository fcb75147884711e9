//! Enrollment of an authenticator.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    inner::{OtpInner, OtpRecordError},
    qr,
    record::OtpRecord,
    secret::OtpSecret,
    stale,
};
use crate::{
    identity::Identity,
    rejection::Rejection,
    secret::Secret,
    store::swap::{Step, swap},
};

/// An enrollment that is about to start; `.await` starts it. See
/// [`Otp::enroll`](super::Otp::enroll).
#[must_use = "nothing is enrolled until this is awaited"]
pub struct NewEnrollment<'a> {
    otp: &'a OtpInner,
    subject: &'a str,
    account: Option<&'a str>,
    secret: Option<OtpSecret>,
    caller: Option<&'a Identity>,
    replaces: bool,
}

impl<'a> NewEnrollment<'a> {
    pub(super) const fn new(otp: &'a OtpInner, subject: &'a str) -> Self {
        Self {
            otp,
            subject,
            account: None,
            secret: None,
            caller: None,
            replaces: false,
        }
    }

    /// Sets the name that authenticators show beside the service, at most 256 bytes. Default: the
    /// subject.
    pub const fn account(mut self, account: &'a str) -> Self {
        self.account = Some(account);
        self
    }

    /// Uses a secret that another system has generated, instead of a new one.
    pub fn secret(mut self, secret: OtpSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Replaces the existing authenticator, if `caller` is its owner and has just given one of its
    /// codes or a recovery code. Otherwise an existing authenticator is not replaced.
    pub const fn replacing(mut self, caller: &'a Identity) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Replaces any existing record, without a proof.
    #[cfg(feature = "account")]
    pub(crate) const fn replacing_what_is_left(mut self) -> Self {
        self.replaces = true;
        self
    }

    async fn begin(self) -> Result<Enrollment, Rejection> {
        let otp = self.otp;
        let secret = self.secret;
        let secret = secret.unwrap_or_else(|| OtpSecret::of_length(otp.secret_bytes));
        let uri = otp.uri(&secret, self.account.unwrap_or(self.subject))?;
        let caller = self.caller;
        let is_proved =
            self.replaces || caller.is_some_and(|caller| otp.is_proof(caller, self.subject));
        let key = otp.key(self.subject);
        let is_started = swap(&*otp.store, &*otp.clock, &key, |entry| {
            let mut record = match otp.read(&key, entry) {
                // No code is required of the user, so nothing is lost with the record.
                Err(_) if self.replaces => OtpRecord::new(),
                read => read?,
            };
            let now = otp.clock.now();
            let secret = secret.clone();
            let is_started = record.enroll(otp.scheme, secret, is_proved, &otp.policy, now);
            Ok::<_, OtpRecordError>(if is_started {
                Step::Swap(otp.write(&key, self.subject, record)?, true)
            } else {
                Step::Keep(false)
            })
        });
        let is_started = is_started.await;
        if is_started.map_err(|error| otp.record_rejection(error, self.subject))? {
            Ok(Enrollment { secret, uri })
        } else {
            Err(stale(otp.fresh))
        }
    }
}

impl<'a> IntoFuture for NewEnrollment<'a> {
    type Output = Result<Enrollment, Rejection>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.begin())
    }
}

impl fmt::Debug for NewEnrollment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEnrollment").finish_non_exhaustive()
    }
}

/// What the user enters into the authenticator, by camera or by hand. Each form of it is a secret.
///
/// It serializes as `{"secret", "uri", "qr_svg"}`, for the one response that shows it.
pub struct Enrollment {
    secret: OtpSecret,
    uri: Secret<String>,
}

impl Enrollment {
    /// Returns the secret, for manual entry: [`OtpSecret::to_base32`].
    #[must_use]
    pub const fn secret(&self) -> &OtpSecret {
        &self.secret
    }

    /// Returns the `otpauth://` URI, for a link on the phone itself.
    #[must_use]
    pub const fn uri(&self) -> &Secret<String> {
        &self.uri
    }

    /// Returns the URI as a QR code in an SVG document.
    #[must_use]
    pub fn qr_svg(&self) -> Secret<String> {
        qr::svg(self.uri.expose())
    }

    /// Returns the URI as a QR code in text, for a terminal with light text on a dark background.
    #[must_use]
    pub fn qr_text(&self) -> Secret<String> {
        qr::text(self.uri.expose())
    }
}

impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrollment(..)")
    }
}

impl Serialize for Enrollment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Enrollment", 3)?;
        fields.serialize_field("secret", self.secret.to_base32().expose())?;
        fields.serialize_field("uri", self.uri.expose())?;
        fields.serialize_field("qr_svg", self.qr_svg().expose())?;
        fields.end()
    }
}
