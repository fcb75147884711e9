//! The files of `src`, parsed, and what the tests ask about them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item};

/// A source file without its tests.
pub(crate) struct SourceFile {
    /// The path below `src`, with `/`.
    pub(crate) name: String,
    /// The text up to the unit tests.
    pub(crate) text: String,
    /// The items without those that only tests compile. Empty for a manual in Markdown.
    pub(crate) items: Vec<Item>,
}

impl SourceFile {
    /// The path of the file's module below the crate root.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.name.trim_end_matches(".rs");
        let mut parts: Vec<_> = path.split('/').map(str::to_owned).collect();
        if parts
            .last()
            .is_some_and(|last| last == "mod" || last == "lib")
        {
            parts.pop();
        }
        parts
    }

    /// The text without comments.
    pub(crate) fn code(&self) -> String {
        self.text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// Every file of the library and the command, without unit tests.
pub(crate) fn sources() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files: Vec<_> = files_below(&root, &["rs", "md"])
        .iter()
        .map(|path| (relative(path, &root), fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| !name.contains("/tests/") && !name.ends_with("tests.rs"))
        .map(|(name, text)| parsed(name, &text))
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(files.len() > 200, "{} files below {root:?}", files.len());
    files
}

fn parsed(name: String, text: &str) -> SourceFile {
    let items = match name.ends_with(".rs") {
        true => syn::parse_file(text).unwrap().items,
        false => Vec::new(),
    };
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    SourceFile {
        name,
        text: text.to_owned(),
        items: items.into_iter().filter(|item| !is_test(item)).collect(),
    }
}

fn is_test(item: &Item) -> bool {
    match item {
        Item::Mod(module) => module.attrs.iter().any(is_cfg_test),
        Item::Fn(function) => function.attrs.iter().any(is_cfg_test),
        Item::Impl(block) => block.attrs.iter().any(is_cfg_test),
        Item::Struct(item) => item.attrs.iter().any(is_cfg_test),
        Item::Use(item) => item.attrs.iter().any(is_cfg_test),
        _ => false,
    }
}

/// Whether the attribute compiles its item for tests only.
fn is_cfg_test(attribute: &Attribute) -> bool {
    let is_cfg = attribute.path().is_ident("cfg");
    is_cfg && {
        let text = quote(attribute);
        text.contains("test")
            && !text.contains("any")
            && !text.contains("not")
            && !text.contains("feature = \"testing\"")
    }
}

/// The tokens of an attribute's arguments as text.
pub(crate) fn quote(attribute: &Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

/// Every file below `root` with one of the extensions.
pub(crate) fn files_below(root: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("target") && !path.ends_with("node_modules") {
                    folders.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|kind| extensions.iter().any(|wanted| kind == *wanted))
            {
                files.push(path);
            }
        }
    }
    files
}

pub(crate) fn relative(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap();
    path.to_str().unwrap().replace('\\', "/")
}
