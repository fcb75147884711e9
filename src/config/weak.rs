//! Warnings about settings that weaken an instance, by the table in [`rules`](super::rules).

use serde_json::Value;

use super::{
    Config,
    reference::{below, inner, schema},
    rule::Rule,
    rules::RULES,
};

/// Returns what weakens this instance, as pairs of setting and reason with a recommendation.
pub(super) fn weak(config: &Config) -> Vec<(String, String)> {
    let mut stated = Vec::new();
    collect_leaves(&mut stated, ["", ""], &schema(), &config.stated);
    let mut warnings = Vec::new();
    for (setting, rule) in RULES {
        if let Rule::When(is_so, reason) = rule {
            let is_so = is_so(&config.settings);
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

    use super::{
        super::rule::{
            Rule::{AtLeast, AtMost, Dangerous, Is},
            measure,
        },
        *,
    };

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
