//! What a request contains: credentials and where they lie, cookies, and the site that it comes
//! from.

pub(crate) mod cookie;
pub(crate) mod credential;
pub(crate) mod cross_site;
mod place;
