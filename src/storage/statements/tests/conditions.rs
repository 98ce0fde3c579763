//! Finds the conditions in a statement's text and takes them out, one at a time.

/// Where a list of conditions begins.
const OPENERS: [&str; 4] = ["WHERE", "HAVING", "SELECT", "("];
/// Where it ends, if no bracket ends it.
const TERMINATORS: [&str; 12] =
    ["RETURNING", "ORDER", "GROUP", "LIMIT", "ON", "UNION", "FROM", "AS", "HAVING", "WHERE", "THEN", ","];

/// Each condition, with the statement without it: always true among conditions joined by AND, never true among those
/// joined by OR.
pub(super) fn without_one_condition(sql: &str) -> Vec<(String, String)> {
    let tokens = tokens(sql);
    let mut found = Vec::new();
    for (position, (_, opener)) in tokens.iter().enumerate() {
        if !OPENERS.contains(opener) {
            continue;
        }
        if tokens.get(position + 1).is_some_and(|(_, next)| *next == "SELECT") {
            continue;
        }
        let (operands, joiner) = operands(&tokens, position + 1, sql.len());
        // Brackets and select lists without AND and OR hold no conditions.
        if operands.len() < 2 && !matches!(*opener, "WHERE" | "HAVING") {
            continue;
        }
        for (from, to) in operands {
            let condition = sql.get(from..to).unwrap().trim().to_owned();
            let (head, tail) = (sql.get(..from).unwrap(), sql.get(to..).unwrap());
            // The condition stays as text, so that each parameter is still bound.
            let neutral = if joiner == "OR" { "0 AND" } else { "1 OR" };
            let mutant = format!("{head} ({neutral} ({condition})) {tail}");
            found.push((condition, mutant));
        }
    }
    found
}

/// The operands from the token at `position` on, as byte ranges, and what joins them.
fn operands<'a>(tokens: &[(usize, &'a str)], position: usize, end: usize) -> (Vec<(usize, usize)>, &'a str) {
    let mut ranges = Vec::new();
    let mut joiner = "";
    let mut from = tokens.get(position).map_or(end, |(start, _)| *start);
    let mut depth = 0_usize;
    let mut to = end;
    for (start, token) in tokens.iter().skip(position) {
        match *token {
            "(" => depth += 1,
            ")" if depth == 0 => {
                to = *start;
                break;
            }
            ")" => depth -= 1,
            "AND" | "OR" if depth == 0 => {
                assert!(joiner.is_empty() || joiner == *token, "AND and OR need brackets between them");
                joiner = token;
                ranges.push((from, *start));
                from = *start + token.len();
            }
            token if depth == 0 && TERMINATORS.contains(&token) => {
                to = *start;
                break;
            }
            _ => {}
        }
    }
    ranges.push((from, to));
    (ranges, joiner)
}

/// Words, brackets and commas with their positions; quoted texts are one word.
fn tokens(sql: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    let mut characters = sql.char_indices().peekable();
    while let Some((start, character)) = characters.next() {
        let mut end = start + character.len_utf8();
        if character.is_whitespace() {
            continue;
        }
        if !matches!(character, '(' | ')' | ',') {
            let mut quoted = character == '\'';
            while let Some((next, character)) = characters.peek().copied() {
                if !quoted && (character.is_whitespace() || matches!(character, '(' | ')' | ',')) {
                    break;
                }
                if character == '\'' {
                    quoted = !quoted;
                }
                end = next + character.len_utf8();
                characters.next();
            }
        }
        tokens.push((start, sql.get(start..end).unwrap()));
    }
    tokens
}

#[test]
fn conditions_are_found_at_every_depth() {
    let sql = "DELETE FROM a WHERE b = 'x AND y' AND (c = 1 OR d IN (2, 3)) AND EXISTS (SELECT 1 FROM e WHERE f = 1) RETURNING g";
    let found = without_one_condition(sql);
    let conditions: Vec<_> = found.iter().map(|(condition, _)| condition.as_str()).collect();
    assert_eq!(
        conditions,
        [
            "b = 'x AND y'",
            "(c = 1 OR d IN (2, 3))",
            "EXISTS (SELECT 1 FROM e WHERE f = 1)",
            "c = 1",
            "d IN (2, 3)",
            "f = 1",
        ]
    );
    let squeezed = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&found[5].1), squeezed(&sql.replace("f = 1", " (1 OR (f = 1)) ")));
    assert!(squeezed(&found[3].1).contains("( (0 AND (c = 1)) OR"));
}
