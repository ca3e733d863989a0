//! The echo application of docs/guide/check.md on socketioxide and axum. It prints the address that it listens on.

use std::fmt;

use axum::Router;
use rmpv::Value;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeTuple as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};

/// All arguments of an event: socketioxide takes what serde calls a tuple for all, and anything else for the first.
struct Args(Vec<Value>);

impl<'de> Deserialize<'de> for Args {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Args, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Args;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut args: A) -> Result<Args, A::Error> {
                let mut all = Vec::new();
                while let Some(arg) = args.next_element()? {
                    all.push(arg);
                }
                Ok(Args(all))
            }
        }
        deserializer.deserialize_tuple(usize::MAX, All)
    }
}

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|arg| tuple.serialize_element(arg))?;
        tuple.end()
    }
}

#[tokio::main]
async fn main() {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", echo);
    io.ns("/custom", echo);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("to listen");
    println!("http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, Router::new().layer(layer)).await.expect("to serve");
}

async fn echo(socket: SocketRef, Data(auth): Data<Option<Value>>) {
    let nothing = Value::Map(Vec::new());
    let _ = socket.emit("auth", &auth.unwrap_or(nothing));
    socket.on("message", async |socket: SocketRef, Data::<Args>(args)| {
        let _ = socket.emit("message-back", &args);
    });
    socket.on("message-with-ack", async |Data::<Args>(args), ack: AckSender| {
        let _ = ack.send(&args);
    });
}
