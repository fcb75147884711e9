//! What somebody may have meant.

/// The known word that `word` is nearest to, unless all are far.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|other| (distance(word, other), *other));
    let (distance, near) = distances.min()?;
    (distance <= word.len().max(3) / 2).then_some(near)
}

/// How many letters must be added, taken away or changed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let known = ["alg", "leeway", "list"];
        assert_eq!(nearest("leway", &known), Some("leeway"));
        assert_eq!(nearest("algo", &known), Some("alg"));
        assert_eq!(nearest("certificate", &known), None);
    }
}
