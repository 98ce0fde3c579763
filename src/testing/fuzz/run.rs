//! The long run: `npm run test:long`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::coverage::{self, Reached};
use super::mutation::{Dictionary, mutated};
use super::targets::warm_up;
use super::{CORPUS, TARGETS, Target, corpus, holds, place};
use crate::testing::dice::Dice;

/// Inputs that reached something new, from earlier runs on this machine.
const FOUND: &str = "target/fuzz";
/// What one input may take; the parsers take microseconds, a request some milliseconds, and the machine may be busy.
const SLOWEST: Duration = Duration::from_secs(20);
/// How many of the finds the repository keeps of a target, and how long they may be.
const KEPT: usize = 24;
const KEPT_BYTES: usize = 1024;
/// A dictionary is made anew after so many finds.
const FINDS: usize = 50;

/// Fuzzes every target for `COUNTERSIGN_FUZZ_SECONDS`. `COUNTERSIGN_FUZZ_TARGET` names one of them;
/// `COUNTERSIGN_FUZZ_KEEP` puts finds into the repository's corpus.
#[test]
#[ignore = "takes minutes; `npm run test:long` runs it"]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn fuzzes_every_parser_for_a_while() {
    let variable = |name: &str| std::env::var(name).ok();
    let seconds = variable("COUNTERSIGN_FUZZ_SECONDS").map_or(5.0, |text| text.parse().expect("seconds"));
    let only = variable("COUNTERSIGN_FUZZ_TARGET");
    let keep = variable("COUNTERSIGN_FUZZ_KEEP").is_some();
    let seed = u64::from(now().elapsed().subsec_nanos()) ^ u64::from(std::process::id()) << 20;
    println!("| target | executions | a second | inputs found | places reached | broken |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut broken = String::new();
    warm_up();
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)) {
        let outcome = fuzz(target, Duration::from_secs_f64(seconds), seed, keep);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = outcome.executions as f64 / outcome.took.as_secs_f64().max(0.001);
        println!(
            "| {} | {} | {rate:.0} | {} | {} | {} |",
            target.name,
            outcome.executions,
            outcome.found,
            outcome.places,
            if outcome.broken_by.is_some() { "yes" } else { "no" },
        );
        if let Some(file) = outcome.broken_by {
            writeln!(broken, "{}: {file}", target.name).unwrap();
        }
    }
    assert!(broken.is_empty(), "These inputs break a promise; they stand in the corpus now:\n{broken}");
}

struct Outcome {
    executions: u64,
    took: Duration,
    found: usize,
    places: usize,
    broken_by: Option<String>,
}

fn fuzz(target: &Target, time: Duration, seed: u64, keep: bool) -> Outcome {
    let begin = now();
    let mut reached = Reached::default();
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    let mut outcome = Outcome { executions: 0, took: time, found: 0, places: 0, broken_by: None };
    let watch = Watch::over(target);
    let run = |input: &[u8], reached: &mut Reached| {
        watch.begins(input);
        coverage::reset();
        let held = holds(target, input);
        let new = reached.add();
        watch.ends();
        (held, new)
    };
    let known = corpus(CORPUS, target).into_iter().chain(corpus(FOUND, target));
    let mut waiting: Vec<Vec<u8>> = known.map(|(_, input)| input).collect();
    waiting.reverse();
    let mut dictionary = Dictionary::of(waiting.iter().map(Vec::as_slice));
    let mut dice = Dice::new(seed);
    while begin.elapsed() < time {
        let seed_input = waiting.pop();
        let is_seed = seed_input.is_some();
        let input = seed_input.unwrap_or_else(|| mutated(&mut dice, &inputs, &dictionary));
        let (held, new) = run(&input, &mut reached);
        outcome.executions += 1;
        if !held {
            let shortest = shortened(target, input);
            outcome.broken_by = Some(write(CORPUS, target, &shortest));
            break;
        }
        if new || inputs.is_empty() || is_seed {
            if !is_seed {
                write(FOUND, target, &input);
                outcome.found += 1;
                if outcome.found.is_multiple_of(FINDS) {
                    dictionary = Dictionary::of(inputs.iter().map(Vec::as_slice));
                }
            }
            inputs.push(input);
        }
    }
    outcome.took = begin.elapsed();
    outcome.places = reached.places();
    if keep && outcome.broken_by.is_none() {
        keep_best(target, &inputs, run);
    }
    outcome
}

/// Puts the shortest of the inputs that reach places which the repository's corpus does not into it.
fn keep_best(target: &Target, inputs: &[Vec<u8>], run: impl Fn(&[u8], &mut Reached) -> (bool, bool)) {
    let mut reached = Reached::default();
    for (_, input) in corpus(CORPUS, target) {
        run(&input, &mut reached);
    }
    let mut shortest: Vec<_> = inputs.iter().filter(|input| input.len() <= KEPT_BYTES).collect();
    shortest.sort_by_key(|input| input.len());
    let mut kept = corpus(CORPUS, target).iter().filter(|(name, _)| name.starts_with(FIND)).count();
    for input in shortest {
        let before = reached.places();
        run(input, &mut reached);
        // A place that none has reached, and not only one that was reached more often.
        if reached.places() > before && kept < KEPT {
            write(CORPUS, target, input);
            kept += 1;
        }
    }
}

/// The shortest input that can be made by leaving parts out and still breaks a promise.
fn shortened(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut tries: usize = 2000;
    let mut length = input.len() / 2;
    while length > 0 && tries > 0 {
        let mut at = 0;
        while at < input.len() && tries > 0 {
            tries -= 1;
            let mut shorter = input.clone();
            shorter.drain(at..(at + length).min(input.len()));
            if holds(target, &shorter) {
                at += length;
            } else {
                input = shorter;
            }
        }
        length /= 2;
    }
    input
}

/// What the names of finds begin with.
const FIND: &str = "found-";

fn write(folder: &str, target: &Target, input: &[u8]) -> String {
    let name = format!("{FIND}{}", base16ct::lower::encode_string(&Sha256::digest(input)[..6]));
    let place = place(folder, target);
    std::fs::create_dir_all(&place).expect("the corpus' folder");
    std::fs::write(place.join(&name), input).expect("an input of the corpus");
    Path::new(folder).join(target.name).join(name).display().to_string()
}

/// Looks after inputs on which a parser does not come to an end.
struct Watch(Arc<Mutex<Option<Running>>>);

/// An input, and since when it runs.
type Running = (Instant, Vec<u8>);

impl Watch {
    #[expect(clippy::print_stderr, reason = "the process ends here")]
    fn over(target: &Target) -> Self {
        let running = Arc::new(Mutex::new(None::<Running>));
        let (seen, target) = (Arc::downgrade(&running), *target);
        std::thread::spawn(move || {
            while let Some(running) = seen.upgrade() {
                if let Some((since, input)) = &*running.lock().unwrap()
                    && since.elapsed() > SLOWEST
                {
                    eprintln!("{} takes too long over {}", target.name, write(CORPUS, &target, input));
                    std::process::exit(1);
                }
                drop(running);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Self(running)
    }

    fn begins(&self, input: &[u8]) {
        *self.0.lock().unwrap() = Some((now(), input.to_vec()));
    }

    fn ends(&self) {
        *self.0.lock().unwrap() = None;
    }
}

#[expect(clippy::disallowed_methods, reason = "how long something takes is no decision of the program")]
fn now() -> Instant {
    Instant::now()
}
