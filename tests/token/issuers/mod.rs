//! Tokens of other issuers: their keys, kept fresh whatever the issuer does, and what of theirs is an access token.

use crate::support;

mod keys;
mod resource;
