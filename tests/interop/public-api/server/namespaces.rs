//! Namespaces that clients bring into being, and that go with the last of them.

use serde_json::Value;
use socketio::{Io, Namespace, PatternError, Socket};

/// Namespaces that clients bring into being, and that go with the last of them.
pub(crate) fn namespaces(io: &Io) -> Result<(), PatternError> {
    let welcome = |socket: Socket| async move {
        let name = socket.namespace().name().to_owned();
        socket.emit("welcome", name)
    };
    let tables = io.of_pattern(r"^/table-\d+$")?;
    tables.on_connect(welcome).on_sync("tell all tables", {
        let tables = tables.clone();
        move |_: Socket, words: Value| tables.emit("told", words)
    });
    io.of_dynamic(|name, auth: Value| async move { name == "/by-key" && auth["key"] == 42 })
        .on_connect(welcome);
    let (listed, opened, closed) = (io.clone(), io.clone(), io.clone());
    io.on_sync("tables", move |_: Socket, ()| {
        let namespaces = listed.namespaces();
        let names = namespaces.iter().map(Namespace::name).filter(|name| name.starts_with("/table-"));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    })
    .on_sync("open", move |_: Socket, name: String| drop(opened.of(&name)))
    .on_sync("close", move |_: Socket, name: String| closed.remove_namespace(&name));
    Ok(())
}
