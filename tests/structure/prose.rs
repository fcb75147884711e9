//! The width of the documentation, and words that it does not use.

use std::{fs, path::Path};

use crate::source::{files_below, relative};

const COLUMNS: usize = 100;

/// Words of a private idiom: each has a plain word in its place.
const NEVER: [&str; 12] = [
    "whoever",
    "whom",
    "whomever",
    "be it",
    "mended",
    "gives way",
    "give way",
    "gave way",
    "tells of",
    "is worth nothing",
    "lets in",
    "has the word",
];

/// The files that people read: code and Markdown, without what others wrote.
fn readable() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_ours = |name: &str| {
        !name.contains("vectors/")
            && !name.contains("password/common/")
            && !name.starts_with("tests/structure/prose.rs")
    };
    let files: Vec<_> = files_below(root, &["rs", "md"])
        .iter()
        .map(|path| (relative(path, root), fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| is_ours(name))
        .collect();
    assert!(files.len() > 300, "{} files", files.len());
    files
}

#[test]
fn documentation_has_at_most_a_hundred_columns() {
    let mut long = Vec::new();
    for (name, text) in readable() {
        for (number, line) in text.lines().enumerate() {
            let start = line.trim_start();
            let is_doc = start.starts_with("//!") || start.starts_with("///");
            if name.ends_with(".rs") && is_doc && line.chars().count() > COLUMNS {
                long.push(format!("{name}:{}", number + 1));
            }
        }
    }
    assert!(
        long.is_empty(),
        "{} lines over {COLUMNS} columns: {long:#?}",
        long.len()
    );
}

/// Whether `line` has the phrase as words of their own.
fn has(line: &str, phrase: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    line.match_indices(phrase).any(|(at, _)| {
        !is_letter(line[..at].chars().next_back())
            && !is_letter(line[at + phrase.len()..].chars().next())
    })
}

#[test]
fn prose_uses_plain_words() {
    let mut found = Vec::new();
    for (name, text) in readable() {
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for phrase in NEVER {
                if has(&line, phrase) {
                    found.push(format!("{name}:{}: {phrase}", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} uses: {found:#?}", found.len());
    assert!(has("for whom it is", "whom") && !has("whomever", "whom"));
}
