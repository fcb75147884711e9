//! Proves of PASETO tokens what `token::jwt` proves of JWTs: each is refused unless everything
//! about it is right, by the engine and by the layer; and that keys rotate, lists call back and
//! pairs refresh as they do there.

mod attacks;
mod interop;
mod life;
mod refused;
mod world;
