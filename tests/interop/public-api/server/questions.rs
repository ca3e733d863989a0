//! Acknowledgements of acknowledgements, and events that no handler takes.

use std::time::Duration;

use serde_json::{Value, json};
use socketio::{AckError, AckSender, Args, Binary, Event, Io, Socket, Unhandled};

/// Acknowledgements of acknowledgements.
pub(crate) fn questions(io: &Io) {
    io.on("ask", |socket: Socket, args: Args| async move {
        socket.emit_with_ack::<Args>("question", &args).await.unwrap_or_default()
    })
    // Each answer is the next question, and the last is the answer to it all.
    .on("chain", |socket: Socket, (start, times): (Value, u32)| async move {
        let mut value = start;
        for _ in 0..times {
            value = socket.emit_with_ack("question", &value).await.ok()?;
        }
        Some(value)
    })
    .on("ask for bytes", |socket: Socket, ()| async move {
        match socket.emit_with_ack::<Binary>("question", Binary("abc".into())).await {
            Ok(bytes) => json!({ "len": bytes.len() }),
            Err(error) => json!({ "error": error.to_string() }),
        }
    })
    .on("ask in vain", |socket: Socket, milliseconds: u64| async move {
        let question = socket.emit_with_ack::<Value>("ignored question", ());
        matches!(question.timeout(Duration::from_millis(milliseconds)).await, Err(AckError::Timeout))
    })
    .on_with_ack("answer late", |socket: Socket, (), ack: AckSender| async move {
        socket.emit("before the answer", ack.is_wanted())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        ack.send(("late", Binary("late".into())))
    });
}

/// Events that no handler takes.
pub(crate) fn unhandled(io: &Io) {
    io.of("/answers").on_sync("add", |_: Socket, (a, b): (i64, i64)| a + b).on_unhandled(
        |_: Socket, event: Event, why: Unhandled| async move {
            json!({ "error": format!("{}: {why}", event.name()) })
        },
    );
}
