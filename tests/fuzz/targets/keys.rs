//! `cargo fuzz run keys`: see [`tower_jam_fuzz::keys`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tower_jam_fuzz::keys(data));

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("run it with cargo fuzz, or run `cargo test -p tower-jam-fuzz`");
}
