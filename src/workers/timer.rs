//! Waiting.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::Promise;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::WorkerGlobalScope;

/// Is done after some milliseconds. Dropped before, it leaves nothing behind that could still fire.
pub(super) struct Timer {
    id: i32,
    fired: JsFuture,
}

impl Timer {
    pub(super) fn start(milliseconds: u32) -> Self {
        let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
        let mut id = 0;
        let fired = Promise::new(&mut |resolve, _| {
            let started =
                scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
            id = started.unwrap_or_default();
        });
        Self { id, fired: JsFuture::from(fired) }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.fired).poll(context).map(|_| ())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        scope().clear_timeout_with_handle(self.id);
    }
}

/// The global object, as what it is in a Worker.
pub(super) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
