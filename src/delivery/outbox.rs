//! The provider of local development: keeps what a person's phone would show, for `/dev/outbox`.
//!
//! Codes and addresses stand there in clear, which is its purpose, and why no deploy build has it.

use super::content::Content;
use super::provider::{Message, Provider, SendError};
use crate::app::App;
use crate::json::{Json, object};
use crate::platform::{Platform, Statement, StorageError};
use crate::types::Secret;

const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS dev_messages
  (id TEXT PRIMARY KEY, channel TEXT NOT NULL, recipient TEXT NOT NULL, code TEXT, text TEXT NOT NULL,
   sent_at INTEGER NOT NULL)";
const ADD: &str = "\
INSERT OR REPLACE INTO dev_messages (id, channel, recipient, code, text, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const LATEST: &str = "SELECT id, channel, recipient, code, text, sent_at FROM dev_messages ORDER BY sent_at DESC, rowid DESC LIMIT 50";

/// Keeps messages in a table of its own.
#[derive(Debug, Clone, Copy)]
pub struct Outbox;

impl Provider for Outbox {
    async fn send<P: Platform>(
        &self,
        app: &App<P>,
        _from: Option<&str>,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        let batch = vec![
            Statement { sql: CREATE, parameters: Vec::new() },
            Statement {
                sql: ADD,
                parameters: vec![
                    message.id.into(),
                    message.channel.as_str().into(),
                    message.to.expose().into(),
                    message.code.as_ref().map(Secret::expose).into(),
                    read(&message.content).into(),
                    message.now.into(),
                ],
            },
        ];
        match app.platform.batch(batch).await {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(SendError::Retry { reason: "the outbox could not be written".to_owned(), after: None })
            }
        }
    }
}

/// What the person reads, or hears first.
fn read(content: &Content) -> &str {
    match content {
        Content::Text(text) | Content::Mail { text, .. } => text.expose(),
        Content::Speech { sentences, .. } => sentences.first().map_or("", Secret::expose),
    }
}

/// The latest messages as the outbox page shows them, newest first.
pub async fn latest<P: Platform>(app: &App<P>) -> Result<Vec<Json<'static>>, StorageError> {
    let batch = vec![
        Statement { sql: CREATE, parameters: Vec::new() },
        Statement { sql: LATEST, parameters: Vec::new() },
    ];
    let results = app.platform.batch(batch).await?;
    results
        .get(1)
        .into_iter()
        .flatten()
        .map(|row| {
            Ok(object! {
                "id": row.text("id")?.to_owned(),
                "channel": row.text("channel")?.to_owned(),
                "to": row.text("recipient")?.to_owned(),
                "code": row.optional_text("code")?.map(str::to_owned),
                "text": row.text("text")?.to_owned(),
                "sent_at": row.integer("sent_at")?,
            })
        })
        .collect()
}
