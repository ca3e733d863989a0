//! The HTTP side.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use serde_json::{Value, json};
use socketio::{Io, Socket};
use socketio_server::{Denied, Hooks, RequestHead, Sid};

/// The HTTP side.
pub(crate) fn hooks(io: &Io) -> Hooks {
    let ids = AtomicU64::new(0);
    let errors: Arc<Mutex<Vec<Value>>> = Arc::default();
    io.on_sync("connection errors", {
        let errors = Arc::clone(&errors);
        move |_: Socket, ()| std::mem::take(&mut *errors.lock().expect("nobody panics with it"))
    });
    Hooks::new()
        .allow_request(|request: RequestHead| async move {
            match request.query().get("banned") {
                Some(_) => Err(Denied::new("you are banned")),
                None => Ok(()),
            }
        })
        .generate_id(move |_: RequestHead| {
            let id = format!("session-{}", ids.fetch_add(1, Ordering::Relaxed));
            async move { Sid::parse(&id) }
        })
        .initial_headers(|headers, _| drop(headers.insert("x-first", HeaderValue::from_static("1"))))
        .headers(|headers, request| {
            if let Ok(method) = HeaderValue::from_str(request.method().as_str()) {
                headers.insert("x-each", method);
            }
        })
        .connection_error(move |error| {
            let line = json!({ "code": error.code, "message": error.message });
            errors.lock().expect("nobody panics with it").push(line);
        })
}
