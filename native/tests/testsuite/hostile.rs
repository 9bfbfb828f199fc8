//! Hostile input: no parser panics on thousands of damaged inputs, nor on the inputs that fuzzing has found. The inputs
//! before damage are those of the fuzz targets (`fuzz/corpus`).

use std::fs;
use std::path::{Path, PathBuf};

use lastbit::fuzzing::TARGETS;

use crate::common::Random;

/// Number of damaged inputs for each target.
const ROUNDS: usize = 3000;
/// Bytes to which an input is cut before it is damaged, so that more variants fit into the time.
const MOST_BYTES: usize = 64 << 10;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "fuzz", "corpus", target].iter().collect();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A copy of `seed` with some of its bytes changed, removed, repeated, or replaced by a piece of `other`.
fn damaged(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'[', b'{', b'-', b'.', b'9', b'\n'];
    let mut bytes = seed[..seed.len().min(MOST_BYTES)].to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let length = random.below(16) as usize;
        let end = (at + length).min(bytes.len());
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let from = random.below(other.len() as u64 + 1) as usize;
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            4 => bytes.insert(at, TELLING[random.below(12) as usize]),
            _ if at < bytes.len() => match random.below(3) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = TELLING[random.below(12) as usize],
                _ => bytes[at] = random.below(256) as u8,
            },
            _ => {}
        }
    }
    bytes
}

#[test]
fn no_input_makes_a_parser_panic() {
    for (name, target) in TARGETS {
        let seeds = corpus(name);
        seeds.iter().for_each(|seed| target(seed));
        let mut random = Random::new(name.len() as u64);
        // Pages and images take a hundred times as long as the other targets.
        let rounds = if ["report", "image", "safetensors"].contains(&name) { ROUNDS / 10 } else { ROUNDS };
        for _ in 0..rounds {
            let of = |random: &mut Random| random.below(seeds.len() as u64) as usize;
            let (seed, other) = (of(&mut random), of(&mut random));
            target(&damaged(&seeds[seed], &seeds[other], &mut random));
        }
    }
}

#[test]
fn every_target_has_its_program_and_its_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no program {name}");
        let source = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("run(\"{name}\"")), "{source}");
    }
}
