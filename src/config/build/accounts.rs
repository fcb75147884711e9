//! Token pairs and accounts, which are made of the other engines.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{JamBuilder, Parts};
#[cfg(feature = "account")]
use crate::account::{self, Accounts, StoreUsers, Users};
use crate::{
    config::{Config, settings::FormatKind},
    error::ConfigError,
    grant::Grant,
    jam::{Engines, Read},
    refresh::ReadUser,
    secret::MasterSecret,
    store::StoreFuture,
};

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> JamBuilder<U> {
    pub(super) fn add_pairs(
        &self,
        parts: &Parts<'_>,
        secret: &MasterSecret,
        engines: &mut Engines<U>,
    ) -> Result<(), ConfigError> {
        let Config {
            settings, place, ..
        } = &self.config;
        #[cfg(feature = "account")]
        let users: Arc<dyn Users<U>> = self.users.clone().unwrap_or_else(|| {
            let users = StoreUsers::new(Arc::clone(parts.store));
            Arc::new(users.with_clock(Arc::clone(parts.clock)))
        });
        let Some(refresh) = &settings.refresh else {
            #[cfg(feature = "account")]
            self.add_accounts(parts, secret, engines, &users)?;
            return Ok(());
        };
        #[cfg(feature = "account")]
        let reader = self
            .reader
            .clone()
            .unwrap_or_else(|| Arc::new(account::reread(Arc::clone(&users))));
        #[cfg(not(feature = "account"))]
        let reader = self.reader.clone().ok_or_else(|| {
            place.error(
                "refresh",
                "needs to read users: call `JamBuilder::read_user`",
            )
        })?;
        let reader = Reader(reader);
        let missing = |table: &str| {
            let reason = format!("needs the table `{table}`");
            place.error("refresh.format", reason)
        };
        let pairs = match refresh.format {
            FormatKind::Jwt => {
                let jwt = engines.jwt.as_ref().ok_or_else(|| missing("jwt"))?;
                let pairs = parts.pairs(refresh, jwt.engine.clone(), secret, reader)?;
                Read::new(pairs, jwt.source.clone())
            }
            #[cfg(feature = "paseto")]
            FormatKind::Paseto => {
                let paseto = engines.paseto.as_ref().ok_or_else(|| missing("paseto"))?;
                let pairs = parts.pairs(refresh, paseto.engine.clone(), secret, reader)?;
                Read::new(pairs, paseto.source.clone())
            }
            #[cfg(not(feature = "paseto"))]
            FormatKind::Paseto => return Err(missing("paseto")),
        };
        // Without either of these every refresh would ask a store in which nobody is.
        #[cfg(feature = "account")]
        if settings.passwords.is_none() && self.users.is_none() && self.reader.is_none() {
            let reason = "needs to read users: call `JamBuilder::users` or `JamBuilder::read_user`, \
                          or add the table `passwords`";
            return Err(place.error("refresh", reason));
        }
        engines.pairs = Some(pairs);
        #[cfg(feature = "account")]
        self.add_accounts(parts, secret, engines, &users)?;
        Ok(())
    }

    #[cfg(feature = "account")]
    fn add_accounts(
        &self,
        parts: &Parts<'_>,
        secret: &MasterSecret,
        engines: &mut Engines<U>,
        users: &Arc<dyn Users<U>>,
    ) -> Result<(), ConfigError> {
        let Config {
            settings, place, ..
        } = &self.config;
        let Some(stated) = &settings.passwords else {
            return match settings.throttle {
                Some(_) => Err(place.error("throttle", "needs the table `passwords`")),
                None => Ok(()),
            };
        };
        let passwords = parts.passwords(stated, secret)?;
        let limits = settings.throttle.clone().unwrap_or_default();
        let throttle = parts.throttle(&limits, secret)?;
        if let Some(pairs) = &engines.pairs {
            let builder = Accounts::builder(
                Arc::clone(users),
                passwords.clone(),
                throttle.clone(),
                pairs.engine.clone(),
            );
            let mut builder = builder
                .events(self.events.clone())
                .clock(Arc::clone(&self.clock));
            if let Some(sessions) = &engines.sessions {
                builder = builder.sessions(sessions.engine.clone());
            }
            if let Some(otp) = &engines.otp {
                builder = builder.otp(otp.clone());
            }
            if let Some(life) = stated.remember_devices {
                let about = |error| place.engine("passwords", error);
                builder = builder.remember_devices(secret, life.0).map_err(about)?;
            }
            engines.accounts = Some(builder.build());
        } else if stated.remember_devices.is_some() {
            return Err(place.error("passwords.remember_devices", "needs the table `refresh`"));
        }
        engines.passwords = Some(passwords);
        engines.throttle = Some(throttle);
        Ok(())
    }
}

struct Reader<U>(Arc<dyn ReadUser<U>>);

impl<U: 'static> ReadUser<U> for Reader<U> {
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>> {
        self.0.read_user(subject)
    }
}
