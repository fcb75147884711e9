//! `jam otp`.

use std::{sync::Arc, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tower_jam::{
    Clock, ConfigError, Env, MasterSecret, Otp, Secret, SystemClock,
    otp::{Digest, Enrollment, OtpSecret, Totp},
    store::MemoryStore,
};

use super::output::{CommandError, Printer, read_secret};

#[derive(Subcommand, Debug)]
pub(crate) enum OtpCommand {
    /// Generates a secret, and the URI that authenticators scan.
    New(EnrollmentArgs),
    /// Prints the current code of a secret that is read from a prompt or standard input.
    Code(CodeArgs),
    /// Verifies a code with a secret that is read from a prompt or standard input.
    ///
    /// The codes of the current period, the one before and the one after are accepted.
    Verify {
        /// The code.
        code: String,
        #[command(flatten)]
        args: CodeArgs,
    },
    /// Draws the QR code of a secret that is read from a prompt or standard input.
    Qr(EnrollmentArgs),
}

/// The form of codes, on which both sides must agree. The defaults are those of the table `otp`.
#[derive(Args, Debug)]
pub(crate) struct CodeArgs {
    /// The number of digits, 6 to 8.
    #[arg(long, default_value_t = 6)]
    digits: u8,
    /// The hash function.
    #[arg(long, value_enum, default_value_t = HashName::Sha1)]
    digest: HashName,
    /// The lifetime of a code, in seconds.
    #[arg(long, default_value_t = 30)]
    interval: u64,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum HashName {
    Sha1,
    Sha256,
    Sha512,
}

impl CodeArgs {
    fn period(&self) -> Duration {
        Duration::from_secs(self.interval)
    }

    fn totp(&self) -> Result<Totp, ConfigError> {
        let totp = Totp::new().with_digest(match self.digest {
            HashName::Sha1 => Digest::Sha1,
            HashName::Sha256 => Digest::Sha256,
            HashName::Sha512 => Digest::Sha512,
        });
        totp.with_digits(self.digits)?.with_period(self.period())
    }
}

/// What authenticators show beside a code.
#[derive(Args, Debug)]
pub(crate) struct EnrollmentArgs {
    /// The service.
    #[arg(long, default_value = "tower-jam")]
    service: String,
    /// The account.
    #[arg(long, default_value = "user")]
    account: String,
    #[command(flatten)]
    code: CodeArgs,
}

impl OtpCommand {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        match self {
            Self::New(args) => {
                let secret = OtpSecret::generate();
                let enrollment = args.enroll(&secret).await?;
                let (text, uri) = (secret.to_base32(), enrollment.uri().expose());
                let value = json!({ "secret": text.expose(), "uri": uri });
                printer.print(&value, &format!("{}\n{uri}", text.expose()))
            }
            Self::Code(args) => {
                let code = args.totp()?.code(&read_otp_secret()?, SystemClock.now());
                printer.print(&json!({ "code": code.expose() }), code.expose())
            }
            Self::Verify { code, args } => {
                let (totp, period) = (args.totp()?, args.period());
                let secret = read_otp_secret()?;
                let code = Secret::new(code);
                let now = SystemClock.now();
                let times = [now.before(period), now, now.after(period)];
                if times.iter().any(|at| totp.code(&secret, *at) == code) {
                    printer.print(&json!({ "verified": true }), "the code is right")
                } else {
                    Err(CommandError::No("the code is wrong".to_owned()))
                }
            }
            Self::Qr(args) => {
                let enrollment = args.enroll(&read_otp_secret()?).await?;
                let value = json!({ "svg": enrollment.qr_svg().expose() });
                printer.print(&value, enrollment.qr_text().expose())
            }
        }
    }
}

impl EnrollmentArgs {
    /// Returns an enrolment in a store that is dropped at once: only its URI and QR code are used.
    async fn enroll(&self, secret: &OtpSecret) -> Result<Enrollment, CommandError> {
        let store = Arc::new(MemoryStore::new());
        let otp = Otp::builder(
            &Env::new("self", store, &MasterSecret::generate()),
            &self.service,
        );
        let otp = otp.scheme(self.code.totp()?).build()?;
        let enrollment = otp.enroll("user").account(&self.account);
        Ok(enrollment.secret(secret.clone()).await?)
    }
}

fn read_otp_secret() -> Result<OtpSecret, CommandError> {
    Ok(OtpSecret::from_base32(read_secret("secret")?.expose())?)
}
