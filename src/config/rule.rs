//! What a rule says about one setting.

use serde_json::Value;

use super::settings::{InstanceSettings, Span};

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

impl Rule {
    /// Returns why `value` weakens the instance, with a recommendation.
    pub(super) fn warning(&self, value: &Value) -> Option<String> {
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
pub(super) fn measure(value: &Value) -> Option<u64> {
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
