//! Parameters and rows of D1 as they cross: JSON.

use crate::json::{self, Json};
use crate::platform::{Row, Statement, StorageError, Value};

/// A list for each statement. D1 takes no BigInt, so integers go as JavaScript's numbers; all of ours are far below 2^53.
pub(super) fn parameters(statements: &[Statement]) -> String {
    let value = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Integer(number) => Json::Integer(*number),
        Value::Text(text) => Json::from(text),
    };
    let list = |statement: &Statement| Json::Array(statement.parameters.iter().map(value).collect());
    Json::Array(statements.iter().map(list).collect()).write()
}

/// The rows of each statement: texts, whole numbers and nulls, for nothing else is stored.
pub(super) fn read(results: &str) -> Result<Vec<Vec<Row>>, StorageError> {
    let Ok(Json::Array(results)) = json::parse(results.as_bytes()) else {
        return Err(StorageError::UnexpectedShape("the results"));
    };
    results.into_iter().map(rows).collect()
}

fn rows(result: Json) -> Result<Vec<Row>, StorageError> {
    let Json::Array(rows) = result else { return Err(StorageError::UnexpectedShape("a result")) };
    rows.into_iter().map(row).collect()
}

fn row(row: Json) -> Result<Row, StorageError> {
    let Json::Object(members) = row else { return Err(StorageError::UnexpectedShape("a row")) };
    let mut values = Vec::with_capacity(members.len());
    for (name, value) in members {
        let value = match value {
            Json::Null => Value::Null,
            Json::Integer(number) => Value::Integer(number),
            Json::Text(text) => Value::Text(text),
            _ => return Err(StorageError::UnexpectedShape("a value's type")),
        };
        values.push((name.into_owned(), value));
    }
    Ok(Row(values))
}
