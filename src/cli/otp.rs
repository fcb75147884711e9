//! `jam otp`.

use std::{sync::Arc, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::{Failure, Output, secret};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    otp::{Digest, Enrollment, OtpSecret, Totp},
    secret::{MasterSecret, equal},
    store::MemoryStore,
};

#[derive(Subcommand, Debug)]
pub(super) enum Otp {
    /// Makes a secret, and the URI that authenticators scan.
    New(Shown),
    /// Prints the code of this moment; the secret comes from a prompt or standard input.
    Code(Shape),
    /// Says whether a code is good now, a period before or a period after; the secret comes from a prompt or standard input.
    Verify {
        /// The code.
        code: String,
        #[command(flatten)]
        shape: Shape,
    },
    /// Draws what authenticators scan; the secret comes from a prompt or standard input.
    Qr(Shown),
}

/// What codes are like, on which both sides must agree. The defaults are those of the table `otp`.
#[derive(Args, Debug)]
pub(super) struct Shape {
    /// How many digits, 6 to 8.
    #[arg(long, default_value_t = 6)]
    digits: u8,
    /// The hash.
    #[arg(long, value_enum, default_value_t = Hash::Sha1)]
    digest: Hash,
    /// How long a code lives, in seconds.
    #[arg(long, default_value_t = 30)]
    interval: u64,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl Shape {
    fn period(&self) -> Duration {
        Duration::from_secs(self.interval)
    }

    fn totp(&self) -> Result<Totp, ConfigError> {
        let totp = Totp::new().with_digest(match self.digest {
            Hash::Sha1 => Digest::Sha1,
            Hash::Sha256 => Digest::Sha256,
            Hash::Sha512 => Digest::Sha512,
        });
        totp.with_digits(self.digits)?.with_period(self.period())
    }
}

/// What authenticators show beside a code.
#[derive(Args, Debug)]
pub(super) struct Shown {
    /// The service.
    #[arg(long, default_value = "tower-jam")]
    service: String,
    /// The account.
    #[arg(long, default_value = "user")]
    account: String,
    #[command(flatten)]
    shape: Shape,
}

impl Otp {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::New(shown) => {
                let secret = OtpSecret::generate();
                let enrollment = shown.enroll(&secret).await?;
                let (text, uri) = (secret.to_base32(), enrollment.uri().expose());
                let value = json!({ "secret": text.expose(), "uri": uri });
                output.say(&value, &format!("{}\n{uri}", text.expose()))
            }
            Self::Code(shape) => {
                let code = shape.totp()?.code(&given()?, SystemClock.now());
                output.say(&json!({ "code": code.expose() }), code.expose())
            }
            Self::Verify { code, shape } => {
                let (totp, period) = (shape.totp()?, shape.period());
                let secret = given()?;
                let now = SystemClock.now();
                let times = [now.before(period), now, now.after(period)];
                let is_good = times.iter().any(|at| {
                    let right = totp.code(&secret, *at);
                    equal(right.expose().as_bytes(), code.as_bytes())
                });
                match is_good {
                    true => output.say(&json!({ "verified": true }), "the code is good"),
                    false => Err(Failure::No("the code is not good".to_owned())),
                }
            }
            Self::Qr(shown) => {
                let enrollment = shown.enroll(&given()?).await?;
                let value = json!({ "svg": enrollment.qr_svg().expose() });
                output.say(&value, enrollment.qr_text().expose())
            }
        }
    }
}

impl Shown {
    /// An enrolment that is forgotten at once: it knows how URIs and pictures are made.
    async fn enroll(&self, secret: &OtpSecret) -> Result<Enrollment, Failure> {
        let store = Arc::new(MemoryStore::new());
        let otp = crate::otp::Otp::builder(store, &MasterSecret::generate(), &self.service);
        let otp = otp.scheme(self.shape.totp()?).build()?;
        let enrollment = otp.enroll("user").account(&self.account);
        Ok(enrollment.secret(secret.clone()).await?)
    }
}

fn given() -> Result<OtpSecret, Failure> {
    Ok(OtpSecret::from_base32(secret("secret")?.expose())?)
}
