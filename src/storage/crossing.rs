//! Parameters and rows of D1 as they cross between wasm and JavaScript: JSON. `batch` of `src/workers/glue.js` is the other
//! side.

use crate::json::{self, Json};
use crate::platform::{Row, Statement, StorageError, Value};

/// A list for each statement. D1 takes no BigInt, so integers go as JavaScript's numbers; all of ours are far below 2^53.
#[must_use]
pub fn parameters(statements: &[Statement]) -> String {
    Json::Array(statements.iter().map(list).collect()).write()
}

fn list(statement: &Statement) -> Json<'_> {
    let value = |value| match value {
        &Value::Null => Json::Null,
        &Value::Integer(number) => Json::Integer(number),
        Value::Text(text) => Json::from(text),
    };
    Json::Array(statement.parameters.iter().map(value).collect())
}

/// The rows of each statement: texts, whole numbers and nulls, for nothing else is stored.
///
/// # Errors
/// [`StorageError::UnexpectedShape`] for anything else.
pub fn read(results: &str) -> Result<Vec<Vec<Row>>, StorageError> {
    let Ok(Json::Array(results)) = json::parse(results.as_bytes()) else {
        return Err(StorageError::UnexpectedShape("the results"));
    };
    results.into_iter().map(rows).collect()
}

fn rows(result: Json<'_>) -> Result<Vec<Row>, StorageError> {
    let Json::Array(rows) = result else { return Err(StorageError::UnexpectedShape("a result")) };
    rows.into_iter().map(row).collect()
}

fn row(row: Json<'_>) -> Result<Row, StorageError> {
    let Json::Object(members) = row else { return Err(StorageError::UnexpectedShape("a row")) };
    let mut values = Vec::with_capacity(members.len());
    for (name, value) in members {
        let value = match value {
            Json::Null => Value::Null,
            Json::Integer(number) => Value::Integer(number),
            Json::Text(text) => Value::Text(text.into_owned()),
            _ => return Err(StorageError::UnexpectedShape("a value's type")),
        };
        values.push((name.into_owned(), value));
    }
    Ok(Row(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_a_list_for_each_statement() {
        let statement = |parameters| Statement { sql: "SELECT 1", parameters };
        let statements = [
            statement(vec!["a\0\"\n".into(), Value::Null, Value::Integer(-5), true.into()]),
            statement(Vec::new()),
        ];
        assert_eq!(parameters(&statements), r#"[["a\u0000\"\n",null,-5,1],[]]"#);
        assert_eq!(parameters(&[]), "[]");
    }

    #[test]
    fn rows_are_read_by_name_and_in_order() {
        let results = read(r#"[[{"id":"x","n":7,"none":null},{"id":"y","n":0,"none":null}],[]]"#).unwrap();
        assert_eq!(results.len(), 2);
        assert_eq!(results[0][1].text("id"), Ok("y"));
        assert_eq!(results[0][0].integer("n"), Ok(7));
        assert_eq!(results[0][0].optional_text("none"), Ok(None));
        assert!(results[1].is_empty());
    }

    #[test]
    fn what_is_never_stored_is_no_row() {
        for results in
            ["", "null", "{}", "[null]", "[[1]]", r#"[[{"a":1.5}]]"#, r#"[[{"a":true}]]"#, r#"[[{"a":[]}]]"#]
        {
            assert!(matches!(read(results), Err(StorageError::UnexpectedShape(_))), "{results}");
        }
    }
}
