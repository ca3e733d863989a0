//! The first namespace.

use engineio::Revision;
use serde_json::{Value, json};

use crate::case::Case;
use crate::cases::writing::{case, eio3, like_reference, ms, script, sio};
use crate::packet::Wire;
use crate::peer::LabPeer;

pub(super) fn connect() -> Vec<Case<LabPeer>> {
    vec![
        case(
            "1.4.1",
            "joins the main namespace",
            "After the open packet, the client sends CONNECT.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
            }),
        )
        .v4(),
        case(
            "1.4.2",
            "waits for the answer to CONNECT before it sends events",
            "Events that the application emits before it is connected come after the answer.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
                peer.silence_for(ms(300)).await?;
                peer.send("40{\"sid\":\"socket-1\"}").await?;
                peer.expect("42[\"early\",1]").await?;
            }),
        )
        .first(&[json!(["emit", "early", 1])])
        .feature("buffer")
        .v4(),
        case(
            "1.4.3",
            "sends the application's auth",
            "CONNECT has the object of the option `auth`.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                let connect = peer.connect_packet("/").await?;
                let seen = connect.data.unwrap_or_default();
                peer.check_same("the auth", &json!({"token": "é", "n": 1}), &seen)?;
            }),
        )
        .options(json!({"auth": {"token": "é", "n": 1}}))
        .v4(),
        case(
            "1.4.4",
            "sends no auth but an object",
            "Without auth, CONNECT has no payload, or an empty object.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                let connect = peer.connect_packet("/").await?;
                peer.check(matches!(&*connect.raw, "" | "{}"), "`40` or `40{}`", format!("`40{}`", connect.raw))?;
            }),
        )
        .v4(),
        case(
            "1.4.5",
            "is connected once CONNECT is answered",
            "The application is told `connect` after the answer to CONNECT, not before.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
                peer.saw_none("connect", ms(300)).await?;
                peer.send("40{\"sid\":\"socket-1\"}").await?;
                peer.saw("connect").await?;
            }),
        )
        .driven()
        .v4(),
        case(
            "1.4.6",
            "waits for a slow answer to CONNECT",
            "An answer to CONNECT that takes a second is taken.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
                peer.pause(ms(1_000)).await;
                peer.send("40{\"sid\":\"socket-1\"}").await?;
                peer.alive().await?;
            }),
        )
        .echo()
        .v4(),
        case(
            "1.4.7",
            "sees that the server is of an older protocol",
            "An answer to CONNECT without a `sid` comes from a server of version 2; the application is told `connect_error`.",
            like_reference("\"It seems you are trying to reach a Socket.IO server in v2.x with a v3.x client\""),
            script!(peer => {
                peer.open().await?;
                peer.connect_packet("/").await?;
                peer.send("40").await?;
                peer.saw("connect_error").await?;
            }),
        )
        .driven()
        .v4()
        .should(),
        case(
            "1.4.8",
            "takes an event right after the answer to CONNECT",
            "An event in the same payload as the answer to CONNECT reaches the application.",
            sio("Sending and receiving data"),
            script!(peer => {
                peer.open().await?;
                let mut packets = vec![Wire::from("42[\"echo\",1]")];
                if peer.revision == Revision::V4 {
                    peer.connect_packet("/").await?;
                    packets.insert(0, Wire::from("40{\"sid\":\"socket-1\"}"));
                } else {
                    packets.insert(0, Wire::from("40"));
                }
                peer.send_all(&packets).await?;
                peer.expect("42[\"echo\",1]").await?;
            }),
        )
        .echo(),
        case(
            "1.4.9",
            "takes the open packet and CONNECT in one payload",
            "The server may send its CONNECT in the same payload as the open packet.",
            eio3("Payload"),
            script!(peer => {
                let request = peer.handshake().await?;
                let open = peer.open_packet();
                peer.answer_handshake_with(request, &open, &[Wire::from("40")]).await?;
                peer.alive().await?;
            }),
        )
        .echo()
        .v3()
        .polling(),
        case(
            "1.4.10",
            "knows its socket's id",
            "The application sees the `sid` of the answer to CONNECT as the socket's id.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.join().await?;
                let args = peer.saw("connect").await?;
                peer.check_same("the id", &json!("socket-1"), args.get(1).unwrap_or(&Value::Null))?;
            }),
        )
        .driven()
        .v4()
        .should(),
    ]
}
