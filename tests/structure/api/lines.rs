//! The lines by which the listing describes an item.

use syn::{Attribute, Fields, Generics, Item, ItemImpl, Signature, TraitItem};

use super::{
    names::{arguments, is_public, path_of},
    text::{text, tidy},
};
use crate::source;

pub(super) fn heading(item: &Item, path: &[String]) -> String {
    let path = path.join("::");
    let generic = |kind: &str, generics: &Generics| {
        let clause = &generics.where_clause;
        format!("{kind} {path}{} {}", text(generics), text(clause))
            .trim_end()
            .to_owned()
    };
    match item {
        Item::Struct(item) => generic("struct", &item.generics),
        Item::Enum(item) => generic("enum", &item.generics),
        Item::Trait(item) => {
            let heading = generic("trait", &item.generics);
            format!("{heading}: {}", text(&item.supertraits))
        }
        Item::Type(item) => format!("{} = {}", generic("type", &item.generics), text(&item.ty)),
        Item::Fn(item) => {
            let signature = signature(&item.sig);
            let name = format!("fn {}", item.sig.ident);
            signature.replacen(&name, &format!("fn {path}"), 1)
        }
        Item::Const(item) => format!("const {path}: {}", text(&item.ty)),
        Item::Static(item) => format!("static {path}: {}", text(&item.ty)),
        _ => path,
    }
}

/// The fields, variants, methods and derived traits of an item.
pub(super) fn own_lines(item: &Item) -> Vec<String> {
    let mut lines = Vec::new();
    match item {
        Item::Struct(item) => {
            lines.extend(attributes(&item.attrs));
            lines.extend(fields(&item.fields));
        }
        Item::Enum(item) => {
            lines.extend(attributes(&item.attrs));
            for variant in &item.variants {
                let mut variant = variant.clone();
                variant.attrs.clear();
                variant
                    .fields
                    .iter_mut()
                    .for_each(|field| field.attrs.clear());
                lines.push(format!("variant {}", text(&variant)));
            }
        }
        Item::Trait(item) => lines.extend(item.items.iter().filter_map(trait_line)),
        _ => {}
    }
    lines
}

pub(super) fn trait_line(item: &TraitItem) -> Option<String> {
    match item {
        TraitItem::Fn(item) => {
            let provided = item.default.as_ref().map_or("", |_| " (provided)");
            Some(signature(&item.sig) + provided)
        }
        TraitItem::Type(item) => Some(format!("type {}: {}", item.ident, text(&item.bounds))),
        TraitItem::Const(item) => Some(format!("const {}: {}", item.ident, text(&item.ty))),
        _ => None,
    }
}

pub(super) fn fields(fields: &Fields) -> Vec<String> {
    let public = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| is_public(&field.vis));
    let line = |(at, field): (usize, &syn::Field)| {
        let name = field
            .ident
            .as_ref()
            .map_or(at.to_string(), ToString::to_string);
        format!("field {name}: {}", text(&field.ty))
    };
    public.map(line).collect()
}

/// The attributes that are part of the API.
pub(super) fn attributes(attributes: &[Attribute]) -> Vec<String> {
    let mut lines = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("non_exhaustive") {
            lines.push("non_exhaustive".to_owned());
        } else if attribute.path().is_ident("derive") {
            let derived = source::quote(attribute);
            lines.extend(
                derived
                    .split(',')
                    .map(|name| format!("derive {}", tidy(name))),
            );
        }
    }
    lines
}

pub(super) fn signature(signature: &Signature) -> String {
    text(signature)
        .replace("(mut ", "(")
        .replace(", mut ", ", ")
}

pub(super) fn header(block: &ItemImpl) -> String {
    let (not, implemented, _) = block.trait_.as_ref().unwrap();
    let not = not.map_or("", |_| "!");
    let generics = text(&block.generics);
    let (name, clause) = (text(implemented), text(&block.generics.where_clause));
    format!(
        "impl{generics} {not}{name} for {} {clause}",
        text(&block.self_ty)
    )
    .trim_end()
    .to_owned()
}

/// The conditions under which a type has the methods of an `impl` block: its bounds, and the type
/// if that is not generic over all of its parameters.
pub(super) fn bounds(block: &ItemImpl) -> String {
    let generics = &block.generics;
    let is_parameter = |of: &&syn::Path| {
        generics
            .type_params()
            .any(|parameter| of.is_ident(&parameter.ident))
    };
    let mut bounds = Vec::new();
    if !path_of(&block.self_ty)
        .into_iter()
        .flat_map(arguments)
        .all(|of| is_parameter(&of))
    {
        bounds.push(text(&block.self_ty));
    }
    let parameters = generics.params.iter().map(text);
    bounds.extend(parameters.filter(|parameter| parameter.contains(':')));
    let clause = generics.where_clause.iter();
    bounds.extend(clause.flat_map(|clause| clause.predicates.iter().map(text)));
    if bounds.is_empty() {
        return String::new();
    }
    format!(" [{}]", bounds.join(", "))
}
