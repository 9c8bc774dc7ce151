//! The fuzzer: libFuzzer over the target that `MESHTOP_FUZZ` names; without it, the targets and their sources are printed. With
//! `MESHTOP_SEEDS` it writes where to begin into that folder instead. `make fuzz` runs it (`tests/fuzz/run.sh`).

#![no_main]

mod conversation;
mod segments;
mod targets;

use std::env::var;
use std::process::exit;
use targets::{Target, targets};

thread_local! {
    static TARGET: Target = {
        let name = var("MESHTOP_FUZZ").unwrap_or_default();
        targets().into_iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target is called {name}"))
    };
}

/// What is asked beside fuzzing; it ends the program.
fn asked() {
    if var("MESHTOP_FUZZ").is_err() {
        targets().iter().for_each(|target| println!("{} {}", target.name, target.source));
        exit(0);
    }
    if let Ok(folder) = var("MESHTOP_SEEDS") {
        for (n, seed) in TARGET.with(|target| (target.seeds)()).iter().enumerate() {
            std::fs::write(format!("{folder}/seed-{n}"), seed).expect("the folder is there");
        }
        exit(0);
    }
}

libfuzzer_sys::fuzz_target!(init: asked(), |data: &[u8]| TARGET.with(|target| (target.run)(data)));
