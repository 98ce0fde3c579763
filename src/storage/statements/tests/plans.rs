//! How SQLite finds the rows of each statement: by an index, so that a request costs the same among a million users as
//! among a thousand. docs/query-plans.md shows every plan.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::table::{Spec, table};
use crate::platform::Value;
use crate::testing::platform::FakePlatform;

const DOCUMENT: &str = "docs/query-plans.md";

/// What may be gone through from end to end, since it is as long as what the request has bound, or one row.
const SHORT: [&str; 8] = [
    "CONSTANT ROW",
    // Parts of the statement that have rows of one user, each found by a step of its own.
    "(subquery-",
    // The one row of a COUNT, and the one place that is next.
    "factors",
    "next",
    // The buckets of one guess.
    "full",
    // A JSON array that was bound, and one of what became of a batch of messages.
    "json_each VIRTUAL TABLE",
    "outcome VIRTUAL TABLE",
    // Ten numbers that stand in the statement.
    "10-ROW VALUES CLAUSE",
];
/// The same under its name in a statement: the buckets of one message.
const CHARGES: &str = "charge VIRTUAL TABLE";

/// Statements that go through a table, or through more of an index than one user has, and what bounds them.
const BOUNDED: [(&str, &str, &str); 14] = [
    ("ALL_ORIGINS", "SCAN clients", "preflights ask, once a minute and isolate; as many rows as clients"),
    ("OVERDUE_DELIVERIES", "deliveries_not_done (expires_at>?)", "the sweep's; what waits to be sent"),
    ("EXPIRE_DELIVERIES", "deliveries_not_done (expires_at<?)", "the sweep's; what waits to be sent"),
    ("CLOSE_BY_HOUR", "deliveries_by_creation (created_at>?)", "the sweep's; an hour's messages"),
    (
        "COUNT_MESSAGES",
        "deliveries_by_creation (created_at>? AND created_at<?)",
        "the sweep's; an hour's messages, once, and notices since then",
    ),
    ("COUNT_MESSAGES", "message_counts", "the last one"),
    (
        "CLOSE_BY_DAY",
        "deliveries_by_creation (created_at>?)",
        "the sweep's; what is not counted, an hour's messages",
    ),
    ("CLOSE_BY_DAY", "message_counts", "the sweep's; a day's regions and networks by the hour"),
    ("SWEEP_MESSAGE_COUNTS", "message_counts", "the sweep's; an hour's regions and networks"),
    (
        "SWEEP_DELIVERIES",
        "deliveries_by_creation (created_at<?)",
        "the sweep's; 10 000 rows, and a day's notices",
    ),
    (
        "FORGET_ANSWERS",
        "enrollments_answered (answer_expires_at<?)",
        "the sweep's; what was answered in a minute",
    ),
    ("OPERATOR_ACTS", "SCAN operator_acts", "the sweep's; what operators did in a minute"),
    ("FORGET_OPERATOR_ACTS", "INTEGER PRIMARY KEY (rowid<?)", "the sweep's; the same"),
    ("SWEEP_CLOSURES", "closures_expiry (expires_at<?)", "the sweep's; 10 000 rows"),
];

/// Tables that the sweep goes through by their key: what its statements are called, and the column that the key begins with.
const SWEPT: [(&str, &str, &str); 7] = [
    ("ENROLLMENTS", "enrollments", "user_id"),
    ("CHALLENGES", "challenges", "user_id"),
    ("ANSWERS", "idempotent_answers", "key"),
    ("REDEMPTIONS", "redemptions", "spent"),
    ("ASSERTIONS", "client_assertions", "jti_hash"),
    ("BUDGETS", "budgets", "key"),
    ("MESSAGE_BUDGETS", "message_budgets", "key"),
];

/// [`BOUNDED`], and the statements of [`SWEPT`].
fn bounded() -> Vec<(String, String, &'static str)> {
    let each = BOUNDED.map(|(name, part, reason)| (name.to_owned(), part.to_owned(), reason));
    let swept = SWEPT.iter().flat_map(|(name, table, key)| {
        [
            (format!("ADVANCE_{name}"), format!("SCAN {table}"), "the first sweep's; 10 000 rows"),
            (format!("ADVANCE_{name}"), format!("PRIMARY KEY ({key}>?)"), "the sweep's; 10 000 rows"),
            (
                format!("SWEEP_{name}"),
                format!("PRIMARY KEY ({key}>? AND {key}<?)"),
                "the sweep's; 10 000 rows",
            ),
        ]
    });
    each.into_iter().chain(swept).collect()
}

/// A step of SQLite's plan, and how deep it stands.
struct Step {
    depth: usize,
    detail: String,
}

