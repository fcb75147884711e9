//! Token pairs and accounts, which are composed of the other engines.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{EngineParts, JamBuilder};
#[cfg(feature = "account")]
use crate::account::{self, Accounts, StoreUsers, Users};
use crate::{
    config::{Config, settings::FormatKind},
    error::ConfigError,
    grant::ReadUser,
    jam::{EngineWithSource, Engines},
};

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> JamBuilder<U> {
    /// Returns the users of the accounts: the application's own, or those in the store if there are
    /// passwords.
    #[cfg(feature = "account")]
    pub(crate) fn account_users(
        &self,
        parts: &EngineParts<'_>,
        engines: &mut Engines<U>,
    ) -> Option<Arc<dyn Users<U>>> {
        let settings = &self.config.settings;
        if let Some(users) = &self.users {
            return Some(Arc::clone(users));
        }
        settings.passwords.as_ref()?;
        let users = Arc::new(StoreUsers::new(parts.env));
        engines.users = Some(Arc::clone(&users));
        Some(users)
    }

    #[cfg(feature = "account")]
    pub(crate) fn reader(&self, users: &Option<Arc<dyn Users<U>>>) -> Option<Arc<dyn ReadUser<U>>> {
        let of_accounts = || -> Option<Arc<dyn ReadUser<U>>> {
            // Without accounts, the users of the sessions need not be those in the store.
            let has_accounts = self.config.settings.refresh.is_some();
            let users = users.as_ref();
            let users = users.filter(|_| has_accounts || self.users.is_some())?;
            Some(Arc::new(account::user_reader(Arc::clone(users))))
        };
        self.reader.clone().or_else(of_accounts)
    }

    pub(crate) fn add_pairs(
        &self,
        parts: &EngineParts<'_>,
        engines: &mut Engines<U>,
        reader: Option<Arc<dyn ReadUser<U>>>,
    ) -> Result<(), ConfigError> {
        let Config {
            settings, location, ..
        } = &self.config;
        let Some(refresh) = &settings.refresh else {
            return Ok(());
        };
        let is_missing = reader.is_none();
        // Report invalid settings before a missing reader of users.
        let reader = reader.unwrap_or_else(|| Arc::new(async |_: String| Ok(None)));
        let missing = |table: &str| {
            let reason = format!("needs the table `{table}`");
            location.error("refresh.format", reason)
        };
        let pairs = match refresh.format {
            FormatKind::Jwt => {
                let jwt = engines.jwt.as_ref().ok_or_else(|| missing("jwt"))?;
                let pairs = parts.pairs(refresh, jwt.engine.clone(), reader)?;
                EngineWithSource::new(pairs, jwt.source.clone())
            }
            #[cfg(feature = "paseto")]
            FormatKind::Paseto => {
                let paseto = engines.paseto.as_ref().ok_or_else(|| missing("paseto"))?;
                let pairs = parts.pairs(refresh, paseto.engine.clone(), reader)?;
                EngineWithSource::new(pairs, paseto.source.clone())
            }
            #[cfg(not(feature = "paseto"))]
            FormatKind::Paseto => return Err(missing("paseto")),
        };
        if is_missing {
            #[cfg(feature = "account")]
            let reason = "needs to read users: call `JamBuilder::users` or `JamBuilder::read_user`, \
                          or add the table `passwords`";
            #[cfg(not(feature = "account"))]
            let reason = "needs to read users: call `JamBuilder::read_user`";
            return Err(location.error("refresh", reason));
        }
        engines.pairs = Some(pairs);
        Ok(())
    }

    #[cfg(feature = "account")]
    pub(crate) fn add_accounts(
        &self,
        parts: &EngineParts<'_>,
        engines: &mut Engines<U>,
        users: &Option<Arc<dyn Users<U>>>,
    ) -> Result<(), ConfigError> {
        let Config {
            settings, location, ..
        } = &self.config;
        let Some(stated) = &settings.passwords else {
            return match settings.throttle {
                Some(_) => Err(location.error("throttle", "needs the table `passwords`")),
                None => Ok(()),
            };
        };
        let passwords = parts.passwords(stated)?;
        let limits = settings.throttle.clone().unwrap_or_default();
        let throttle = parts.throttle(&limits)?;
        if let (Some(pairs), Some(users)) = (&engines.pairs, users) {
            let builder = Accounts::builder(
                parts.env,
                Arc::clone(users),
                passwords.clone(),
                throttle.clone(),
                pairs.engine.clone(),
            );
            let mut builder = builder;
            if let Some(sessions) = &engines.sessions {
                builder = builder.sessions(sessions.engine.clone());
            }
            if let Some(otp) = &engines.otp {
                builder = builder.otp(otp.clone());
            }
            if let Some(life) = stated.remember_devices {
                let about = |error| location.engine_error("passwords", error);
                builder = builder.remember_devices(life.0).map_err(about)?;
            }
            let about = |error| location.engine_error("passwords", error);
            engines.accounts = Some(builder.build().map_err(about)?);
        } else if stated.remember_devices.is_some() {
            return Err(location.error("passwords.remember_devices", "needs the table `refresh`"));
        }
        engines.passwords = Some(passwords);
        engines.throttle = Some(throttle);
        Ok(())
    }
}
