//! SECURITY.md names tests that exist, and at least one for each statement.

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

fn all_tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    tests_below(&root.join("src"), &mut tests);
    tests_below(&root.join("tests"), &mut tests);
    tests_below(&root.join("examples"), &mut tests);
    assert!(tests.contains("every_test_named_in_the_map_exists"));
    tests
}

fn security() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("SECURITY.md")).unwrap()
}

/// The items of the section with this heading, each as one line.
fn items_of(page: &str, heading: &str) -> Vec<String> {
    let section = page.split("\n## ").find(|section| {
        let title = section.lines().next();
        title.is_some_and(|title| title == heading)
    });
    let mut items: Vec<String> = Vec::new();
    let mut is_within = false;
    for line in section.unwrap().lines() {
        if let Some(first) = line.strip_prefix("* ") {
            items.push(first.to_owned());
            is_within = true;
        } else if let Some(rest) = line.strip_prefix("  ").filter(|_| is_within) {
            let item = items.last_mut().unwrap();
            item.push(' ');
            item.push_str(rest);
        } else {
            is_within = false;
        }
    }
    items
}

#[test]
fn every_test_named_in_the_map_exists() {
    let tests = all_tests();
    let map = security();
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
            "{} is listed twice",
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

/// The rows below the list, which have no number.
#[test]
fn every_test_named_beyond_the_list_exists() {
    let tests = all_tests();
    let page = security();
    let (_, beyond) = page.split_once("\nBeyond the list").unwrap();
    let rows = beyond.lines().filter(|line| line.ends_with("` |"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for name in cells[cells.len() - 2].split(", ") {
            let name = name.trim_matches('`');
            assert!(
                tests.contains(name),
                "{}: no test is called {name}",
                cells[1]
            );
        }
        count += 1;
    }
    assert!(count >= 20, "{count} rows");
}

#[test]
fn every_statement_names_the_tests_that_enforce_it() {
    let tests = all_tests();
    let page = security();
    for heading in ["What is promised", "What is not"] {
        let items = items_of(&page, heading);
        assert!(items.len() >= 20, "{heading}: {} items", items.len());
        for item in items {
            if let Some((_, reason)) = item.split_once(" (by design, no test) ") {
                assert!(reason.ends_with('.'), "no reason: {item}");
                continue;
            }
            let named = item.split_once(" Tests: ").map(|(_, names)| names);
            let named = named.unwrap_or_else(|| panic!("names no test: {item}"));
            for name in named.trim_end_matches('.').split(", ") {
                let name = name.trim_matches('`');
                assert!(tests.contains(name), "no test is called {name}: {item}");
            }
        }
    }
}
