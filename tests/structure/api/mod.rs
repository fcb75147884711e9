//! The public API equals the listing in `api.txt`, so that a review shows every change to it.
//!
//! The listing is computed from the source, with all features enabled. It contains what users can
//! reach through `pub` modules and `pub use`, under its shortest path, with public fields,
//! variants, methods and trait implementations. Methods that a macro defines are listed too.

mod lines;
mod macros;
mod names;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use syn::{ImplItem, Item, ItemImpl, ItemMacro, parse::Parser};

use self::{
    lines::{bounds, header, heading, own_lines, signature},
    names::{arguments, below, declared, is_public, leaves, path_of, segments},
    text::{text, tidy},
};
use crate::source::sources;

/// A module and the name of an item in it.
type Definition = (Vec<String>, String);

/// The lines below each item.
type Members = BTreeMap<Definition, BTreeSet<String>>;

/// The lines below each heading, in the order of the paths.
type Listing = BTreeMap<(String, String), BTreeSet<String>>;

/// The modules of the library, and their items.
struct Library {
    modules: BTreeMap<Vec<String>, Vec<Item>>,
    /// The public paths of each reachable item.
    paths: BTreeMap<Definition, BTreeSet<Vec<String>>>,
    /// The re-exports from other crates.
    foreign: BTreeSet<String>,
}

impl Library {
    fn read() -> Self {
        let mut library = Self {
            modules: BTreeMap::new(),
            paths: BTreeMap::new(),
            foreign: BTreeSet::new(),
        };
        for file in sources() {
            if !file.name.starts_with("bin/") && file.name.ends_with(".rs") {
                library.add(file.module(), file.items);
            }
        }
        library.walk(&[], &["tower_jam".to_owned()]);
        library
    }

    fn add(&mut self, module: Vec<String>, items: Vec<Item>) {
        let mut items = items;
        items.extend(macros::structs(&items));
        for item in &items {
            if let Item::Mod(inner) = item
                && let Some((_, content)) = &inner.content
            {
                self.add(below(&module, &inner.ident), content.clone());
            }
        }
        self.modules.entry(module).or_default().extend(items);
    }

    /// Records every item that users can reach in `module` under the path `public`.
    fn walk(&mut self, module: &[String], public: &[String]) {
        for item in self.modules[module].clone() {
            if let Item::Use(item) = &item
                && is_public(&item.vis)
            {
                for (name, path) in leaves(&item.tree) {
                    assert_ne!(name, "*", "the listing follows names only: {path:?}");
                    self.export(module, public, &name, &path);
                }
            }
            if let Some((name, visibility)) = declared(&item)
                && is_public(visibility)
            {
                self.reach((module.to_vec(), name.clone()), below(public, &name));
            }
        }
    }

    fn export(&mut self, module: &[String], public: &[String], name: &str, path: &[String]) {
        match self.locate(module, path, 16) {
            Some(definition) => self.reach(definition, below(public, name)),
            None => {
                let foreign = format!("{} = {}", below(public, name).join("::"), path.join("::"));
                self.foreign.insert(foreign);
            }
        }
    }

    fn reach(&mut self, definition: Definition, path: Vec<String>) {
        let inner = below(&definition.0, &definition.1);
        if self.modules.contains_key(&inner) {
            self.walk(&inner, &path);
        } else {
            self.paths.entry(definition).or_default().insert(path);
        }
    }

