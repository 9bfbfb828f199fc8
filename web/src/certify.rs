//! The quick form of a certification: which promises the browser's device keeps.

use std::rc::Rc;

use lastbit_core::arithmetic;
use lastbit_core::certify::{self, Adapter, Certificate, Event, Settings};
use lastbit_core::device::{AdapterChoice, Context};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

use crate::fault::Fault;

/// Checks the promises of the browser's device, in a minute or two on a software adapter. Calls `on_event` with JSON (`CertifyEvent` in
/// `www/src/messages.ts`) as it goes. Returns the certificate: the JSON that `lastbit certify` writes, in one line. wgpu does not pass on what
/// a browser says about its adapter, so the caller names it: `name` and `driver`, and whether it is `software`. `date` is `YYYY-MM-DD`.
///
/// # Errors
/// A device error, as those of [`crate::Lab`].
#[wasm_bindgen]
pub async fn certify(
    name: String,
    driver: String,
    software: bool,
    date: String,
    on_event: js_sys::Function,
) -> Result<String, JsValue> {
    let send = |event: Value| {
        // An error of the listener is its own.
        let _ = on_event.call1(&JsValue::NULL, &event.to_string().into());
    };
    let context = Rc::new(Context::new(&AdapterChoice::Best).await.map_err(Fault::from)?);
    let arithmetic = arithmetic::probe(&context).await.map_err(Fault::from)?;
    send(json!({ "kind": "arithmetic", "class": arithmetic.class, "subnormals": arithmetic.subnormals }));
    let mut adapter = Adapter { name, driver, ..Adapter::from(context.adapter()) };
    if software {
        adapter.kind = "Cpu".to_owned();
    }
    let settings = Settings { quick: true, ..Settings::default() };
    let mut certificate = Certificate::new(adapter, arithmetic, settings.quick, date);
    let mut listen = |event: Event<'_>| match event {
        Event::Subject(name) => send(json!({ "kind": "subject", "name": name })),
        Event::Promise(promise) => {
            send(json!({ "kind": "promise", "promise": promise }));
            certificate.promises.push(promise);
        }
    };
    certify::run(&context, arithmetic, &settings, &mut listen).await.map_err(Fault::from)?;
    certificate.finish();
    Ok(serde_json::to_string(&certificate).map_err(Fault::config)?)
}
