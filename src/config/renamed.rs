//! Old names of settings and of their values. They still work, and `jam check` reports them.

use serde_json::{Map, Value};

use super::{explain::SettingWarning, node::NodeError, reference::below};

/// A setting whose name changed: the old name and the new one, in any table.
const NAMES: [(&str, &str); 1] = [("insecure_http_on_loopback", "dangerous_http_on_loopback")];

/// A value whose name changed: the setting, the old value and the new one.
const VALUES: [(&str, &str, &str); 2] = [("list", "black", "deny"), ("list", "white", "allow")];

/// Replaces the old names in `settings` and returns a warning for each.
///
/// # Errors
///
/// A setting is stated by its old name and by its new one.
pub(super) fn replace(settings: &mut Value) -> Result<Vec<SettingWarning>, NodeError> {
    let mut found = Vec::new();
    if let Value::Object(table) = settings {
        replace_in(table, "", &mut found)?;
    }
    Ok(found)
}

fn replace_in(
    table: &mut Map<String, Value>,
    path: &str,
    found: &mut Vec<SettingWarning>,
) -> Result<(), NodeError> {
    for (old, new) in NAMES {
        let Some(value) = table.remove(old) else {
            continue;
        };
        if table.insert(new.to_owned(), value).is_some() {
            let reason = format!("conflicts with `{new}`, its new name");
            return Err(NodeError::new(reason).below(old));
        }
        found.push(SettingWarning {
            setting: below(path, old),
            reason: format!("is now called `{new}`"),
        });
    }
    for (setting, old, new) in VALUES {
        if let Some(value) = table.get_mut(setting).filter(|value| **value == old) {
            *value = Value::from(new);
            found.push(SettingWarning {
                setting: below(path, setting),
                reason: format!("`{old}` is now called `{new}`"),
            });
        }
    }
    for (name, value) in table {
        if let Value::Object(inner) = value {
            replace_in(inner, &below(path, name), found).map_err(|error| error.below(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_names_are_replaced_and_reported() {
        let mut settings = json!({
            "jwt": { "list": "black" },
            "oauth2": { "providers": { "acme": { "insecure_http_on_loopback": true } } },
        });
        let found = replace(&mut settings).unwrap();
        assert_eq!(settings["jwt"]["list"], "deny");
        let provider = &settings["oauth2"]["providers"]["acme"];
        assert_eq!(provider, &json!({ "dangerous_http_on_loopback": true }));
        let named: Vec<_> = found.iter().map(|it| it.setting.as_str()).collect();
        assert_eq!(
            named,
            [
                "jwt.list",
                "oauth2.providers.acme.insecure_http_on_loopback"
            ]
        );
        assert_eq!(replace(&mut settings).unwrap(), []);
    }

    #[test]
    fn an_old_name_beside_its_new_one_is_an_error() {
        let mut settings = json!({ "oauth2": { "providers": { "acme": {
            "insecure_http_on_loopback": true, "dangerous_http_on_loopback": false,
        } } } });
        let error = replace(&mut settings).unwrap_err();
        assert_eq!(
            error.path,
            ["oauth2", "providers", "acme", "insecure_http_on_loopback"]
        );
    }
}
