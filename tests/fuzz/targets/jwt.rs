//! `cargo fuzz run jwt`: see [`tower_jam_fuzz::jwt`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_jam_fuzz::jwt(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("run it with cargo fuzz, or run `cargo test -p tower-jam-fuzz`");
}
