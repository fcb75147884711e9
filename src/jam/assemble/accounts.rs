//! Builds accounts, which compose the other engines, and finds their users.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{parts::EngineParts, passwords};
use crate::{
    account::{self, Accounts, StoreUsers, Users},
    error::ConfigError,
    grant::ReadUser,
    jam::Engines,
};

/// The users of accounts.
pub(super) type SharedUsers<U> = Arc<dyn Users<U>>;

/// Returns the users of the accounts: the application's own, or those in the store if there are
/// passwords.
pub(super) fn account_users<U>(
    parts: &EngineParts<'_>,
    own: Option<&SharedUsers<U>>,
    engines: &mut Engines<U>,
) -> Option<SharedUsers<U>>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    if let Some(users) = own {
        return Some(Arc::clone(users));
    }
    parts.settings.passwords.as_ref()?;
    let users = Arc::new(StoreUsers::new(parts.env));
    engines.users = Some(Arc::clone(&users));
    Some(users)
}

/// Returns how users are read again: as the application says, or from the users of the accounts.
pub(super) fn user_reader<U: Send + 'static>(
    parts: &EngineParts<'_>,
    reader: Option<&Arc<dyn ReadUser<U>>>,
    own: Option<&SharedUsers<U>>,
    users: Option<&SharedUsers<U>>,
) -> Option<Arc<dyn ReadUser<U>>> {
    if let Some(reader) = reader {
        return Some(Arc::clone(reader));
    }
    // Without accounts, the users of the sessions need not be those in the store.
    let has_accounts = parts.settings.refresh.is_some();
    let users = users.filter(|_| has_accounts || own.is_some())?;
    Some(Arc::new(account::user_reader(Arc::clone(users))))
}

/// Builds passwords, the throttle, and accounts if there are token pairs.
pub(super) fn add_accounts<U>(
    parts: &EngineParts<'_>,
    engines: &mut Engines<U>,
    users: Option<&SharedUsers<U>>,
) -> Result<(), ConfigError>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let (settings, location) = (parts.settings, parts.location);
    let Some(stated) = &settings.passwords else {
        return match settings.throttle {
            Some(_) => Err(location.error("throttle", "needs the table `passwords`")),
            None => Ok(()),
        };
    };
    let passwords = passwords::passwords(parts, stated)?;
    let limits = settings.throttle.clone().unwrap_or_default();
    let throttle = passwords::throttle(parts, &limits)?;
    if let (Some(pairs), Some(users)) = (&engines.pairs, users) {
        let mut builder = Accounts::builder(
            parts.env,
            Arc::clone(users),
            passwords.clone(),
            throttle.clone(),
            pairs.engine.clone(),
        );
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

/// The sources of users that a program can state.
pub(super) const USER_SOURCES: &str =
    "call `JamBuilder::users` or `JamBuilder::read_user`, or add the table `passwords`";
