//! The names that items declare and paths mention.

use syn::{GenericArgument, Item, PathArguments, Type, UseTree, Visibility};

/// The name and the visibility of an item.
pub(super) fn declared(item: &Item) -> Option<(String, &Visibility)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Mod(item) => (&item.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        _ => return None,
    };
    Some((name.to_string(), visibility))
}

/// The names that a `use` declares, each with the path that it stands for.
pub(super) fn leaves(tree: &UseTree) -> Vec<(String, Vec<String>)> {
    let named =
        |name: &syn::Ident, path: &syn::Ident| vec![(name.to_string(), vec![path.to_string()])];
    match tree {
        UseTree::Name(name) => named(&name.ident, &name.ident),
        UseTree::Rename(name) => named(&name.rename, &name.ident),
        UseTree::Glob(_) => vec![("*".to_owned(), Vec::new())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
        UseTree::Path(path) => {
            let onward = leaves(&path.tree).into_iter().map(|(name, mut rest)| {
                if rest == ["self"] {
                    return (path.ident.to_string(), vec![path.ident.to_string()]);
                }
                rest.insert(0, path.ident.to_string());
                (name, rest)
            });
            onward.collect()
        }
    }
}

pub(super) fn segments(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

/// The types between the angle brackets of a path.
pub(super) fn arguments(path: &syn::Path) -> impl Iterator<Item = &syn::Path> {
    let arguments = path
        .segments
        .iter()
        .filter_map(|segment| match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
            _ => None,
        });
    arguments.flatten().filter_map(|argument| match argument {
        GenericArgument::Type(of) => path_of(of),
        _ => None,
    })
}

pub(super) fn path_of(of: &Type) -> Option<&syn::Path> {
    match of {
        Type::Path(of) => Some(&of.path),
        Type::Reference(of) => path_of(&of.elem),
        _ => None,
    }
}

pub(super) fn below(path: &[String], name: &(impl ToString + ?Sized)) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(name.to_string());
    path
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
