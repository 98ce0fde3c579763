//! Reads a template as JSON from standard input, says what is wrong with it as the Worker would, and else what a person
//! would read or hear. `npm run templates` runs it before it stores one.
#![expect(clippy::print_stdout, reason = "a command-line program")]

use std::io::{self, Read};
use std::process::ExitCode;

use countersign::delivery::content::{About, Code, Content, compose};
use countersign::delivery::words::{CODE, choose};
use countersign::delivery::{template, text_message};
use countersign::json::{self, Json};
use countersign::mfa::factor::Kind;
use countersign::mfa::language::Languages;
use countersign::storage::deliveries::Template;
use countersign::types::Secret;

fn main() -> ExitCode {
    let mut given = Vec::new();
    let read = io::stdin().read_to_end(&mut given).ok().and_then(|_| json::parse(&given).ok());
    let Some((template, channel)) = read.as_ref().and_then(template_of) else {
        println!("This is no template.");
        return ExitCode::FAILURE;
    };
    match template::check(&template) {
        Ok(()) => {
            preview(template, channel);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("The template {problem}.");
            ExitCode::FAILURE
        }
    }
}

fn template_of(json: &Json<'_>) -> Option<(Template, Kind)> {
    let text = |name| json.text(name).map(str::to_owned);
    let channel = text("channel")?;
    let kind = Kind::parse(&channel)?;
    let template = Template {
        message: text("message")?,
        channel,
        language: text("language")?,
        subject: text("subject"),
        text: text("text")?,
        html: text("html"),
    };
    Some((template, kind))
}

fn preview(template: Template, channel: Kind) {
    let languages = Languages::read(&template.language);
    let message = template.message.clone();
    let own = [template];
    let digits = Secret::new("123456".to_owned());
    let about = About {
        tenant_name: "Example",
        code: (message == CODE).then_some(Code { digits: &digits, minutes: 5 }),
        domain: "login.example.com",
    };
    let words = choose(&message, Some(Kind::Totp), channel, &languages, "en", &own);
    match compose(channel, &words, &about) {
        Content::Text(text) => {
            let text = text.expose();
            println!("{text}\n");
            match text_message::parts(text) {
                1 => println!("It is sent in one part."),
                parts => println!("It is sent in {parts} parts, each of which is paid for."),
            }
        }
        Content::Speech { language, sentences } => {
            for sentence in &sentences {
                println!("{}", sentence.expose());
            }
            println!("\nIt is read out in {language}.");
        }
        Content::Mail { subject, text, html } => {
            println!("Subject: {subject}\n\n{}\n\n{}", text.expose(), html.expose());
        }
    }
}
