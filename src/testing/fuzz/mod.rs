//! Every parser that sees bytes of somebody else's, given bytes that nobody would send.
//!
//! Each [`Target`] reads its input as one of the parsers does and holds the result to more than "no panic": to a second
//! implementation, to what comes of writing and reading it again, to its bounds. `tests/fuzz/corpus/` has inputs for each,
//! which every test run replays, with some mutations of them. `npm run test:long` goes on for minutes, guided by which
//! places of the program an input reaches (stable Rust, see [`coverage`]); an input that breaks a promise is left in the
//! corpus.

mod coverage;
mod mutation;
mod reference;
mod run;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use self::mutation::{Dictionary, mutated};
pub(super) use self::targets::TARGETS;
use super::dice::Dice;

/// One parser and what is promised of it.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// Also the folder of its corpus.
    pub(super) name: &'static str,
    /// Panics where a promise is broken.
    pub(super) check: fn(&[u8]),
}

/// Inputs of a corpus with their names, in the order of these.
fn corpus(folder: &str, target: &Target) -> Vec<(String, Vec<u8>)> {
    let Ok(files) = std::fs::read_dir(place(folder, target)) else {
        return Vec::new();
    };
    let mut inputs: Vec<_> = files
        .map(|file| {
            let file = file.expect("a file");
            let name = file.file_name().into_string().expect("a name in UTF-8");
            (name, std::fs::read(file.path()).expect("a file of the corpus"))
        })
        .collect();
    inputs.sort();
    inputs
}

/// The corpus that belongs to the repository.
const CORPUS: &str = "tests/fuzz/corpus";

fn place(folder: &str, target: &Target) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), folder, target.name].iter().collect()
}

/// Whether the target keeps its promises for `input`.
fn holds(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.check)(input))).is_ok()
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    let mut broken = Vec::new();
    for target in TARGETS {
        let inputs = corpus(CORPUS, target);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        broken.extend(
            inputs
                .iter()
                .filter(|(_, input)| !holds(target, input))
                .map(|(name, _)| format!("{}/{name}", target.name)),
        );
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_folder_of_the_corpus_has_its_target() {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), CORPUS].iter().collect();
    for folder in std::fs::read_dir(root).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|target| target.name == name), "{name}");
    }
}

#[test]
fn mutations_of_the_corpus_keep_the_promises() {
    for target in TARGETS {
        let inputs: Vec<_> = corpus(CORPUS, target).into_iter().map(|(_, input)| input).collect();
        let dictionary = Dictionary::of(inputs.iter().map(Vec::as_slice));
        let mut dice = Dice::new(20_261_129);
        for _ in 0..MUTATIONS {
            let input = mutated(&mut dice, &inputs, &dictionary);
            assert!(holds(target, &input), "{}: {}", target.name, input.escape_ascii());
        }
    }
}

/// How many of each target an ordinary test run tries.
const MUTATIONS: usize = 100;
