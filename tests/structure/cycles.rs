//! Files depend on each other in one direction.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    ItemMod, ItemUse, Path, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::source::{SourceFile, sources};

/// The paths that a file names, from the crate root.
struct Paths {
    module: Vec<String>,
    depends: BTreeSet<Vec<String>>,
    /// What it hands on: the name in this module, and the path that it stands for.
    exports: Vec<(String, Vec<String>)>,
    /// The names that are imported, so that `x::y` in code is understood.
    imported: BTreeMap<String, Vec<String>>,
}

impl Paths {
    fn of(file: &SourceFile) -> Self {
        let mut paths = Self {
            module: file.module(),
            depends: BTreeSet::new(),
            exports: Vec::new(),
            imported: BTreeMap::new(),
        };
        file.items.iter().for_each(|item| paths.visit_item(item));
        paths
    }

    /// The path from the crate root, or nothing for one of another crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut rest = path;
        let mut base = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" | "self" => {}
                "super" => {
                    base.pop();
                }
                _ => break,
            }
            rest = tail;
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    fn leaves(tree: &UseTree, before: &[String], found: &mut Vec<(String, Vec<String>)>) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            UseTree::Path(path) => Self::leaves(&path.tree, &with(&path.ident), found),
            UseTree::Name(name) if name.ident == "self" => {
                found.push((before.last().unwrap().clone(), before.to_vec()));
            }
            UseTree::Name(name) => found.push((name.ident.to_string(), with(&name.ident))),
            UseTree::Rename(name) => found.push((name.rename.to_string(), with(&name.ident))),
            UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
            UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| Self::leaves(tree, before, found));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.content.is_some() {
            self.module.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        Self::leaves(&item.tree, &[], &mut leaves);
        let is_export = !matches!(item.vis, Visibility::Inherited);
        for (name, path) in leaves {
            let Some(path) = self.absolute(&path) else {
                continue;
            };
            match is_export {
                true => self.exports.push((name, path)),
                false => {
                    self.imported.insert(name, path.clone());
                    self.depends.insert(path);
                }
            }
        }
    }

    /// `pub(in crate::module)` is no dependency.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        let path_text: Vec<_> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if path_text.len() > 1
            && let Some(found) = self.absolute(&path_text)
        {
            self.depends.insert(found);
        }
        if let Some(module) = self.imported.get(&path_text[0])
            && path_text.len() > 1
        {
            let mut found = module.clone();
            found.extend(path_text[1..].iter().cloned());
            self.depends.insert(found);
        }
        visit::visit_path(self, path);
    }
}

/// Which file each file depends on: a name that a folder hands on is of the file that declares it.
pub(crate) fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let files: BTreeMap<Vec<String>, String> = sources
        .iter()
        .filter(|file| !file.name.starts_with("bin/") && file.name.ends_with(".rs"))
        .map(|file| (file.module(), file.name.clone()))
        .collect();
    let paths: Vec<_> = sources
        .iter()
        .filter(|file| files.contains_key(&file.module()) && files[&file.module()] == file.name)
        .map(|file| (file.name.clone(), Paths::of(file)))
        .collect();
    let mut exports: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for (_, file) in &paths {
        for (name, path) in &file.exports {
            let mut exported = file.module.clone();
            exported.push(name.clone());
            if exported != *path {
                exports.insert(exported, path.clone());
            }
        }
    }
    let mut graph = BTreeMap::new();
    for (name, file) in &paths {
        let depends: BTreeSet<_> = file
            .depends
            .iter()
            .filter_map(|path| target(path, &exports, &files))
            .filter(|target| target != name && target != "lib.rs")
            .collect();
        graph.insert(name.clone(), depends);
    }
    graph
}

/// The file in which the path's item is declared.
fn target(
    path: &[String],
    exports: &BTreeMap<Vec<String>, Vec<String>>,
    files: &BTreeMap<Vec<String>, String>,
) -> Option<String> {
    let mut path = path.to_vec();
    for _ in 0..8 {
        let exported = (1..=path.len())
            .rev()
            .find(|length| exports.contains_key(&path[..*length]));
        let Some(length) = exported else { break };
        let mut onward = exports[&path[..length]].clone();
        onward.extend(path[length..].iter().cloned());
        path = onward;
    }
    let length = (0..=path.len())
        .rev()
        .find(|length| files.contains_key(&path[..*length]))?;
    Some(files[&path[..length]].clone())
}

/// The groups of files that depend on each other.
fn cycles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = graph
        .keys()
        .map(|file| (file, reach(file, graph)))
        .collect();
    let mut cycles: Vec<BTreeSet<String>> = Vec::new();
    for file in graph.keys() {
        let group: BTreeSet<_> = reached[file]
            .iter()
            .filter(|other| reached[*other].contains(file))
            .cloned()
            .collect();
        if group.len() > 1 && !cycles.contains(&group) {
            cycles.push(group);
        }
    }
    cycles
}

fn reach(file: &str, graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file.to_owned()];
    while let Some(next) = open.pop() {
        for target in &graph[&next] {
            if reached.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    reached
}

/// The graph without the edges from a type to its builders: only these two may name each other.
fn without_builders(
    graph: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let is_own = |file: &String, target: &String| {
        target.ends_with("builder.rs") && graph[target].contains(file)
    };
    let kept = |file: &String, depends: &BTreeSet<String>| {
        let kept = depends.iter().filter(|target| !is_own(file, target));
        kept.cloned().collect::<BTreeSet<_>>()
    };
    graph
        .iter()
        .map(|(file, depends)| (file.clone(), kept(file, depends)))
        .collect()
}

/// Only a builder and what it builds may name each other.
#[test]
fn files_do_not_form_cycles() {
    let graph = graph();
    let edges: usize = graph.values().map(BTreeSet::len).sum();
    assert!(edges > 500, "{edges} dependencies were found");
    let cycles = cycles(&without_builders(&graph));
    for group in &cycles {
        println!("-- {} files", group.len());
        for file in group {
            let inside: Vec<_> = graph[file].intersection(group).collect();
            println!("   {file} -> {inside:?}");
        }
    }
    assert!(
        cycles.is_empty(),
        "{} cycles between files: {cycles:#?}",
        cycles.len()
    );
}

#[test]
fn a_cycle_is_found() {
    let to = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect();
    let graph = BTreeMap::from([
        ("a".to_owned(), to(&["b"])),
        ("b".to_owned(), to(&["c"])),
        ("c".to_owned(), to(&["a", "d"])),
        ("d".to_owned(), to(&[])),
    ]);
    assert_eq!(cycles(&graph), [to(&["a", "b", "c"])]);
}
