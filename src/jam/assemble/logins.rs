//! Builds sessions, token pairs, one-time codes, passwords and the throttle.

use std::sync::Arc;

use serde::Serialize;

use super::{EngineParts, keys};
use crate::{
    config::settings::SessionSettings, env::Env, error::ConfigError, grant::ReadUser,
    request::cookie::CookieSpec, session::Sessions,
};

/// Calls the builder's setters for the settings that are stated.
#[cfg(any(feature = "refresh", feature = "otp", feature = "account"))]
macro_rules! set {
    ($builder:ident, $settings:ident: $($setting:ident => $method:ident = $value:expr),* $(,)?) => {
        $(if let Some(value) = $settings.$setting {
            $builder = $builder.$method($value(value));
        })*
    };
}

impl EngineParts<'_> {
    pub(crate) fn sessions<U: Serialize + Send + Sync + 'static>(
        &self,
        settings: &SessionSettings,
        users: Option<Arc<dyn ReadUser<U>>>,
    ) -> Result<Sessions<U>, ConfigError> {
        let about = |error| self.location.engine_error("session", error);
        let own = settings.secret_file.as_deref();
        let own =
            own.map(|file| keys::secret_from_file(file, "session.secret_file", self.location));
        let own = own.transpose()?;
        let env = match own {
            Some(secret) => &Env {
                secret,
                ..self.env.clone()
            },
            None => self.env,
        };
        let mut builder = Sessions::builder(env);
        if let Some(idle) = settings.idle {
            builder = builder.idle_timeout(idle.0);
        }
        if let Some(absolute) = settings.absolute {
            builder = builder.absolute_timeout(absolute.0);
        }
        if let Some(name) = &settings.cookie {
            let cookie = CookieSpec::new(name);
            let about = |error| self.location.locate(error, "session.cookie");
            builder = builder.cookie(cookie.map_err(about)?);
        }
        if let Some(users) = users {
            builder = builder.users(users);
        }
        if let Some(max_age) = settings.user_max_age {
            builder = builder.user_max_age(max_age.0);
        }
        if settings.dangerous_plain_records {
            builder = builder.dangerous_plain_records();
        }
        builder.build().map_err(about)
    }
}

#[cfg(feature = "refresh")]
mod refresh {
    use std::time::Duration;

    use super::EngineParts;
    use crate::{
        config::settings::{BindKind, BlacklistKind, LimitKind, RefreshSettings, Span},
        error::ConfigError,
        refresh::{
            AccessTokens, DeviceLimitPolicy, FingerprintPolicy, ReadUser, RevocationCheck,
            TokenPairs,
        },
    };

    impl EngineParts<'_> {
        pub(in crate::jam::assemble) fn pairs<U: Send + Sync + 'static>(
            &self,
            settings: &RefreshSettings,
            access: impl Into<AccessTokens<U>>,
            users: impl ReadUser<U>,
        ) -> Result<TokenPairs<U>, ConfigError> {
            if settings.rotate == Some(false) && settings.grace.is_some() {
                let reason = "conflicts with `rotate`, which is false";
                return Err(self.location.error("refresh.grace", reason));
            }
            let mut builder = TokenPairs::builder(self.env, access, users);
            let span = |span: Span| -> Duration { span.0 };
            let on_limit = |kind| match kind {
                LimitKind::EvictOldest => DeviceLimitPolicy::EvictOldest,
                LimitKind::EvictLru => DeviceLimitPolicy::EvictLeastRecentlyUsed,
                LimitKind::Reject => DeviceLimitPolicy::Reject,
            };
            let blacklist = |kind| match kind {
                BlacklistKind::DangerousNone => RevocationCheck::DangerousNone,
                BlacklistKind::Refresh => RevocationCheck::Refresh,
                BlacklistKind::Both => RevocationCheck::Both,
            };
            let bind = |kind| match kind {
                BindKind::Ignore => FingerprintPolicy::Ignore,
                BindKind::Event => FingerprintPolicy::Event,
                BindKind::Refuse => FingerprintPolicy::Refuse,
            };
            set!(builder, settings:
                idle => idle_timeout = span, absolute => absolute_timeout = span, grace => grace = span, outage_grace => outage_grace = span, rotate => rotate = bool::from, max_devices => max_devices = usize::from,
                on_limit => on_limit = on_limit, blacklist => blacklist = blacklist, bind => bind = bind);
            let built = builder.build();
            built.map_err(|error| self.location.engine_error("refresh", error))
        }
    }
}

