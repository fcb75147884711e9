//! Builds passwords and the throttle.

use super::parts::{EngineParts, set};
use crate::{
    config::settings::{BudgetSettings, PasswordsSettings, SchemeKind, ThrottleSettings},
    error::ConfigError,
    password::{PasswordScheme, Passwords},
    throttle::{Budget, Throttle, TrustedProxies},
};

pub(in crate::jam::assemble) fn passwords(
    parts: &EngineParts<'_>,
    settings: &PasswordsSettings,
) -> Result<Passwords, ConfigError> {
    let mut builder = Passwords::builder();
    if let Some(schemes) = &settings.schemes {
        builder = builder.schemes(schemes.iter().map(|scheme| match scheme {
            SchemeKind::Argon2id => PasswordScheme::Argon2id,
            SchemeKind::Bcrypt => PasswordScheme::Bcrypt,
            SchemeKind::Scrypt => PasswordScheme::Scrypt,
            SchemeKind::Pbkdf2Sha256 => PasswordScheme::Pbkdf2Sha256,
            SchemeKind::Pbkdf2Sha512 => PasswordScheme::Pbkdf2Sha512,
        }));
    }
    if let Some(issuer) = &parts.settings.issuer {
        builder = builder.context(issuer);
    }
    if settings.dangerous_allow_common {
        builder = builder.dangerous_allow_common();
    }
    if settings.pepper {
        builder = builder.pepper(&parts.env.secret);
    }
    set!(builder, settings:
        rehash => rehash = bool::from, min_length => min_length = usize::from, max_length => max_length = usize::from,
        max_running => max_running = usize::from, max_waiting => max_waiting = usize::from);
    let built = builder.build();
    built.map_err(|error| parts.location.engine_error("passwords", error))
}

pub(in crate::jam::assemble) fn throttle(
    parts: &EngineParts<'_>,
    settings: &ThrottleSettings,
) -> Result<Throttle, ConfigError> {
    let budget = |name: &str, stated: &BudgetSettings| {
        let about = |error| {
            parts
                .location
                .engine_error(&format!("throttle.{name}"), error)
        };
        Budget::new(stated.attempts, stated.window.0).map_err(about)
    };
    let mut builder = Throttle::builder(parts.env);
    if let Some(stated) = &settings.account {
        builder = builder.account(budget("account", stated)?);
    }
    if let Some(stated) = &settings.account_network {
        builder = builder.account_network(budget("account_network", stated)?);
    }
    if let Some(stated) = &settings.address {
        builder = builder.address(budget("address", stated)?);
    }
    if let Some(stated) = &settings.device {
        builder = builder.device(budget("device", stated)?);
    }
    if let Some(stated) = &settings.work {
        builder = builder.work(budget("work", stated)?);
    }
    if let Some(proxies) = settings.trusted_proxies {
        builder = builder.trusted_proxies(TrustedProxies::new(proxies));
    }
    if let Some(life) = settings.device_life {
        if life.0.is_zero() {
            let reason = "is zero, so no device would be recognized";
            return Err(parts.location.error("throttle.device_life", reason));
        }
        builder = builder.device_life(life.0);
    }
    Ok(builder.build())
}
