//! Group 8: several namespaces in one session.

use engineio::Revision;
use serde_json::{Value, json};

use super::writing::{case, docs, like_reference, ms, script, sio};
use crate::case::Case;
use crate::peer::{LabPeer, Result};

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [one(), several(), refused(), names()].into_iter().flatten().collect()
}

/// The client's only namespace is another than the main one.
async fn join_only(peer: &mut LabPeer, nsp: &str) -> Result<crate::packet::SocketIoPacket> {
    peer.open().await?;
    if peer.revision == Revision::V3 {
        peer.send("40").await?;
    }
    peer.let_in_to(nsp).await
}

/// The client is in the main namespace, and joins another.
async fn join_both(peer: &mut LabPeer, nsp: &str) -> Result {
    peer.join().await?;
    peer.act(json!(["connect", nsp])).await?;
    peer.let_in_to(nsp).await.map(drop)
}

fn one() -> Vec<Case<LabPeer>> {
    let admin = json!({"namespace": "/admin"});
    vec![
        case(
            "8.1.1",
            "joins the namespace that the application names",
            "The client sends CONNECT for its namespace.",
            sio("Connection to a namespace"),
            script!(peer => {
                join_only(peer, "/admin").await?;
            }),
        )
        .options(admin.clone()),
        case(
            "8.1.2",
            "doesn't join the main namespace unasked",
            "A client of another namespace sends no CONNECT for the main one.",
            sio("Connection to a namespace"),
            script!(peer => {
                peer.open().await?;
                peer.let_in_to("/admin").await?;
                peer.silence_for(ms(300)).await?;
            }),
        )
        .options(admin.clone())
        .v4(),
        case(
            "8.1.3",
            "receives and sends events in its namespace",
            "An event of a namespace has the namespace's name, in both directions.",
            sio("Sending and receiving data"),
            script!(peer => {
                join_only(peer, "/admin").await?;
                peer.echo_text("42/admin,[\"echo\",1]", "42/admin,[\"echo\",1]").await?;
            }),
        )
        .options(admin.clone()),
        case(
            "8.1.4",
            "sends its auth to its namespace",
            "CONNECT for a namespace has the auth.",
            sio("Connection to a namespace"),
            script!(peer => {
                let connect = join_only(peer, "/admin").await?;
                peer.check_same("the auth", &json!({"token": "x"}), &connect.data.unwrap_or_default())?;
            }),
        )
        .options(json!({"namespace": "/admin", "auth": {"token": "x"}}))
        .v4(),
        case(
            "8.1.5",
            "hears no other namespace's events",
            "An event of another namespace doesn't reach the application.",
            sio("Sending and receiving data"),
            script!(peer => {
                join_only(peer, "/admin").await?;
                peer.send("42/other,[\"echo\",\"not for you\"]").await?;
                peer.echo_text("42/admin,[\"echo\",1]", "42/admin,[\"echo\",1]").await?;
            }),
        )
        .options(admin.clone()),
        case(
            "8.1.6",
            "acknowledges in its namespace",
            "An acknowledgement has the namespace's name.",
            sio("Acknowledgement"),
            script!(peer => {
                join_only(peer, "/admin").await?;
                peer.echo_text("42/admin,7[\"ack\",1]", "43/admin,7[1]").await?;
            }),
        )
        .options(admin.clone()),
        case(
            "8.1.7",
            "is told that it is in",
            "The application is told `connect` once its namespace has answered.",
            sio("Connection to a namespace"),
            script!(peer => {
                join_only(peer, "/admin").await?;
                peer.saw("connect").await?;
            }),
        )
        .options(admin.clone()),
        case(
            "8.1.8",
            "sends binary in its namespace",
            "An event with attachments has the namespace's name after their number.",
            sio("Packet encoding"),
            script!(peer => {
                join_only(peer, "/admin").await?;
                let args = [json!({"_placeholder": true, "num": 0})];
                peer.send_attached("/admin,", "echo", &args, &[&[1, 2]]).await?;
                let packet = peer.expect_attached("echo", &args, &[&[1, 2]]).await?;
                peer.check(packet.nsp == "/admin", "the namespace `/admin`", packet.nsp)?;
            }),
        )
        .options(admin),
    ]
}

fn several() -> Vec<Case<LabPeer>> {
    vec![
        case("8.2.1", "joins several namespaces in one session", "A second namespace needs no second session.", docs("multiplex"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.pause(ms(300)).await;
            peer.check(peer.seen.handshakes == 1, "one session", format!("{} sessions", peer.seen.handshakes))?;
        }))
        .driven(),
        case("8.2.2", "keeps the namespaces apart", "Events of each namespace are answered in it.", sio("Introduction"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.echo_text("42/more,[\"echo\",1]", "42/more,[\"echo\",1]").await?;
            peer.echo_text("42[\"echo\",2]", "42[\"echo\",2]").await?;
        }))
        .driven(),
        case("8.2.3", "leaves one namespace and stays in the other", "A disconnect by the application sends DISCONNECT for that namespace.", sio("Disconnection from a namespace"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.act(json!(["disconnect", "/more"])).await?;
            let packet = peer.socket_packet("a DISCONNECT for /more").await?;
            peer.check(packet.kind == 1 && packet.nsp == "/more", "a DISCONNECT for /more", format!("{} for {}", packet.name(), packet.nsp))?;
            peer.alive().await?;
        }))
        .driven(),
        case("8.2.4", "stays in one namespace when it is put out of the other", "DISCONNECT ends one namespace only.", sio("Disconnection from a namespace"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.send("41/more,").await?;
            peer.saw("disconnect").await?;
            peer.alive().await?;
        }))
        .driven(),
        case("8.2.5", "joins a namespace again", "After DISCONNECT the application can join again, in the same session.", docs("socket.connect()"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.send("41/more,").await?;
            peer.saw("disconnect").await?;
            peer.act(json!(["connect", "/more"])).await?;
            peer.let_in_to("/more").await?;
            peer.echo_text("42/more,[\"echo\",1]", "42/more,[\"echo\",1]").await?;
        }))
        .driven()
        .should(),
        case("8.2.6", "loses all namespaces with the session", "The end of the session ends each namespace.", docs("Event: 'disconnect'"), script!(peer => {
            join_both(peer, "/more").await?;
            peer.pause(ms(100)).await;
            peer.drop_connection_and_forget().await;
            peer.saw("disconnect").await?;
            peer.saw("disconnect").await?;
        }))
        .driven(),
    ]
    .into_iter()
    .map(|case| case.feature("multiplex"))
    .collect()
}

