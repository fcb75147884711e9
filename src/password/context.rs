//! Words that an attacker would try first for this service and this user.

/// Words of which a password must not be made.
#[derive(Clone, Default, Debug)]
pub(super) struct Context(Vec<String>);

impl Context {
    /// Adds `text`, such as a name, an address or a URL: the whole text, and each word of it.
    pub(super) fn add(&mut self, text: &str) {
        let text = text.to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric());
        let all = words.chain([text.trim()]);
        let long = all.filter(|word| word.chars().count() >= MIN_WORD);
        self.0.extend(long.map(str::to_owned));
        // Longer words first, since one may contain another.
        self.0.sort_by_key(|word| std::cmp::Reverse(word.len()));
        self.0.dedup();
    }

    /// Returns `candidate` without these words, or `None` if it contains none of them.
    pub(super) fn without(&self, candidate: &str) -> Option<String> {
        let folded = candidate.to_lowercase();
        let mut left = folded.clone();
        for word in &self.0 {
            left = left.replace(word, "");
        }
        (left != folded).then_some(left)
    }
}

/// Shorter words occur in many good passwords by chance.
const MIN_WORD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_context_are_removed_in_any_case() {
        let mut context = Context::default();
        for text in ["https://auth.acme.dev", "alice@example.org", "Bob"] {
            context.add(text);
        }
        for (password, left) in [
            ("acme2026", Some("2026")),
            ("ACMEacme!", Some("!")),
            ("Alice@Example.org", Some("")),
            ("alice in acme land", Some(" in  land")),
            ("bob's password", None),
            ("correct horse", None),
            ("dev", None),
        ] {
            assert_eq!(context.without(password).as_deref(), left, "{password}");
        }
    }
}
