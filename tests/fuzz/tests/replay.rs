//! What is fuzzed, with a corpus and with chance: a few seconds of it on every run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use socketio_fuzz::{Chance, TARGETS};

/// Inputs that are made up for each target.
const RUNS: u64 = 20_000;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = files
        .map(|file| {
            let file = file.expect("a file");
            (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).expect("its bytes"))
        })
        .collect();
    inputs.sort();
    inputs
}

/// Changes an input as a fuzzer does: bytes change, come, go, or are those of another input.
fn mutate(chance: &mut Chance, inputs: &[(String, Vec<u8>)]) -> Vec<u8> {
    const TELLING: &[u8] = b"0123456789[]{}\",:-/b\x1e\x00\x01\x04\x7f\x80\xff\xc1\xdf";
    let mut bytes = inputs[chance.below(inputs.len())].1.clone();
    for _ in 0..chance.below(6) {
        let at = chance.below(bytes.len() + 1);
        let byte =
            if chance.below(2) == 0 { TELLING[chance.below(TELLING.len())] } else { chance.below(256) as u8 };
        match chance.below(4) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => {
                let other = &inputs[chance.below(inputs.len())].1;
                let from = chance.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

fn run(target: fn(&[u8]), input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).is_ok()
}

#[test]
fn the_corpus_is_taken() {
    for (name, target) in TARGETS {
        for (file, input) in corpus(name) {
            assert!(run(target, &input), "corpus/{name}/{file}");
        }
    }
}

// proves: protocol/ambiguous-requests
#[test]
fn what_chance_makes_up_is_taken() {
    for (name, target) in TARGETS {
        let (mut chance, inputs) = (Chance(1), corpus(name));
        for _ in 0..RUNS {
            let input = mutate(&mut chance, &inputs);
            assert!(run(target, &input), "{name}: {}", input.escape_ascii());
        }
    }
}
