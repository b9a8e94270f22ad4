//! One target under libFuzzer: the one that CARDEA_FUZZ_TARGET names. `run.sh` builds and runs it.

#![no_main]

use cardea_fuzz::Target;
use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("CARDEA_FUZZ_TARGET").unwrap_or_default();
    cardea_fuzz::target(&name).unwrap_or_else(|| {
        eprintln!("CARDEA_FUZZ_TARGET names no target");
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| -> Corpus {
    TARGET.try_input(data);
    Corpus::Keep
});
