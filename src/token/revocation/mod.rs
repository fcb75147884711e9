//! Deny and allow lists, with which a token is revoked before it expires.
//!
//! A [`TokenList`] belongs to the engine of a bare token:
//! [`JwtBuilder::list`](super::JwtBuilder::list). Token pairs need no list, since their access
//! tokens are revoked together with their device. [`deny`](TokenList::deny) creates a deny list,
//! [`white`](TokenList::allow) an allow list.
//!
//! # Rules
//!
//! * **By id.** A token is listed by its `jti` and issuer, never by its text: base64 and ECDSA
//!   allow a second spelling of the same token. An engine with a list rejects a token without `jti`
//!   or `iat`, since it could not be revoked.
//! * **A deny list** rejects the tokens on it. It has a *birth*, the second in which it was
//!   created, and a token whose `iat` is not after the birth is rejected. Therefore a lost list
//!   does not make revoked tokens valid again: the first node that finds the birth missing creates
//!   a new one. Adding a new deny list to an engine rejects every token that was issued before;
//!   call [`created_at`](TokenList::created_at) at the start of a server to choose that moment.
//! * **An allow list** rejects the tokens that are not on it. Issuing adds the token before it is
//!   handed out; a lost list rejects everything.
//! * **The mark of a subject** ([`revoke_all`](TokenList::revoke_all)) rejects every token
//!   of the subject whose `iat`, in whole seconds, is not after it. It never moves back.
//! * **A login right after a revocation** works: a token that is issued in the second of a mark or
//!   of the birth carries the next second as its `iat`. To verifiers that is the future, so a list
//!   needs a leeway of at least one second. If the subject is revoked again within that second, the
//!   new mark is the `iat` of that token.
//! * **Lifetime.** An entry is stored for as long as its token could be accepted: until its expiry
//!   plus sixty seconds, the longest leeway. A mark is stored for the [longest
//!   lifetime](TokenListBuilder::max_ttl) of a token plus the same leeway, so an engine with a list
//!   neither issues nor accepts a token that lives longer.
//! * **Every request checks the list**, also for a cached token. An accepting answer may come from
//!   a near-cache; a rejecting answer comes from the store itself.
//! * **A store that fails** is 503: the token is neither accepted nor revoked.
//! * **An unreadable entry** is 503 as well. The next [`revoke_all`](TokenList::revoke_all)
//!   replaces a mark; a birth is replaced by removing it from the store.
//!
//! # Clock skew
//!
//! Marks and births use the clock of the node that writes them. If that clock is *d* behind the
//! clock of a node that issues tokens, a token issued there in the last *d* before the mark
//! survives the mark, and a token that was revoked in the last *d* before the list was lost becomes
//! valid again. If it is ahead, no such token survives, but logins on other nodes get an `iat` that
//! is ahead by the same amount; beyond the leeway they fail until that time. Neither happens on a
//! single node whose clock does not move back.
//!
//! A postdated token counts as issued in its stated second: if the list is lost and another process
//! notices this before that second, the token is valid again. The process that issued or accepted
//! the token does not make this mistake.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{
//!     Algorithm, Claims, Env, Grant, Jwt, Key, KeyRing, MasterSecret, TokenList,
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://auth.acme.dev", store, &MasterSecret::generate());
//! let list = TokenList::deny(&env).build()?;
//! let ring = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
//! let jwt = Jwt::<Claims>::builder(ring)
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .list(list.clone())
//!     .build()?;
//!
//! let [phone, laptop] = [
//!     jwt.issue(Grant::new("alice", Claims::new())).await?,
//!     jwt.issue(Grant::new("alice", Claims::new())).await?,
//! ];
//! jwt.revoke_token(phone.expose()).await?;
//! assert_eq!(jwt.verify(phone.expose()).await.unwrap_err().status(), 401);
//! assert!(jwt.verify(laptop.expose()).await.is_ok());
//!
//! list.revoke_all("alice").await?;
//! assert!(jwt.verify(laptop.expose()).await.is_err());
//! let next = jwt.issue(Grant::new("alice", Claims::new())).await?;
//! assert!(jwt.verify(next.expose()).await.is_ok());
//! # Ok(())
//! # }
//! ```

mod builder;
mod id;
mod inner;
mod list;
mod mark;
mod request;

pub(super) use self::request::ListLookup;
pub use self::{builder::TokenListBuilder, id::TokenId, list::TokenList};
