//! The pages of local development: the demo at `/` and the outbox, which stands for a person's phone. Behind the
//! cargo feature `development`, which no deploy build has.

use crate::app::App;
use crate::delivery::outbox;
use crate::endpoints::Failure;
use crate::http::request::Request;
use crate::http::response::{Dialect, Response};
use crate::json::object;
use crate::platform::Platform;

/// Nothing inline, nothing from elsewhere; the demo issuer is another port of this machine.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self' http://localhost:* http://127.0.0.1:*; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The demo.
    Demo,
    /// Its style, which the outbox shares.
    Style,
    /// Its script.
    DemoScript,
    /// The outbox, as a page or with `?format=json`.
    Outbox,
    /// The outbox page's script.
    OutboxScript,
}

impl Page {
    /// The page at `path`.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Demo),
            "/dev/page.css" => Some(Self::Style),
            "/dev/page.js" => Some(Self::DemoScript),
            "/dev/outbox" => Some(Self::Outbox),
            "/dev/outbox.js" => Some(Self::OutboxScript),
            _ => None,
        }
    }

    /// The page, or the outbox as JSON.
    pub async fn respond<P: Platform>(self, app: &App<P>, request: &Request) -> Response {
        match self {
            Self::Demo => page("text/html; charset=utf-8", include_str!("page/index.html")),
            Self::Style => page("text/css; charset=utf-8", include_str!("page/page.css")),
            Self::DemoScript => page("text/javascript; charset=utf-8", include_str!("page/page.js")),
            Self::OutboxScript => page("text/javascript; charset=utf-8", include_str!("page/outbox.js")),
            Self::Outbox if request.query.split('&').any(|parameter| parameter == "format=json") => {
                match outbox::latest(app).await {
                    Ok(messages) => Response::json(Dialect::OAuth, &object! { "messages": messages }),
                    Err(error) => {
                        Response::error(Dialect::OAuth, &Failure::from(error).into_wire(app, request))
                    }
                }
            }
            Self::Outbox => page("text/html; charset=utf-8", include_str!("page/outbox.html")),
        }
    }
}

fn page(content_type: &'static str, text: &str) -> Response {
    Response::new(200, content_type, text.to_owned())
        .with_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        .with_header("Referrer-Policy", "no-referrer")
}
