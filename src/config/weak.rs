//! Warnings about settings that weaken an instance, by the table in [`rules`](super::rules).

use serde_json::Value;

use super::{
    Config,
    reference::{below, inner, schema},
    rules::RULES,
    settings::{InstanceSettings, Span},
};

/// The effect of a setting on the security of an instance.
pub(super) enum Rule {
    /// Safe at any value, for the stated reason.
    Safe(SafeReason),
    /// Dangerous, as its name says. Warns if it is set.
    Dangerous(&'static str),
    /// Warns above this bound.
    AtMost(&'static str, &'static str),
    /// Warns below this bound.
    AtLeast(&'static str, &'static str),
    /// Warns if the setting is, or contains, this value.
    Is(&'static str, &'static str),
    /// A cookie. Warns if a sibling domain can set it.
    Cookie,
    /// Warns if the condition holds, whether the setting is stated or not.
    When(fn(&InstanceSettings) -> bool, &'static str),
}

/// The reason why a setting is safe.
#[derive(Clone, Copy)]
pub(super) enum SafeReason {
    /// It names or describes something, which grants no access.
    Name,
    /// It is key material, which is checked where it is read.
    Key,
    /// It is range-checked where it is read, and the whole range is safe.
    Bounded,
    /// Every choice is safe.
    Choice,
    /// It limits the amount of work, which grants no access.
    Work,
}

use Rule::{AtLeast, AtMost, Cookie, Dangerous, Is, Safe, When};

impl Config {
    /// Returns what weakens this instance, as pairs of setting and reason with a recommendation.
    pub(super) fn weak(&self) -> Vec<(String, String)> {
        let mut stated = Vec::new();
        collect_leaves(&mut stated, ["", ""], &schema(), &self.stated);
        let mut warnings = Vec::new();
        for (setting, rule) in RULES {
            if let When(is_so, reason) = rule {
                let is_so = is_so(&self.settings);
                warnings.extend(is_so.then(|| (setting.to_string(), reason.to_string())));
            }
            let same = stated.iter().filter(|leaf| leaf.pattern == *setting);
            warnings.extend(same.filter_map(|leaf| {
                let reason = rule.warning(leaf.value)?;
                Some((leaf.setting.clone(), reason))
            }));
        }
        warnings
    }
}

impl Rule {
    fn warning(&self, value: &Value) -> Option<String> {
        let is_beyond = |bound: &str, is_beyond: fn(&u64, &u64) -> bool| {
            let (stated, bound) = (measure(value)?, measure(&Value::from(bound))?);
            is_beyond(&stated, &bound).then_some(())
        };
        match self {
            Safe(
                SafeReason::Name
                | SafeReason::Key
                | SafeReason::Bounded
                | SafeReason::Choice
                | SafeReason::Work,
            )
            | When(..) => None,
            Dangerous(reason) => {
                let is_set = !matches!(value, Value::Null | Value::Bool(false));
                is_set.then(|| (*reason).to_owned())
            }
            AtMost(bound, reason) => is_beyond(bound, u64::gt)
                .map(|()| format!("{reason}; at most {bound} is recommended")),
            AtLeast(bound, reason) => is_beyond(bound, u64::lt)
                .map(|()| format!("{reason}; {bound} or more is recommended")),
            Is(weak, reason) => {
                let items = value
                    .as_array()
                    .map_or(std::slice::from_ref(value), Vec::as_slice);
                let is_weak = items.iter().any(|item| text(item) == *weak);
                is_weak.then(|| (*reason).to_owned())
            }
            Cookie => {
                let is_bare = value
                    .as_str()
                    .is_some_and(|name| !name.starts_with("__Host-"));
                is_bare.then(|| "without `__Host-` a sibling domain can set this cookie".to_owned())
            }
        }
    }
}

/// Converts a duration or a number to a comparable value.
fn measure(value: &Value) -> Option<u64> {
    let text = text(value);
    let span = Span::parse(&text).and_then(|Span(span)| u64::try_from(span.as_millis()).ok());
    text.parse().ok().or(span)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A stated setting.
struct Leaf<'a> {
    /// Its name on the reference page, such as `jwt.accept[].kid`.
    pattern: String,
    /// Its path in the configuration.
    setting: String,
    value: &'a Value,
}

fn collect_leaves<'a>(
    found: &mut Vec<Leaf<'a>>,
    [pattern, setting]: [&str; 2],
    schema: &Value,
    stated: &'a Value,
) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let (pattern, setting, value) = (below(pattern, name), below(setting, name), &stated[name]);
        let Some((suffix, schema)) = inner(property) else {
            if !value.is_null() {
                found.push(Leaf {
                    pattern,
                    setting,
                    value,
                });
            }
            continue;
        };
        let pattern = format!("{pattern}{suffix}");
        match (suffix, value) {
            ("[]", Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    collect_leaves(found, [&pattern, &format!("{setting}[{at}]")], schema, item);
                }
            }
            (".NAME", Value::Object(entries)) => {
                for (name, entry) in entries {
                    collect_leaves(found, [&pattern, &below(&setting, name)], schema, entry);
                }
            }
            (_, Value::Object(_)) => collect_leaves(found, [&pattern, &setting], schema, value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Collects every setting of a table and its inner tables, as the reference page names them.
    fn settings(all: &mut BTreeSet<String>, path: &str, schema: &Value) {
        for (name, property) in schema["properties"].as_object().unwrap() {
            let path = below(path, name);
            match inner(property) {
                Some((suffix, schema)) => settings(all, &format!("{path}{suffix}"), schema),
                None => drop(all.insert(path)),
            }
        }
    }

    #[test]
    fn each_setting_has_one_decision_and_each_decision_a_setting() {
        let mut all = BTreeSet::new();
        settings(&mut all, "", &schema());
        assert!(all.len() > 100, "{}", all.len());
        let mut decided = BTreeSet::new();
        for (setting, _) in RULES {
            assert!(
                decided.insert((*setting).to_owned()),
                "{setting} has two rules"
            );
        }
        let undecided: Vec<_> = all.difference(&decided).collect();
        assert!(undecided.is_empty(), "without a rule: {undecided:?}");
        let gone: Vec<_> = decided.difference(&all).collect();
        assert!(gone.is_empty(), "no such setting: {gone:?}");
    }

    #[test]
    fn what_is_called_dangerous_is_warned_of_and_nothing_else_is_decided_so() {
        for (setting, rule) in RULES {
            let is_named = setting
                .rsplit('.')
                .next()
                .unwrap()
                .starts_with("dangerous_");
            assert_eq!(is_named, matches!(rule, Dangerous(_)), "{setting}");
        }
    }

    /// The bound itself is accepted, and one step beyond it causes a warning.
    #[test]
    fn each_bound_warns_beyond_itself_and_not_at_it() {
        for (setting, rule) in RULES {
            let (bound, beyond) = match rule {
                AtMost(bound, _) => (bound, 1),
                AtLeast(bound, _) => (bound, -1),
                Is(weak, _) => {
                    assert!(rule.warning(&json!(weak)).is_some(), "{setting}");
                    assert!(rule.warning(&json!([weak])).is_some(), "{setting}");
                    assert!(rule.warning(&json!("other")).is_none(), "{setting}");
                    continue;
                }
                _ => continue,
            };
            let at = i64::try_from(measure(&json!(bound)).unwrap()).unwrap();
            let written = |value: i64| match bound.parse::<i64>() {
                Ok(_) => json!(value),
                Err(_) => json!(format!("{value}ms")),
            };
            assert!(rule.warning(&written(at)).is_none(), "{setting}");
            let warning = rule.warning(&written(at + beyond)).unwrap();
            assert!(warning.contains(bound), "{setting}: {warning}");
        }
    }
}
