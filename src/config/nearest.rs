//! Suggestions for misspelled names.

/// Returns the known word that is nearest to `word`, unless all are far from it.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // A longer word is not a typo, and the distance would take time to compute.
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let distances = candidates
        .iter()
        .map(|other| (distance(word, other), *other));
    let (distance, near) = distances.min()?;
    (distance <= word.len().max(3) / 2).then_some(near)
}

/// The number of letters to insert, delete, replace, or swap with the next one (edit distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut last: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = row[j] + usize::from(x != y);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(last[j - 1] + 1);
            }
            next.push(least);
        }
        last = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

const MAX_WORD_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["alg", "leeway", "list"];
        assert_eq!(nearest("leway", &known), Some("leeway"));
        assert_eq!(nearest("algo", &known), Some("alg"));
        assert_eq!(nearest("agl", &known), Some("alg"));
        assert_eq!(nearest("lsit", &known), Some("list"));
        assert_eq!(nearest("certificate", &known), None);
    }
}
