//! Every guard of every statement matters. [`table`] says for each statement when it acts and, guard by guard, when it
//! does not; then each condition is taken out of the SQL in turn, and at least one row must notice.
#![expect(clippy::arithmetic_side_effects, reason = "tests may panic")]

mod conditions;
mod plans;
mod table;

use std::collections::BTreeSet;

use self::conditions::without_one_condition;
use self::table::{BASE, Expected, Spec, table};
use crate::mfa::factor::Kind;
use crate::platform::Value;
use crate::testing::platform::FakePlatform;

/// What a statement returned, and everything that stands in the database afterwards; or the database's complaint.
type Outcome = Result<(String, String), String>;

struct Stage {
    world: FakePlatform,
}

impl Stage {
    fn new(spec: &Spec) -> Self {
        let stage = Self { world: FakePlatform::new() };
        stage.run_all(BASE);
        stage.run_all(spec.setup);
        stage
    }

    fn run_all(&self, statements: &str) {
        for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
            self.world.query(statement, &[]);
        }
    }

    /// Runs `sql` after `change`, and takes both back.
    fn outcome(&self, sql: &str, parameters: &[Value], change: &str) -> (String, Outcome) {
        self.world.query("SAVEPOINT before", &[]);
        self.run_all(change);
        let before = self.world.database_text();
        let rows = self.world.try_query(sql, parameters);
        let outcome = rows.map(|rows| {
            let rows: Vec<_> =
                rows.iter().map(|row| row.0.iter().map(written).collect::<Vec<_>>().join(" ")).collect();
            (rows.join("\n"), self.world.database_text())
        });
        self.world.query("ROLLBACK TO before", &[]);
        self.world.query("RELEASE before", &[]);
        (before, outcome.map_err(|error| format!("{error:?}")))
    }
}

fn written((name, value): &(String, Value)) -> String {
    match value {
        Value::Null => format!("{name}=NULL"),
        Value::Integer(number) => format!("{name}={number}"),
        Value::Text(text) => format!("{name}={text}"),
    }
}

#[test]
fn each_statement_acts_where_it_should_and_does_nothing_where_one_guard_alone_fails() {
    for spec in table() {
        let stage = Stage::new(&spec);
        for case in &spec.cases {
            let (name, what) = (spec.name, case.name);
            let (before, outcome) = stage.outcome(spec.sql, &spec.parameters(case), case.change);
            let (rows, after) = outcome.unwrap_or_else(|error| panic!("{name}, {what}: {error}"));
            match &case.expected {
                Expected::Acts => {
                    assert!(!rows.is_empty() || after != before, "{name}, {what}: nothing happened");
                }
                Expected::Nothing => {
                    assert_eq!(rows, "", "{name}, {what}");
                    assert_eq!(after, before, "{name}, {what}");
                }
                Expected::Answers(answer) => {
                    assert_eq!(&rows, answer, "{name}, {what}");
                    assert_eq!(after, before, "{name}, {what}");
                }
            }
        }
    }
}

#[test]
fn no_condition_can_be_taken_away_unnoticed() {
    let mut unnoticed = Vec::new();
    let mut conditions = 0;
    for spec in table() {
        let stage = Stage::new(&spec);
        let original: Vec<_> = spec
            .cases
            .iter()
            .map(|case| stage.outcome(spec.sql, &spec.parameters(case), case.change).1)
            .collect();
        for (condition, mutant) in without_one_condition(spec.sql) {
            conditions += 1;
            let noticed = spec.cases.iter().zip(&original).any(|(case, original)| {
                let outcome = stage.outcome(&mutant, &spec.parameters(case), case.change).1;
                if let Err(error) = &outcome {
                    assert!(error.contains("constraint"), "{}: {error} in {mutant}", spec.name);
                }
                outcome != *original
            });
            if !noticed {
                unnoticed.push(format!("{}: {condition}", spec.name));
            }
        }
    }
    assert!(conditions > 200, "{conditions}");
    assert_eq!(unnoticed, Vec::<String>::new());
}

/// Statements say `kind <> 'email'`. A further kind that is no second factor must not pass for one there.
#[test]
fn what_statements_take_for_independent_is_what_the_rules_do() {
    let dependent: Vec<_> = Kind::ALL.iter().filter(|kind| !kind.is_independent()).collect();
    assert_eq!(dependent, [&Kind::Email]);
}

#[test]
fn no_statement_is_missing_from_the_table() {
    let declared: BTreeSet<_> = include_str!("../statements.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(": &str"))
        .map(|(name, _)| name.to_owned())
        .collect();
    let tested: BTreeSet<_> = table().iter().map(|spec| spec.name.to_owned()).collect();
    assert!(declared.len() > 50);
    assert_eq!(declared, tested);
}
