//! Random sequences of requests against the rules as [`rules`] has them: what is answered, and what the database holds
//! after each of them, must be what the rules say. Whatever was seen (tokens, codes, oob_codes, recovery codes) may be sent
//! again at any time, by anybody. Some requests meet a database that fails before or after its commit, and are sent again
//! or given up; some have an `Idempotency-Key`, and are sent again at any time.
//! Some tokens are bound to a key, and come with its proof, another's or none.
//!
//! A sequence is a list of [`Step`]s, each of which finds what it is about among what there is by numbers of its own, so
//! that steps can be left out: a sequence that fails is shortened before it is shown. `cargo test` runs some; `npm run
//! test:long` goes on for minutes.

mod rules;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use self::world::{Setting, Step, World};
use super::dice::Dice;

/// Steps of a sequence.
const STEPS: usize = 80;

/// How often each answer was given.
type Answers = BTreeMap<String, u64>;

/// Carries a sequence out. Where it fails, how far it came and what happened.
fn carried_out(setting: Setting, steps: &[Step]) -> Result<Answers, (usize, String)> {
    let mut world = World::new(setting);
    for (index, step) in steps.iter().enumerate() {
        let held = catch_unwind(AssertUnwindSafe(|| world.takes(step)));
        let problem = match held {
            Ok(Ok(())) => continue,
            Ok(Err(problem)) => problem,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                    .unwrap_or_default()
            }
        };
        return Err((index, format!("{}\n{problem}", world.story())));
    }
    Ok(world.answers())
}

fn steps(seed: u64) -> (Setting, Vec<Step>) {
    let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // The first draws of neighbouring seeds are alike.
    for _ in 0..8 {
        dice.next();
    }
    let setting = Setting { two: dice.chance(40), wide: dice.chance(40) };
    (setting, (0..STEPS).map(|_| Step::drawn(&mut dice)).collect())
}

/// Runs the sequence of `seed`. Panics with the shortest sequence found that fails.
fn run(seed: u64, answers: &mut Answers) {
    let (setting, mut steps) = steps(seed);
    match carried_out(setting, &steps) {
        Ok(given) => {
            given.into_iter().for_each(|(answer, count)| *answers.entry(answer).or_default() += count)
        }
        Err((index, mut problem)) => {
            steps.truncate(index + 1);
            let mut length = steps.len() / 2;
            while length > 0 {
                let mut at = 0;
                while at + length <= steps.len() {
                    let mut fewer = steps.clone();
                    fewer.drain(at..at + length);
                    match carried_out(setting, &fewer) {
                        Err((index, shorter)) => {
                            fewer.truncate(index + 1);
                            (steps, problem) = (fewer, shorter);
                        }
                        Ok(_) => at += length,
                    }
                }
                length /= 2;
            }
            panic!("seed {seed}, {setting:?}, {} steps:\n{problem}", steps.len());
        }
    }
}

#[test]
fn sequences_end_as_the_model_says() {
    let mut answers = Answers::new();
    (1..=SEQUENCES).for_each(|seed| run(seed, &mut answers));
    // Sequences in which nothing goes well, or nothing is refused, would show nothing.
    for often in [
        "Enrolled { recovery_code: true }",
        "Enrolled { recovery_code: false }",
        "tokens, true, true",
        "Removed",
        "a fault, BeforeCommit",
        "a fault, AfterCommit",
        "an answer again",
        "tokens that are bound",
        "400 The DPoP proof is invalid.",
    ] {
        assert!(answers.get(often).is_some_and(|count| *count >= 20), "{often}: {answers:#?}");
    }
    assert!(answers.len() >= 28, "{answers:#?}");
}

/// How many an ordinary test run tries.
const SEQUENCES: u64 = 24;

/// For `COUNTERSIGN_MODEL_SECONDS`, beginning with the seed `COUNTERSIGN_MODEL_SEED` if there is one.
#[test]
#[ignore = "takes minutes; `npm run test:long` runs it"]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
fn sequences_end_as_the_model_says_for_a_while() {
    let variable = |name: &str| std::env::var(name).ok();
    let seconds = variable("COUNTERSIGN_MODEL_SECONDS").map_or(60, |text| text.parse().expect("seconds"));
    let begin = now();
    let first = variable("COUNTERSIGN_MODEL_SEED").map(|text| text.parse().expect("a seed"));
    let first = first.unwrap_or_else(|| u64::from(std::process::id()) << 32);
    let (mut sequences, mut answers) = (0, Answers::new());
    while begin.elapsed() < Duration::from_secs(seconds) {
        run(first + sequences, &mut answers);
        sequences += 1;
    }
    println!("\n{sequences} sequences from seed {first}, {} requests", answers.values().sum::<u64>());
    println!("| answer | how often |\n| --- | --- |");
    for (answer, count) in answers {
        println!("| {answer} | {count} |");
    }
}

#[expect(clippy::disallowed_methods, reason = "how long something takes is no decision of the program")]
fn now() -> Instant {
    Instant::now()
}
