//! Which feature a setting needs.

use crate::{
    config::{
        place::Place,
        settings::{FormatKind, Settings},
    },
    error::ConfigError,
};

/// Refuses settings whose engine is not compiled in.
pub(super) fn check(settings: &Settings, place: &Place) -> Result<(), ConfigError> {
    match needed(settings).find(|(_, feature)| !is_there(feature)) {
        Some((setting, feature)) => {
            let reason = format!("needs the feature `{feature}` of tower-jam");
            Err(place.error(setting, reason))
        }
        None => Ok(()),
    }
}

/// The settings that are stated, and the features that they need.
fn needed(settings: &Settings) -> impl Iterator<Item = (&'static str, &'static str)> {
    let format = settings.refresh.as_ref().map(|refresh| refresh.format);
    let all = [
        (settings.refresh.is_some(), "refresh", "refresh"),
        (
            format == Some(FormatKind::Paseto),
            "refresh.format",
            "paseto",
        ),
        (settings.passwords.is_some(), "passwords", "account"),
        (settings.throttle.is_some(), "throttle", "account"),
        (settings.otp.is_some(), "otp", "otp"),
        (settings.paseto.is_some(), "paseto", "paseto"),
        (settings.oauth2.is_some(), "oauth2", "oauth2"),
    ];
    let stated = all.into_iter().filter(|(is_stated, ..)| *is_stated);
    stated.map(|(_, setting, feature)| (setting, feature))
}

fn is_there(feature: &str) -> bool {
    match feature {
        "refresh" => cfg!(feature = "refresh"),
        "account" => cfg!(feature = "account"),
        "otp" => cfg!(feature = "otp"),
        "paseto" => cfg!(feature = "paseto"),
        "oauth2" => cfg!(feature = "oauth2"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::node::Node;

    fn needs(settings: &Value) -> Vec<(&'static str, &'static str)> {
        needed(&Settings::deserialize(Node(settings)).expect("they are settings")).collect()
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
        for table in ["store", "jwt", "session"] {
            assert_eq!(needs(&json!({ (table): {} })), []);
        }
        let pasetos = json!({ "refresh": { "format": "paseto" } });
        let both = [("refresh", "refresh"), ("refresh.format", "paseto")];
        assert_eq!(needs(&pasetos), both);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let all = json!({ "refresh": {}, "passwords": {}, "otp": {}, "paseto": {}, "oauth2": {} });
        let settings = Settings::deserialize(Node(&all)).expect("they are settings");
        let said = check(&settings, &Place::default());
        match needed(&settings).find(|(_, feature)| !is_there(feature)) {
            None => assert!(said.is_ok()),
            Some((table, feature)) => assert_eq!(
                said.expect_err("it is not there").to_string(),
                format!("setting `{table}`: needs the feature `{feature}` of tower-jam")
            ),
        }
    }
}
