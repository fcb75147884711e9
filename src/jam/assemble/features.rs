//! The features that settings need.

use crate::{
    config::{
        place::Location,
        settings::{FormatKind, InstanceSettings, StoreKind},
    },
    error::ConfigError,
};

/// Rejects settings of an engine that is not compiled in.
pub(crate) fn check(settings: &InstanceSettings, location: &Location) -> Result<(), ConfigError> {
    let missing = needed(settings).find(|need| !need.is_there);
    missing.map_or(Ok(()), |need| {
        let reason = format!("needs the feature `{}` of tower-jam", need.feature);
        Err(location.error(need.setting, reason))
    })
}

/// A stated setting, and the feature that it needs.
struct Need {
    setting: &'static str,
    feature: &'static str,
    is_there: bool,
}

fn needed(settings: &InstanceSettings) -> impl Iterator<Item = Need> {
    let format = settings.refresh.as_ref().map(|refresh| refresh.format);
    let store = settings.store.as_ref().map(|store| store.r#type);
    macro_rules! needs {
        ($($setting:literal, $is_stated:expr => $feature:literal;)*) => {
            [$(($is_stated, Need {
                setting: $setting,
                feature: $feature,
                is_there: cfg!(feature = $feature),
            })),*]
        };
    }
    let all = needs! {
        "refresh", settings.refresh.is_some() => "refresh";
        "refresh.format", format == Some(FormatKind::Paseto) => "paseto";
        "passwords", settings.passwords.is_some() => "account";
        "throttle", settings.throttle.is_some() => "account";
        "otp", settings.otp.is_some() => "otp";
        "paseto", settings.paseto.is_some() => "paseto";
        "oauth2", settings.oauth2.is_some() => "oauth2";
        "store.type", store == Some(StoreKind::File) => "store-file";
        "store.type", store == Some(StoreKind::Redis) => "store-redis";
        "store.type", store == Some(StoreKind::Postgres) => "store-postgres";
    };
    all.into_iter()
        .filter_map(|(is_stated, need)| is_stated.then_some(need))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::node::Node;

    fn needs(settings: &Value) -> Vec<(&'static str, &'static str)> {
        let settings = InstanceSettings::deserialize(Node(settings)).expect("they are settings");
        needed(&settings)
            .map(|need| (need.setting, need.feature))
            .collect()
    }

    #[test]
    fn each_table_needs_its_feature() {
        for (table, feature) in [
            ("refresh", "refresh"),
            ("passwords", "account"),
            ("throttle", "account"),
            ("otp", "otp"),
            ("paseto", "paseto"),
            ("oauth2", "oauth2"),
        ] {
            assert_eq!(needs(&json!({ (table): {} })), [(table, feature)]);
        }
        for kind in ["file", "redis", "postgres"] {
            let feature = format!("store-{kind}");
            let store = json!({ "store": { "type": kind } });
            assert_eq!(needs(&store), [("store.type", &*feature)]);
        }
        for table in ["store", "jwt", "session"] {
            assert_eq!(needs(&json!({ (table): {} })), []);
        }
        let pasetos = json!({ "refresh": { "format": "paseto" } });
        let both = [("refresh", "refresh"), ("refresh.format", "paseto")];
        assert_eq!(needs(&pasetos), both);
    }
}
