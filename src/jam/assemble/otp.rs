//! Builds one-time codes.

use std::time::Duration;

use super::parts::{EngineParts, set};
use crate::{
    config::settings::{DigestKind, OtpKind, OtpSettings, Span},
    error::ConfigError,
    jam::Engines,
    otp::{Digest, Hotp, Otp, OtpScheme, Totp},
};

/// Adds one-time codes if their table is stated.
pub(super) fn add_otp<U>(
    parts: &EngineParts<'_>,
    engines: &mut Engines<U>,
) -> Result<(), ConfigError> {
    if let Some(settings) = &parts.settings.otp {
        engines.otp = Some(otp(parts, settings)?);
    }
    Ok(())
}

fn otp(parts: &EngineParts<'_>, settings: &OtpSettings) -> Result<Otp, ConfigError> {
    let about = |error| parts.location.engine_error("otp", error);
    let service = settings.service.as_deref().or(parts.host());
    let reason = "is not set, and there is no issuer to derive it from";
    let service = service.ok_or_else(|| parts.location.error("otp.service", reason))?;
    let mut builder = Otp::builder(parts.env, service);
    builder = builder.scheme(scheme(parts, settings)?);
    let span = |span: Span| -> Duration { span.0 };
    set!(builder, settings:
        secret_bits => secret_bits = usize::from, window => window = u8::from, look_ahead => look_ahead = u8::from, max_failures => max_failures = u8::from,
        lock => lock_duration = span, pending => pending_ttl = span, fresh => fresh = span);
    builder.build().map_err(about)
}

fn scheme(parts: &EngineParts<'_>, settings: &OtpSettings) -> Result<OtpScheme, ConfigError> {
    let about = |error| parts.location.engine_error("otp", error);
    let digest = match settings.digest {
        None | Some(DigestKind::Sha1) => Digest::Sha1,
        Some(DigestKind::Sha256) => Digest::Sha256,
        Some(DigestKind::Sha512) => Digest::Sha512,
    };
    match settings.r#type {
        OtpKind::Totp => {
            if settings.look_ahead.is_some() {
                let reason = "conflicts with `type`, which is totp";
                return Err(parts.location.error("otp.look_ahead", reason));
            }
            let mut totp = Totp::new().with_digest(digest);
            if let Some(digits) = settings.digits {
                totp = totp.with_digits(digits).map_err(about)?;
            }
            if let Some(seconds) = settings.interval {
                let period = Duration::from_secs(seconds.into());
                totp = totp.with_period(period).map_err(about)?;
            }
            Ok(totp.into())
        }
        OtpKind::Hotp => {
            let is_stated = [settings.interval.is_some(), settings.window.is_some()];
            for (name, is_stated) in ["interval", "window"].into_iter().zip(is_stated) {
                if is_stated {
                    let reason = "conflicts with `type`, which is hotp";
                    return Err(parts.location.error(&format!("otp.{name}"), reason));
                }
            }
            let mut hotp = Hotp::new().with_digest(digest);
            if let Some(digits) = settings.digits {
                hotp = hotp.with_digits(digits).map_err(about)?;
            }
            Ok(hotp.into())
        }
    }
}
