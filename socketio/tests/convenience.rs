//! What applications write, as they write it. That this compiles, without a warning, is the test.

#![deny(warnings)]

use std::sync::Mutex;

use serde_json::json;
use socketio::{
    AckError, Args, Binary, DisconnectReason, Error, Handshake, Io, JoinError, Rest, SendError, Socket, Value,
};

fn serialises(handshake: &Handshake<'_>) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(handshake)
}

#[test]
fn a_room_is_any_string_and_several_are_any_list() {
    async fn handler(socket: Socket, table: String) -> Result<(), Error> {
        socket.join(&table)?;
        socket.join(format!("{table}:2"))?;
        socket.join(["a", "b"])?;
        socket.join(vec![table.clone(), "c".to_owned()])?;
        socket.leave(&table);
        socket.leave(["a", "b"]);
        socket.to(&table).to([&table, "b"]).except(vec!["c"]).emit("news", ())?;
        Ok(())
    }
    let io = Io::new();
    io.on("sit", handler);
    io.to(&["a".to_owned()]).emit("news", json!({ "to": "a" })).expect("it is sent");
}

#[test]
fn handlers_share_state_without_clones_of_their_own() {
    #[derive(Default)]
    struct Scores(Mutex<Vec<u32>>);

    let io = Io::new();
    io.set_state(Scores::default());
    io.on("score", |socket: Socket, points: u32| async move {
        socket.state::<Scores>().0.lock().expect("no handler panics").push(points);
    })
    .on_disconnect(|socket: Socket, _: DisconnectReason| async move {
        println!("{:?}", socket.state::<Scores>().0.lock().map(|scores| scores.len()));
    });
    assert!(io.state::<Scores>().0.lock().expect("no handler panics").is_empty());
}

#[test]
fn a_namespace_can_be_opened_and_forgotten() {
    let io = Io::new();
    io.of("/later");
    io.on("nothing", |_: Socket, ()| async {}).on("nothing", |_, (): ()| async { "replaces the first" });
    assert!(io.namespace("/later").is_some());
}

#[test]
fn arguments_may_be_of_any_json_with_bytes_or_the_rest_unread() {
    let io = Io::new();
    io.on("set", |socket: Socket, (key, value): (String, Value)| async move {
        socket.broadcast().emit("set", (key, value))
    });
    io.on("put", |_: Socket, (name, bytes): (String, Binary)| async move { (name, bytes.len()) });
    io.on("tell", |socket: Socket, (to, Rest(words)): (String, Rest)| async move {
        socket.to(to).emit("told", (1, Rest(words.clone())))?;
        Ok::<_, SendError>(("told", Rest(words)))
    });
    io.on("same", |_: Socket, args: Args| async move { args });
}

#[test]
fn a_question_mark_makes_one_error_of_all() {
    fn mixed() -> Result<(), Error> {
        Err(SendError::Full)?;
        Err(AckError::Timeout)?;
        Err(JoinError::Closed)?;
        let _: u8 = serde_json::from_str("x")?;
        Ok(())
    }
    let io = Io::new();
    io.on("all", |socket: Socket, args: Args| async move {
        let (room, text): (String, String) = args.read()?;
        socket.join(&room)?;
        let shown = serialises(&socket.handshake())?;
        let answer: u8 = socket.emit_with_ack("ask", shown).await?;
        socket.to(&room).emit("said", (text, answer))?;
        Ok::<_, Error>(answer)
    });
    assert!(mixed().is_err());
}
