//! What worker-build's entry script asks of an instance: whether it has trapped and is to be replaced.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// Where the note is kept: outside of the instance, which it outlives.
const NOTE: &str = "__worker_init_state";

/// Has panics noted and logged. They end in a trap, which carries no text and, in deferred work, is seen by nobody.
#[wasm_bindgen(start)]
fn start() {
    std::panic::set_hook(Box::new(|panic| {
        set(&note(), "criticalError", &JsValue::TRUE);
        web_sys::console::error_1(&JsValue::from_str(&panic.to_string()));
    }));
}

/// The object in which the entry script looks before each event, and writes itself.
#[wasm_bindgen(js_name = "__worker_init_state")]
pub fn note() -> Object {
    let global = js_sys::global();
    match Reflect::get(&global, &JsValue::from_str(NOTE)) {
        Ok(note) if note.is_object() => note.unchecked_into(),
        _ => {
            let note = Object::new();
            set(&note, "criticalError", &JsValue::FALSE);
            set(&note, "instanceId", &0.into());
            set(&global, NOTE, &note);
            note
        }
    }
}

fn set(object: &Object, member: &str, value: &JsValue) {
    // These objects take every member.
    let _ = Reflect::set(object, &JsValue::from_str(member), value);
}
