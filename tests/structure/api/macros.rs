//! The public items that the macros of the crate declare.

use quote::quote;
use syn::{
    Attribute, Field, Ident, ImplItemFn, Item, Signature, Token, Visibility, braced,
    parse::{ParseStream, Parser},
};

/// The public methods and the headers of trait impls in the rules of a macro.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) methods: Vec<Signature>,
    pub(super) headers: Vec<String>,
}

pub(super) fn expand(input: ParseStream<'_>) -> syn::Result<Expanded> {
    let mut expanded = Expanded::default();
    let mut pending = String::new();
    while !input.is_empty() {
        if let Ok(function) = input.fork().parse::<ImplItemFn>() {
            input.parse::<ImplItemFn>()?;
            if matches!(function.vis, Visibility::Public(_)) {
                expanded.methods.push(function.sig);
            }
            continue;
        }
        let group = input.step(|cursor| match cursor.any_group() {
            Some((inner, _, _, rest)) => Ok((Some(inner.token_stream()), rest)),
            None => {
                let (token, rest) = cursor.token_tree().expect("the input is not empty");
                pending += &format!(" {token}");
                Ok((None, rest))
            }
        })?;
        if let Some(group) = group {
            if let Some((_, header)) = pending.split_once("impl ")
                && header.contains(" for $")
            {
                expanded.headers.push(format!("impl {header}"));
            }
            pending.clear();
            let inner = expand.parse2(group)?;
            expanded.methods.extend(inner.methods);
            expanded.headers.extend(inner.headers);
        }
    }
    Ok(expanded)
}

/// The structs of calls such as `name! { Type { .. } }`, if the macro declares public structs.
pub(super) fn structs(items: &[Item]) -> Vec<Item> {
    let makes_structs = |name: &Ident| {
        items.iter().any(|item| match item {
            Item::Macro(rules) if rules.ident.as_ref() == Some(name) => {
                rules.mac.tokens.to_string().contains("pub struct")
            }
            _ => false,
        })
    };
    let calls = items.iter().filter_map(|item| match item {
        Item::Macro(call) if call.mac.path.get_ident().is_some_and(makes_structs) => {
            all_public.parse2(call.mac.tokens.clone()).ok()
        }
        _ => None,
    });
    calls.collect()
}

fn all_public(input: ParseStream<'_>) -> syn::Result<Item> {
    Attribute::parse_outer(input)?;
    let name: Ident = input.parse()?;
    let content;
    braced!(content in input);
    let fields = content.parse_terminated(Field::parse_named, Token![,])?;
    let fields = fields.iter().map(|field| {
        let (name, of) = (&field.ident, &field.ty);
        quote!(pub #name: #of)
    });
    syn::parse2(quote!(#[non_exhaustive] pub struct #name { #(#fields,)* }))
}
