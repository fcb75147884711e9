//! The map in SECURITY.md names tests that exist.

#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::{collections::BTreeSet, fs, path::Path};

/// The names of the functions marked as tests in every Rust file below `folder`.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(tests_in(&fs::read_to_string(path).unwrap()));
        }
    }
}

fn tests_in(text: &str) -> Vec<String> {
    let mut is_test = false;
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        let signature = line.strip_prefix("async ").unwrap_or(line);
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = signature.strip_prefix("fn ")
            && std::mem::take(&mut is_test)
        {
            names.push(rest.split('(').next().unwrap().to_owned());
        }
    }
    names
}

#[test]
fn every_test_named_in_the_map_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    tests_below(&root.join("src"), &mut tests);
    tests_below(&root.join("tests"), &mut tests);
    assert!(tests.contains("every_test_named_in_the_map_exists"));

    let map = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let rows: Vec<Vec<&str>> = map
        .lines()
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let mut numbers = BTreeSet::new();
    for row in rows
        .iter()
        .filter(|row| row.len() == 6 && row[1].parse::<u32>().is_ok())
    {
        assert!(
            numbers.insert(row[1].parse::<u32>().unwrap()),
            "{} stands twice",
            row[1]
        );
        let named: Vec<_> = row[4]
            .split(", ")
            .map(|name| name.trim_matches('`'))
            .collect();
        assert!(!named.is_empty());
        for name in named {
            assert!(
                tests.contains(name),
                "requirement {}: no test is called {name}",
                row[1]
            );
        }
    }
    assert!(numbers.len() >= 59, "{} requirements", numbers.len());
}