fn refused() -> Vec<Case<LabPeer>> {
    vec![
        case("8.3.1", "is told of a refusal", "After CONNECT_ERROR the application is told `connect_error` with the message.", sio("Connection to a namespace"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/").await?;
            peer.send("44{\"message\":\"not you\"}").await?;
            let args = peer.saw("connect_error").await?;
            peer.check_same("the message", &json!("not you"), args.first().unwrap_or(&Value::Null))?;
        }))
        .driven()
        .v4(),
        case("8.3.2", "is told of a refusal's data", "The application sees the data of CONNECT_ERROR.", sio("Connection to a namespace"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/").await?;
            peer.send("44{\"message\":\"not you\",\"data\":{\"code\":7}}").await?;
            let args = peer.saw("connect_error").await?;
            peer.check_same("the data", &json!({"code": 7}), args.get(1).unwrap_or(&Value::Null))?;
        }))
        .driven()
        .v4()
        .should(),
        case("8.3.3", "is told of another namespace's refusal", "CONNECT_ERROR of a namespace reaches the application that asked for it.", sio("Connection to a namespace"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/admin").await?;
            peer.send("44/admin,{\"message\":\"Invalid namespace\"}").await?;
            let args = peer.saw("connect_error").await?;
            peer.check_same("the message", &json!("Invalid namespace"), args.first().unwrap_or(&Value::Null))?;
        }))
        .options(json!({"namespace": "/admin"}))
        .v4(),
        case("8.3.4", "sends nothing to a namespace that refused it", "What was emitted before is not sent after CONNECT_ERROR.", sio("Connection to a namespace"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/").await?;
            peer.send("44{\"message\":\"no\"}").await?;
            peer.saw("connect_error").await?;
            peer.silence_for(ms(400)).await?;
        }))
        .first(&[json!(["emit", "early", 1])])
        .v4(),
        case("8.3.5", "stays in one namespace if another refuses it", "A refusal by one namespace doesn't end the others.", sio("Connection to a namespace"), script!(peer => {
            peer.join().await?;
            peer.act(json!(["connect", "/more"])).await?;
            peer.connect_packet("/more").await?;
            match peer.revision {
                Revision::V3 => peer.send("44/more,\"no\"").await?,
                Revision::V4 => peer.send("44/more,{\"message\":\"no\"}").await?,
            };
            peer.pause(ms(100)).await;
            peer.seen.end = None;
            peer.alive().await?;
        }))
        .driven()
        .feature("multiplex"),
        case("8.3.6", "isn't connected while CONNECT isn't answered", "Without an answer to CONNECT the application isn't told `connect`.", sio("Connection to a namespace"), script!(peer => {
            peer.open().await?;
            peer.connect_packet("/").await?;
            peer.saw_none("connect", ms(1_000)).await?;
        }))
        .driven()
        .v4(),
        case("8.3.7", "lives through a second answer to CONNECT", "An answer to CONNECT that comes twice does no harm.", crate::case::Source::Safety, script!(peer => {
            peer.join().await?;
            peer.send("40{\"sid\":\"socket-2\"}").await?;
            peer.ends_or_works().await?;
        }))
        .echo()
        .v4()
        .robust(),
        case("8.3.8", "ignores packets of a namespace that it doesn't know", "A packet for a namespace that the client isn't in is ignored.", like_reference("a packet may cross a disconnect"), script!(peer => {
            peer.join().await?;
            for text in ["42/unknown,[\"echo\",1]", "41/unknown,", "43/unknown,1[]"] {
                peer.send(text).await?;
            }
            peer.alive().await?;
        }))
        .echo(),
    ]
}

/// Names with all kinds of characters.
const NAMES: [(&str, &str, &str); 5] = [
    ("8.4.1", "joins a namespace with slashes", "/a/b/c"),
    ("8.4.2", "joins a namespace with dashes, dots and digits", "/a-b_c.1"),
    ("8.4.3", "joins a namespace with letters of any language", "/über-日本"),
    ("8.4.4", "joins a namespace with a colon", "/a:b"),
    ("8.4.5", "joins a namespace that begins with a digit", "/1-2"),
];

fn names() -> Vec<Case<LabPeer>> {
    let one = |(id, title, name): (&'static str, &'static str, &str)| {
        let level = if id == "8.4.1" || id == "8.4.2" {
            Case::options
        } else {
            |case: Case<LabPeer>, options| case.options(options).should()
        };
        let made = case(
            id,
            title,
            "A namespace may have any name that begins with a slash and has no comma.",
            sio("Packet encoding"),
            script!(peer => {
                let name = NAMES.iter().find(|(id, ..)| *id == peer.id).map_or("/", |(.., name)| *name);
                join_only(peer, name).await?;
                let text = format!("42{name},[\"echo\",1]");
                peer.echo_text(&text, &text).await?;
            }),
        );
        level(made, json!({"namespace": name})).v4()
    };
    NAMES.into_iter().map(one).collect()
}
