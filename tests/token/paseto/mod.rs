//! Checks for PASETO tokens what `token::jwt` checks for JWTs: each is rejected unless everything
//! about it is correct, by the engine and by the layer; and key rotation, lists and refresh of
//! pairs work as they do there.

mod attacks;
mod interop;
mod life;
mod refused;
mod world;