#[cfg(feature = "otp")]
mod otp {
    use std::time::Duration;

    use super::EngineParts;
    use crate::{
        config::settings::{DigestKind, OtpKind, OtpSettings, Span},
        error::ConfigError,
        otp::{Digest, Hotp, Otp, OtpScheme, Totp},
    };

    impl EngineParts<'_> {
        pub(in crate::jam::assemble) fn otp(
            &self,
            settings: &OtpSettings,
        ) -> Result<Otp, ConfigError> {
            let about = |error| self.location.engine_error("otp", error);
            let service = settings.service.as_deref().or(self.host());
            let reason = "is not set, and there is no issuer to derive it from";
            let service = service.ok_or_else(|| self.location.error("otp.service", reason))?;
            let mut builder = Otp::builder(self.env, service);
            builder = builder.scheme(self.scheme(settings)?);
            let span = |span: Span| -> Duration { span.0 };
            set!(builder, settings:
                secret_bits => secret_bits = usize::from, window => window = u8::from, look_ahead => look_ahead = u8::from, max_failures => max_failures = u8::from,
                lock => lock_duration = span, pending => pending_ttl = span, fresh => fresh = span);
            builder.build().map_err(about)
        }

        fn scheme(&self, settings: &OtpSettings) -> Result<OtpScheme, ConfigError> {
            let about = |error| self.location.engine_error("otp", error);
            let digest = match settings.digest {
                None | Some(DigestKind::Sha1) => Digest::Sha1,
                Some(DigestKind::Sha256) => Digest::Sha256,
                Some(DigestKind::Sha512) => Digest::Sha512,
            };
            match settings.r#type {
                OtpKind::Totp => {
                    if settings.look_ahead.is_some() {
                        let reason = "conflicts with `type`, which is totp";
                        return Err(self.location.error("otp.look_ahead", reason));
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
                            return Err(self.location.error(&format!("otp.{name}"), reason));
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
    }
}

#[cfg(feature = "account")]
mod account {

    use super::EngineParts;
    use crate::{
        config::settings::{BudgetSettings, PasswordsSettings, SchemeKind, ThrottleSettings},
        error::ConfigError,
        password::{PasswordScheme, Passwords},
        throttle::{Budget, Throttle, TrustedProxies},
    };

    impl EngineParts<'_> {
        pub(in crate::jam::assemble) fn passwords(
            &self,
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
            if let Some(issuer) = &self.settings.issuer {
                builder = builder.context(issuer);
            }
            if settings.dangerous_allow_common {
                builder = builder.dangerous_allow_common();
            }
            if settings.pepper {
                builder = builder.pepper(&self.env.secret);
            }
            set!(builder, settings:
                rehash => rehash = bool::from, min_length => min_length = usize::from, max_length => max_length = usize::from,
                max_running => max_running = usize::from, max_waiting => max_waiting = usize::from);
            let built = builder.build();
            built.map_err(|error| self.location.engine_error("passwords", error))
        }

        pub(in crate::jam::assemble) fn throttle(
            &self,
            settings: &ThrottleSettings,
        ) -> Result<Throttle, ConfigError> {
            let budget = |name: &str, stated: &BudgetSettings| {
                let about = |error| {
                    self.location
                        .engine_error(&format!("throttle.{name}"), error)
                };
                Budget::new(stated.attempts, stated.window.0).map_err(about)
            };
            let mut builder = Throttle::builder(self.env);
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
                    return Err(self.location.error("throttle.device_life", reason));
                }
                builder = builder.device_life(life.0);
            }
            Ok(builder.build())
        }
    }
}
