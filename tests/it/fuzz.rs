//! What is fuzzed, as tests: captured traffic, what was found once, and mutations of both, the same in every run.

use super::fuzz_targets::targets::{Target, targets};
use std::path::Path;

/// Mutations of each target in all.
const RUNS: usize = 1500;
/// Longer seeds are cut: a mutation of a long one tells no more, and takes longer.
const LONGEST: usize = 1 << 13;

/// Numbers as if by chance (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize % n.max(1)
    }
}

fn found(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found").join(name);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| std::fs::read(file.path()).unwrap()).collect()
}

/// A few bytes changed, left out, repeated, or another seed's put in their place.
fn mutate(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed[..seed.len().min(LONGEST)].to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(64)).min(bytes.len());
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 => _ = bytes.drain(at..end),
            2 => bytes.splice(at..at, bytes[at..end].to_vec()).for_each(drop),
            3 => bytes.splice(at..end, other.iter().skip(at).take(40).copied()).for_each(drop),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
        }
    }
    bytes
}

fn run(target: &Target) {
    let mut seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{} has where to begin", target.name);
    seeds.extend(found(&target.name));
    seeds.iter().for_each(|seed| (target.run)(seed));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..RUNS {
        let (seed, other) = (dice.below(seeds.len()), dice.below(seeds.len()));
        (target.run)(&mutate(&seeds[seed], &seeds[other], &mut dice));
    }
}

fn of(chosen: impl Fn(&str) -> bool) {
    let all: Vec<_> = targets().into_iter().filter(|target| chosen(&target.name)).collect();
    assert!(!all.is_empty());
    all.iter().for_each(run);
}

#[test]
fn what_a_target_runs_is_where_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in targets() {
        let there = root.join(&target.source).exists() || root.join(format!("{}.rs", target.source)).exists();
        assert!(there, "{}: {}", target.name, target.source);
    }
}

const READERS: &[&str] = &["files", "reassembler"];
const TEXTS: &[&str] = &["filter", "bodies", "protobuf"];

#[test]
fn any_file_and_any_segments_are_read_to_their_end() {
    of(|name| READERS.contains(&name));
}

#[test]
fn any_filter_and_any_body_is_read_or_refused() {
    of(|name| TEXTS.contains(&name));
}

#[test]
fn any_conversation_ends_with_sound_events() {
    of(|name| !READERS.contains(&name) && !TEXTS.contains(&name));
}
