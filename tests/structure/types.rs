//! One name, one type; one type, one file; no feature inside a function.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Block, ItemEnum, ItemImpl, ItemMod, ItemStruct, ItemTrait, ItemUnion, Macro, Type,
    visit::{self, Visit},
};

use crate::source::{self, SourceFile, sources};

/// The types that a file declares, and the types that it gives methods.
#[derive(Default)]
struct Types {
    declared: Vec<String>,
    extended: Vec<String>,
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let is_test = |attribute: &Attribute| source::quote(attribute) == "test";
        if !module.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        self.declared.push(item.ident.to_string());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
        self.declared.push(item.ident.to_string());
        visit::visit_item_enum(self, item);
    }

    fn visit_item_union(&mut self, item: &'ast ItemUnion) {
        self.declared.push(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.declared.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_impl(&mut self, block: &'ast ItemImpl) {
        if let (None, Type::Path(path)) = (&block.trait_, &*block.self_ty) {
            let name = path.path.segments.last().unwrap();
            self.extended.push(name.ident.to_string());
        }
        visit::visit_item_impl(self, block);
    }
}

fn types(file: &SourceFile) -> Types {
    let mut types = Types::default();
    file.items.iter().for_each(|item| types.visit_item(item));
    types
}

/// A name that denotes several types sends a reader to the wrong file.
#[test]
fn names_denote_one_type() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources() {
        for name in types(&file).declared {
            places.entry(name).or_default().push(file.name.clone());
        }
    }
    let all: usize = places.values().map(Vec::len).sum();
    let shared: Vec<_> = places.iter().filter(|(_, files)| files.len() > 1).collect();
    let count: usize = shared.iter().map(|(_, files)| files.len()).sum();
    println!("{count} of {all} types share a name: {shared:#?}");
    assert!(
        count * 100 <= all * 3,
        "{count} of {all} types share a name: {shared:#?}"
    );
}

#[test]
fn the_methods_of_a_type_are_in_one_file() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        for name in types(&file).extended {
            files.entry(name).or_default().insert(file.name.clone());
        }
    }
    assert!(files.len() > 200, "{} types have methods", files.len());
    let scattered: Vec<_> = files.iter().filter(|(_, files)| files.len() > 1).collect();
    println!("{scattered:#?}");
    assert!(
        scattered.len() <= 3,
        "methods in several files: {scattered:#?}"
    );
}

/// The conditions on features inside the bodies of functions.
#[derive(Default)]
struct Conditions {
    depth: usize,
    found: usize,
}

impl<'ast> Visit<'ast> for Conditions {
    fn visit_block(&mut self, block: &'ast Block) {
        self.depth += 1;
        visit::visit_block(self, block);
        self.depth -= 1;
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let is_condition =
            attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr");
        if self.depth > 0 && is_condition && source::quote(attribute).contains("feature") {
            self.found += 1;
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        if self.depth > 0
            && call.path.is_ident("cfg")
            && call.tokens.to_string().contains("feature")
        {
            self.found += 1;
        }
    }
}

/// A feature adds a module. A function that changes with a feature has to be read once per
/// combination.
#[test]
fn features_stay_out_of_functions() {
    let mut found = Vec::new();
    for file in sources() {
        let mut conditions = Conditions::default();
        file.items
            .iter()
            .for_each(|item| conditions.visit_item(item));
        if conditions.found > 0 {
            found.push((file.name, conditions.found));
        }
    }
    let count: usize = found.iter().map(|(_, count)| count).sum();
    println!("{count}: {found:#?}");
    assert!(
        count <= 10,
        "{count} conditions on features in functions: {found:#?}"
    );
}