    /// Returns where the item is declared that `path` denotes in `module`, or `None` if that is
    /// another crate.
    fn locate(&self, module: &[String], path: &[String], depth: u8) -> Option<Definition> {
        let depth = depth.checked_sub(1)?;
        let mut base = module.to_vec();
        let mut rest = path;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" => base.clear(),
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = tail;
        }
        let (first, tail) = rest.split_first()?;
        let inner = below(&base, first);
        if !tail.is_empty() && self.modules.contains_key(&inner) {
            return self.locate(&inner, tail, depth);
        }
        let items = self.modules.get(&base)?;
        let is_first = |item: &Item| declared(item).is_some_and(|(name, _)| name == *first);
        if tail.is_empty() && items.iter().any(is_first) {
            return Some((base, first.clone()));
        }
        let uses = items.iter().filter_map(|item| match item {
            Item::Use(item) => Some(leaves(&item.tree)),
            _ => None,
        });
        uses.flatten().find_map(|(name, mut onward)| {
            let is_itself = onward.first() == Some(first) && onward.len() == 1;
            if name != *first || is_itself {
                return None;
            }
            onward.extend(tail.iter().cloned());
            self.locate(&base, &onward, depth)
        })
    }

    /// Returns where the type or trait of a path is declared, if users can reach it.
    fn reachable(&self, module: &[String], path: &syn::Path) -> Option<Definition> {
        let definition = self.locate(module, &segments(path), 16)?;
        self.paths.contains_key(&definition).then_some(definition)
    }

    /// Returns whether the path denotes an item of this crate that users cannot reach.
    fn is_hidden(&self, module: &[String], path: &syn::Path) -> bool {
        let definition = self.locate(module, &segments(path), 16);
        definition.is_some_and(|definition| !self.paths.contains_key(&definition))
    }

    fn listing(&self) -> Listing {
        let mut members: Members = BTreeMap::new();
        let mut listing: Listing = BTreeMap::new();
        for (module, items) in &self.modules {
            for item in items {
                match item {
                    Item::Impl(block) => self.add_impl(module, block, &mut members),
                    Item::Macro(call) => self.add_macro(module, call, &mut members, &mut listing),
                    _ => {}
                }
            }
        }
        for (definition, paths) in &self.paths {
            let mut paths: Vec<_> = paths.iter().collect();
            paths.sort_by_key(|path| (path.len(), *path));
            let (shortest, others) = paths.split_first().unwrap();
            for item in &self.modules[&definition.0] {
                if declared(item).is_none_or(|(name, _)| name != definition.1) {
                    continue;
                }
                let key = (shortest.join("::"), heading(item, shortest));
                let lines = listing.entry(key).or_default();
                lines.extend(own_lines(item));
                lines.extend(
                    others
                        .iter()
                        .map(|path| format!("also {}", path.join("::"))),
                );
                lines.extend(members.get(definition).into_iter().flatten().cloned());
            }
        }
        for line in &self.foreign {
            listing
                .entry((line.clone(), format!("use {line}")))
                .or_default();
        }
        listing
    }

    fn add_impl(&self, module: &[String], block: &ItemImpl, members: &mut Members) {
        let owner = path_of(&block.self_ty).and_then(|path| self.reachable(module, path));
        if let Some((_, implemented, _)) = &block.trait_ {
            let owner = owner.or_else(|| self.reachable(module, implemented));
            let of = path_of(&block.self_ty);
            let mut named = arguments(implemented).chain([implemented]).chain(of);
            if let Some(owner) = owner
                && !named.any(|path| self.is_hidden(module, path))
            {
                members.entry(owner).or_default().insert(header(block));
            }
            return;
        }
        let Some(owner) = owner else {
            let path = path_of(&block.self_ty);
            let is_hidden = path.is_some_and(|path| self.is_hidden(module, path));
            let of = text(&block.self_ty);
            assert!(is_hidden, "the declaration of {of} was not found");
            return;
        };
        let bounds = bounds(block);
        for item in &block.items {
            let line = match item {
                ImplItem::Fn(item) if is_public(&item.vis) => signature(&item.sig),
                ImplItem::Const(item) if is_public(&item.vis) => {
                    format!("const {}: {}", item.ident, text(&item.ty))
                }
                _ => continue,
            };
            members
                .entry(owner.clone())
                .or_default()
                .insert(line + &bounds);
        }
    }

    /// Adds the public items that a call of one of the crate's macros declares in `module`.
    fn add_macro(
        &self,
        module: &[String],
        call: &ItemMacro,
        members: &mut Members,
        listing: &mut Listing,
    ) {
        let name = &call.mac.path.segments.last().unwrap().ident;
        let rules = self.modules.values().flatten().find_map(|item| match item {
            Item::Macro(rules) if rules.ident.as_ref() == Some(name) => Some(rules),
            _ => None,
        });
        let Some(rules) = rules else { return };
        let expanded = macros::expand.parse2(rules.mac.tokens.clone()).unwrap();
        let called = text(&call.mac.tokens);
        let owner = called
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap()
            .to_owned();
        if let Some(owner_at) = self.locate(module, std::slice::from_ref(&owner), 16)
            && self.paths.contains_key(&owner_at)
        {
            let lines = members.entry(owner_at).or_default();
            lines.extend(expanded.methods.iter().map(signature));
            lines.extend(expanded.headers.iter().map(|header| {
                let header = tidy(header);
                let (before, after) = header.split_once(" for $").unwrap();
                let after = after.split_once('<').map_or("", |(_, after)| after);
                format!("{before} for {owner}<{after}")
            }));
        } else if text(&rules.mac.tokens).contains("TryFrom<") {
            let path = module.join("::");
            let heading = format!("conversions by {name}! in {path}");
            let lines = listing.entry((path, heading)).or_default();
            lines.extend(
                called
                    .split_terminator(';')
                    .map(|line| line.trim().to_owned()),
            );
        }
    }
}

fn written(listing: &Listing) -> String {
    let mut text = String::new();
    for ((_, heading), lines) in listing {
        text += heading;
        text += "\n";
        for line in lines {
            text += &format!("    {line}\n");
        }
    }
    text
}

/// Returns the lines of a listing, each with its heading.
fn flat(listing: &str) -> BTreeSet<String> {
    let mut heading = "";
    let mut lines = BTreeSet::new();
    for line in listing.lines() {
        match line.strip_prefix("    ") {
            Some(member) => drop(lines.insert(format!("{heading} | {member}"))),
            None => {
                heading = line;
                lines.insert(line.to_owned());
            }
        }
    }
    lines
}

#[test]
fn the_public_api_is_as_listed() {
    let actual = written(&Library::read().listing());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/structure/api.txt");
    if env::var_os("UPDATE_API").is_some() {
        fs::write(&path, &actual).unwrap();
        return;
    }
    let listed = fs::read_to_string(&path)
        .unwrap_or_default()
        .replace('\r', "");
    let (before, now) = (flat(&listed), flat(&actual));
    let removed = before.difference(&now).map(|line| format!("- {line}"));
    let added = now.difference(&before).map(|line| format!("+ {line}"));
    let changes: Vec<_> = removed.chain(added).collect();
    assert!(
        listed == actual,
        "the public API differs from tests/structure/api.txt. If that is intended, run\n\
         UPDATE_API=1 cargo test -p tower-jam --all-features --test structure public_api\n\
         and list what breaks users in CHANGELOG.md:\n{}",
        changes.join("\n")
    );
}