impl Step {
    /// Whether it finds the rows of one user, of one key, or of what was bound.
    fn is_short(&self) -> bool {
        let is_short = |what: &str| SHORT.iter().chain([&CHARGES]).any(|short| what.starts_with(short));
        match self.detail.split_once(' ') {
            Some(("SCAN", what)) => is_short(what),
            Some(("SEARCH", what)) => is_short(what) || what.contains("=?"),
            // How steps are put together, and what is sorted of what they found.
            _ => true,
        }
    }
}

fn plan(world: &FakePlatform, spec: &Spec) -> Vec<Step> {
    let parameters = vec![Value::Null; spec.parameters.len()];
    let rows = world.query(&format!("EXPLAIN QUERY PLAN {}", spec.sql), &parameters);
    let mut above: Vec<i64> = Vec::new();
    rows.iter()
        .map(|row| {
            let parent = row.integer("parent").unwrap();
            while above.last().is_some_and(|last| *last != parent) {
                above.pop();
            }
            let depth = above.len();
            above.push(row.integer("id").unwrap());
            Step { depth, detail: row.text("detail").unwrap().to_owned() }
        })
        .collect()
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let world = FakePlatform::new();
    let allowed = bounded();
    let mut met = BTreeSet::new();
    for spec in table() {
        for step in plan(&world, &spec).iter().filter(|step| !step.is_short()) {
            let bounded = allowed
                .iter()
                .find(|(name, part, _)| name == spec.name && step.detail.contains(part.as_str()));
            let Some((name, ..)) = bounded else { panic!("{}: {}", spec.name, step.detail) };
            met.insert(name);
        }
    }
    assert_eq!(met, allowed.iter().map(|(name, ..)| name).collect(), "an exception that is none any more");
}

#[test]
fn a_scan_is_noticed_under_whatever_name_the_table_goes() {
    let step = |detail: &str| Step { depth: 0, detail: detail.to_owned() };
    for long in [
        "SCAN authenticators",
        "SCAN mail USING INDEX deliveries_by_creation",
        "SEARCH deliveries USING INDEX deliveries_not_done (expires_at>?)",
    ] {
        assert!(!step(long).is_short(), "{long}");
    }
}

/// A database keeps what it has compiled of a statement, unless the values that are bound next might be better served by
/// another plan. SQLite thinks so of `column = ?` where tables are joined, and compiles for each request again, which takes
/// longer than the request's work; of `column = +?` it does not.
#[test]
fn no_statement_is_compiled_for_each_request_again() {
    let world = FakePlatform::new();
    let other = |value: &Value| match value {
        Value::Null => Value::Null,
        Value::Integer(number) => Value::Integer(number ^ 1),
        Value::Text(text) if text.starts_with('[') => Value::Text("[]".to_owned()),
        Value::Text(text) => Value::Text(format!("{text}x")),
    };
    let again: Vec<_> = table()
        .iter()
        .map(|spec| {
            let others = spec.parameters.iter().map(other).collect();
            let runs = [spec.parameters.clone(), others, spec.parameters.clone()];
            (spec.name, world.compiled_again(spec.sql, &runs))
        })
        .filter(|(_, again)| *again > 0)
        .collect();
    assert_eq!(again, []);
}

/// What docs/query-plans.md has to say.
fn document() -> String {
    let world = FakePlatform::new();
    let mut text = "# How each statement finds its rows

As SQLite plans it (`EXPLAIN QUERY PLAN`), for every statement that the Worker sends. `SEARCH … (column=?)` goes down an
index to the rows of one user or one key; `SCAN` goes through what the request has bound, or through one row. What goes
through more, and what bounds it:

| statement | step | why it may |
| --- | --- | --- |
"
    .to_owned();
    for (name, part, reason) in bounded() {
        writeln!(text, "| `{name}` | `{part}` | {reason} |").unwrap();
    }
    text.push_str(
        "
A test holds this page and the plans to each other (`src/storage/statements/tests/plans.rs`);
`COUNTERSIGN_WRITE_PLANS=1 cargo test --lib query_plans` writes it anew.

```text
",
    );
    for spec in table() {
        writeln!(text, "{}", spec.name).unwrap();
        for step in plan(&world, &spec) {
            writeln!(text, "{}{}", "  ".repeat(step.depth + 1), step.detail).unwrap();
        }
    }
    text.push_str("```\n");
    text
}

#[test]
fn the_documentation_shows_the_query_plans() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    if std::env::var_os("COUNTERSIGN_WRITE_PLANS").is_some() {
        fs::write(&path, document()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == document(),
        "{DOCUMENT} is not what SQLite plans: COUNTERSIGN_WRITE_PLANS=1 writes it anew"
    );
}
