//! The list of the most common passwords.

/// Whether `password` is one of the most common ones, ignoring case.
pub(super) fn is_common(password: &str) -> bool {
    let folded = password.to_lowercase();
    // The lines are sorted, and a byte offset identifies each: a binary search needs no table of
    // them.
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = low.midpoint(high);
        let start = LIST[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = LIST[start..].find('\n').map_or(LIST.len(), |at| start + at);
        match LIST[start..end].cmp(&folded) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

/// Some 19,700 passwords, one per line, sorted; 8,479 of them have eight characters or more. It is
/// the list of Django's `CommonPasswordValidator`, under the licence in `common/LICENSE`.
const LIST: &str = include_str!("common/list.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_password_is_found_and_nothing_else() {
        let lines: Vec<&str> = LIST.lines().collect();
        assert!(lines.is_sorted() && LIST.is_ascii());
        for line in &lines {
            assert!(is_common(line), "{line}");
            assert!(is_common(&line.to_uppercase()), "{line}");
            let other = format!("{line}\u{1}");
            assert!(!is_common(&other), "{line}");
        }
        for other in [
            "",
            "\n",
            "password\n",
            "password\nqwerty",
            "\u{10ffff}",
            "correct horse",
        ] {
            assert!(!is_common(other), "{other:?}");
        }
    }

    /// ASVS 6.2.4: at least the top 3000 passwords that match the policy.
    #[test]
    fn at_least_three_thousand_listed_passwords_are_long_enough() {
        let long = LIST.lines().filter(|line| line.len() >= 8).count();
        assert!(long >= 3_000, "{long}");
    }
}
