use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use engineio::Transport;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, oneshot};

use super::*;
use crate::testing::{BUDGET, Peer};
use crate::{AckError, AckSender, Args, Binary, JoinError, SendError};

/// What handlers did, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An application that logs connects, `e` events with their number, and ends.
fn logging() -> (Io, Log) {
    let (io, log) = (Io::new(), Log::default());
    log_handlers(&io.of("/"), &log);
    (io, log)
}

fn log_handlers(namespace: &Namespace, log: &Log) {
    let (connect, event, end) = (log.clone(), log.clone(), log.clone());
    namespace
        .on_connect(move |_| {
            connect.add("connect");
            async {}
        })
        .on_sync("e", move |_, number: i64| event.add(format!("e {number}")))
        .on_disconnect(move |_, reason| {
            end.add(reason.as_str());
            async {}
        });
}

fn socket(io: &Io, nsp: &str) -> Socket {
    let sockets = io.of(nsp).sockets();
    assert_eq!(sockets.len(), 1);
    sockets[0].clone()
}

/// Lets other tasks run until a line is in the log.
async fn until(log: &Log, line: &str) {
    let logged = async {
        while !log.0.lock().unwrap().iter().any(|logged| logged == line) {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(10);
    assert!(tokio::time::timeout(limit, logged).await.is_ok(), "{line} is not in {:?}", log.take());
}

mod connecting {
    use super::*;

    #[tokio::test]
    async fn connect_is_answered_with_an_id_that_is_not_the_sid() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        assert!(peer.take().is_empty(), "nothing is sent before CONNECT");
        peer.send("0");
        let id = socket(&io, "/").id().to_owned();
        assert_eq!(peer.next(), format!(r#"0{{"sid":"{id}"}}"#));
        assert_eq!(id.len(), 20);
        assert_ne!(id, peer.sid.as_str());
    }

    #[tokio::test]
    async fn the_reply_goes_out_before_on_connect_runs() {
        let io = Io::new();
        io.of("/").on_connect(|socket| async move { socket.emit("welcome", ()) });
        let mut peer = Peer::open(&io);
        peer.send("0");
        let sent = peer.take();
        assert!(sent[0].starts_with("0{"), "{sent:?}");
        assert_eq!(sent[1..], [r#"2["welcome"]"#]);
    }

    #[tokio::test]
    async fn each_namespace_is_a_socket_of_its_own() {
        let io = Io::new();
        io.of("/x").on_sync("where", |socket, ()| socket.namespace().name().to_owned());
        io.of("/").on_sync("where", |socket, ()| socket.namespace().name().to_owned());
        let mut peer = Peer::join(&io);
        peer.send("0/x,");
        let id = socket(&io, "/x").id().to_owned();
        assert_eq!(peer.next(), format!(r#"0/x,{{"sid":"{id}"}}"#));
        assert_ne!(socket(&io, "/").id(), id);
        peer.send(r#"2/x,1["where"]"#);
        peer.send(r#"21["where"]"#);
        assert_eq!(peer.take(), [r#"3/x,1["/x"]"#, r#"31["/"]"#]);
    }

    #[tokio::test]
    async fn the_handshake_has_the_request_and_the_auth() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        peer.send(r#"0{"token":"a","n":[1]}"#);
        let socket = socket(&io, "/");
        let handshake = socket.handshake();
        assert_eq!(handshake.auth_json(), r#"{"token":"a","n":[1]}"#);
        assert_eq!(handshake.auth::<Value>().unwrap(), json!({"token": "a", "n": [1]}));
        assert!(handshake.auth::<Vec<i32>>().is_err());
        assert_eq!(handshake.headers.get("user-agent"), Some("test"));
        assert_eq!(handshake.query().get("t").as_deref(), Some("1"));
        assert_eq!(handshake.address.unwrap().port(), 50_000);
        assert!(!handshake.secure && handshake.url.starts_with("/socket.io/"));

        let mut peer = Peer::open(&io);
        peer.send("0");
        let other = io.of("/").sockets().into_iter().find(|other| *other != socket).unwrap();
        assert_eq!(other.handshake().auth_json(), "{}");
    }

    #[tokio::test]
    async fn an_unknown_namespace_is_refused_and_the_session_goes_on() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        peer.send("0/nope,");
        assert_eq!(peer.next(), r#"4/nope,{"message":"Invalid namespace"}"#);
        peer.send("0/x?token=abc,");
        assert_eq!(peer.next(), r#"4/x?token=abc,{"message":"Invalid namespace"}"#);
        assert_eq!(peer.close_requested(), None);
        peer.send("0");
        assert!(peer.next().starts_with("0{"));
    }

    #[tokio::test]
    async fn a_namespace_created_later_can_be_joined() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        peer.send("0/later,");
        assert!(peer.next().starts_with("4/later,"));
        let _ = io.of("later");
        peer.send("0/later,");
        assert!(peer.next().starts_with("0/later,{"));
    }

    #[tokio::test]
    async fn a_session_that_joins_nothing_ends_after_the_connect_timeout() {
        let (io, log) = logging();
        let mut peer = Peer::open(&io);
        assert_eq!(peer.deadline(), Some(Duration::from_secs(45)));
        peer.send("0/nope,");
        peer.take();
        peer.advance(Duration::from_millis(44_999));
        peer.poll();
        assert_eq!(peer.close_requested(), None);
        peer.advance(Duration::from_millis(1));
        peer.poll();
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
        assert!(log.take().is_empty());
    }

    #[tokio::test]
    async fn a_session_that_joined_once_has_no_connect_timeout() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        assert_eq!(peer.deadline(), None);
        peer.send("1");
        assert_eq!(peer.deadline(), None);
    }

    #[tokio::test]
    async fn a_repeated_connect_replaces() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        let first = socket(&io, "/");
        peer.send("0");
        assert!(peer.next().starts_with("0{"));
        let second = socket(&io, "/");
        assert_ne!(first, second);
        assert_eq!(log.take(), ["connect", "client namespace disconnect", "connect"]);
        assert!(!first.is_connected() && second.is_connected());
        assert_eq!(first.closed().await, DisconnectReason::ClientNamespaceDisconnect);
        peer.send(r#"2["e",1]"#);
        assert_eq!(log.take(), ["e 1"]);
    }

    #[tokio::test]
    async fn of_pipelined_connects_one_socket_lives() {
        let (io, _) = logging();
        let mut peer = Peer::open(&io);
        for _ in 0..3 {
            peer.send("0");
        }
        assert_eq!(peer.take().len(), 3);
        assert_eq!(io.of("/").socket_count(), 1);
        assert_eq!(peer.close_requested(), None);
    }

    #[tokio::test]
    async fn more_namespaces_than_the_limit_are_refused() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        for n in 0..100 {
            let _ = io.of(&format!("/n{n}"));
            peer.send(&format!("0/n{n},"));
        }
        let sent = peer.take();
        assert!(sent[63].starts_with("0/n63,{"), "{}", sent[63]);
        assert_eq!(sent[64], r#"4/n64,{"message":"Too many namespaces"}"#);
        assert_eq!(sent.len(), 100);
    }

    #[tokio::test]
    async fn connecting_over_and_over_cannot_pile_up_sockets() {
        let io = Io::new();
        io.of("/").on_connect(|_| std::future::pending::<()>());
        let mut peer = Peer::open(&io);
        for _ in 0..1000 {
            peer.send("0");
        }
        let accepted = peer.take().iter().filter(|packet| packet.starts_with("0{")).count();
        assert_eq!(accepted, 128);
    }

    #[tokio::test]
    async fn refused_names_are_not_all_remembered() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        for n in 0..10_000 {
            peer.send(&format!("0/n{n},"));
            assert!(peer.next().starts_with("4/n"));
        }
        assert_eq!(peer.client.departed.0.len(), 64);
    }
}

mod middlewares {
    use super::*;

    #[tokio::test]
    async fn middlewares_run_in_order_and_the_first_error_refuses() {
        let (io, log) = logging();
        let (first, third) = (log.clone(), log.clone());
        io.of("/")
            .middleware(move |_| {
                first.add("first");
                async { Ok(()) }
            })
            .middleware(|socket: Socket| async move {
                match socket.handshake().auth::<Value>() {
                    Ok(auth) if auth["ok"] == true => Ok(()),
                    _ => Err(ConnectError::new("nope").with_data(json!({"a": 1}))),
                }
            })
            .middleware(move |_| {
                third.add("third");
                async { Ok(()) }
            });
        let mut peer = Peer::open(&io);
        peer.send("0");
        assert_eq!(peer.next(), r#"4{"message":"nope","data":{"a":1}}"#);
        assert_eq!(log.take(), ["first"]);
        assert_eq!(io.of("/").socket_count(), 0);
        assert_eq!(peer.close_requested(), None);
        assert!(peer.deadline().is_some(), "the connect timeout still runs");

        peer.send(r#"0{"ok":true}"#);
        assert!(peer.next().starts_with("0{"));
        assert_eq!(log.take(), ["first", "third", "connect"]);
    }

    #[tokio::test]
    async fn an_error_without_data_has_none() {
        let io = Io::new();
        io.of("/mw").middleware(|_| async { Err("nope".into()) });
        let mut peer = Peer::open(&io);
        peer.send("0/mw,");
        assert_eq!(peer.next(), r#"4/mw,{"message":"nope"}"#);
    }

    /// `/` has a middleware that waits for the permit, one for each connect.
    fn waiting() -> (Io, Log, Arc<Notify>) {
        let (io, log) = logging();
        let permit = Arc::new(Notify::new());
        let wait = Arc::clone(&permit);
        io.of("/").middleware(move |_| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                Ok(())
            }
        });
        (io, log, permit)
    }

    #[tokio::test]
    async fn events_wait_for_a_pending_namespace() {
        let (io, log, permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send(r#"2["e",1]"#);
        peer.send(r#"2["e",2]"#);
        assert!(peer.take().is_empty() && log.take().is_empty());
        permit.notify_one();
        assert!(peer.receive().await[0].starts_with("0{"));
        assert_eq!(log.take(), ["connect", "e 1", "e 2"]);
        assert_eq!(peer.client.link.backlog(), 0);
    }

    #[tokio::test]
    async fn what_waits_for_a_pending_namespace_is_bounded() {
        let (io, _, _permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send("0");
        let large = format!(r#"2["e","{}"]"#, "x".repeat(1_000_000));
        for _ in 0..10 {
            peer.send(&large);
            assert!(!peer.mailbox.is_closed());
        }
        peer.send(&large);
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
        assert_eq!(peer.client.link.backlog(), 0);
    }

    #[tokio::test]
    async fn of_two_connects_while_a_middleware_runs_one_socket_comes() {
        let (io, log, permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send(r#"0{"n":1}"#);
        peer.send(r#"0{"n":2}"#);
        permit.notify_one();
        permit.notify_one();
        peer.receive().await;
        tokio::task::yield_now().await;
        peer.poll();
        assert!(peer.take().is_empty());
        assert_eq!(socket(&io, "/").handshake().auth_json(), r#"{"n":2}"#);
        assert_eq!(log.take(), ["connect"], "the discarded one was never connected");
    }

    #[tokio::test]
    async fn a_disconnect_discards_a_pending_connect() {
        let (io, log, permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send("1");
        permit.notify_one();
        peer.woken().await;
        assert!(peer.take().is_empty() && log.take().is_empty());
        assert_eq!(io.of("/").socket_count(), 0);
    }

    #[tokio::test]
    async fn a_violation_discards_a_pending_connect() {
        let (io, log, permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send("7");
        permit.notify_one();
        tokio::task::yield_now().await;
        peer.poll();
        assert!(peer.take().is_empty() && log.take().is_empty());
        assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
        assert!(log.take().is_empty());
    }

    #[tokio::test]
    async fn the_sessions_end_discards_a_pending_connect() {
        let (io, log, permit) = waiting();
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.close(CloseReason::TransportClose);
        permit.notify_one();
        tokio::task::yield_now().await;
        peer.poll();
        assert!(log.take().is_empty());
        assert_eq!(io.of("/").socket_count(), 0);
    }

    #[tokio::test]
    async fn a_socket_under_middleware_can_be_told_nothing_and_is_in_no_room() {
        let (io, log) = logging();
        let seen = log.clone();
        io.of("/").middleware(move |socket| {
            seen.add(format!("{:?} {:?}", socket.emit("e", ()).is_err(), socket.join("r")));
            socket.insert("kept");
            async { Ok(()) }
        });
        let mut peer = Peer::join(&io);
        assert_eq!(log.take(), ["true Err(Closed)", "connect"]);
        assert_eq!(socket(&io, "/").get::<&str>().as_deref(), Some(&"kept"));
        assert!(peer.take().is_empty());
    }

    #[tokio::test]
    async fn a_middleware_that_panics_refuses() {
        let io = Io::new();
        io.of("/").middleware(|_| async { panic!("on purpose") });
        io.of("/later").middleware(|_| async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        });
        let mut peer = Peer::open(&io);
        peer.send("0");
        assert_eq!(peer.next(), r#"4{"message":"Internal error"}"#);
        peer.send("0/later,");
        assert_eq!(peer.receive().await, [r#"4/later,{"message":"Internal error"}"#]);
    }
}

mod violations {
    use super::*;

    #[tokio::test]
    async fn malformed_packets_end_the_session_with_parse_error() {
        let (io, log) = logging();
        for text in [
            "",
            "7",
            "0[1]",
            "0\"x\"",
            "0null",
            "2",
            "2{}",
            "2[]",
            "2[null]",
            "2[\"connect\"]",
            "2[\"connect_error\"]",
            "2[\"disconnect\"]",
            "2[\"disconnecting\"]",
            "2[\"newListener\"]",
            "2[\"removeListener\"]",
            "1{}",
            "2 [",
            "21.5[",
            "51e1-[\"e\"]",
            "50x1-[\"e\"]",
            "5+1-[\"e\"]",
            "5 1-[\"e\"]",
            "5-[\"e\"]",
            "50-[\"e\"]",
            "511-[\"e\"]",
            "51-[\"e\",{\"_placeholder\":true,\"num\":1}]",
            "51-[\"e\",{\"_placeholder\":true}]",
        ] {
            let mut peer = Peer::join(&io);
            assert_eq!(peer.sending_closes(text), Some(CloseReason::ParseError), "{text}");
            assert_eq!(log.take(), ["connect", "parse error"], "{text}");
        }
    }

    #[tokio::test]
    async fn packets_out_of_place_end_the_session_with_forced_close() {
        let (io, log) = logging();
        let _ = io.of("/x");
        for text in ["2[\"e\",1]", "31[]", "1", "2/x,[\"e\"]", "2/nope,[\"e\"]"] {
            let mut peer = Peer::open(&io);
            assert_eq!(peer.sending_closes(text), Some(CloseReason::ForcedClose), "{text} before CONNECT");
        }
        for text in ["2/x,[\"e\"]", "1/x,", "3/x,1[]", "4{\"message\":\"x\"}", "4\"x\""] {
            let mut peer = Peer::join(&io);
            assert_eq!(peer.sending_closes(text), Some(CloseReason::ForcedClose), "{text}");
            assert_eq!(log.take(), ["connect", "forced close"]);
        }
    }

    #[tokio::test]
    async fn a_packet_after_the_clients_own_disconnect_ends_the_session() {
        let (io, _) = logging();
        let mut peer = Peer::join(&io);
        peer.send("1");
        assert_eq!(peer.close_requested(), None);
        assert_eq!(peer.sending_closes("2[\"e\",1]"), Some(CloseReason::ForcedClose));
    }

    #[tokio::test]
    async fn nothing_is_handled_after_a_violation() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        peer.send("7");
        peer.send(r#"2["e",1]"#);
        peer.send("0");
        peer.send_binary(b"x");
        assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
        assert!(peer.take().is_empty());
        assert_eq!(log.take(), ["connect", "parse error"]);
    }

    #[tokio::test]
    async fn text_and_binary_out_of_turn_end_the_session() {
        let (io, _) = logging();
        let mut peer = Peer::join(&io);
        peer.send_binary(b"x");
        assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
        let mut peer = Peer::join(&io);
        peer.send(r#"51-["e",{"_placeholder":true,"num":0}]"#);
        assert_eq!(peer.sending_closes(r#"2["e",1]"#), Some(CloseReason::ParseError));
    }

    #[tokio::test]
    async fn attachments_that_do_not_come_end_the_session() {
        let (io, _) = logging();
        let mut peer = Peer::join(&io);
        peer.send(r#"51-["e",{"_placeholder":true,"num":0}]"#);
        assert_eq!(peer.deadline(), Some(Duration::from_secs(10)));
        peer.advance(Duration::from_secs(10));
        peer.poll();
        assert_eq!(peer.close_requested(), Some(CloseReason::ParseError));
    }

    #[tokio::test]
    async fn packets_that_cross_our_disconnect_are_ignored() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        socket(&io, "/").disconnect(false);
        peer.send(r#"2["e",1]"#);
        peer.poll();
        assert_eq!(peer.next(), "1");
        for text in ["2[\"e\",1]", "31[]", "1"] {
            peer.send(text);
        }
        assert_eq!(peer.close_requested(), None);
        assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
        peer.send("0");
        assert!(peer.next().starts_with("0{"));
        peer.send(r#"2["e",2]"#);
        assert_eq!(log.take(), ["connect", "e 2"]);
    }

    #[tokio::test]
    async fn packets_that_cross_our_refusal_are_ignored() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        peer.send("0/nope,");
        peer.send("2/nope,[\"e\"]");
        assert_eq!(peer.close_requested(), None);
        assert_eq!(peer.sending_closes("2/other,[\"e\"]"), Some(CloseReason::ForcedClose));
    }

    #[tokio::test]
    async fn a_client_that_was_refused_once_is_held_to_the_rules_again_when_it_has_joined() {
        let (io, _) = logging();
        let mut peer = Peer::open(&io);
        peer.send("0/x,");
        let _ = io.of("/x");
        peer.send("0/x,");
        peer.send("1/x,");
        assert_eq!(peer.close_requested(), None);
        assert_eq!(peer.sending_closes("2/x,[\"e\"]"), Some(CloseReason::ForcedClose));
    }

    #[tokio::test]
    async fn a_bystander_does_not_notice() {
        let (io, log) = logging();
        let mut bystander = Peer::join(&io);
        let mut offender = Peer::join(&io);
        offender.send("2{}");
        assert!(offender.close_requested().is_some());
        log.take();
        bystander.send(r#"2["e",1]"#);
        assert_eq!(log.take(), ["e 1"]);
        assert!(!bystander.mailbox.is_closed());
    }
}

mod revision_3 {
    use super::*;

    fn open(io: &Io) -> Peer {
        Peer::open_with(io, Revision::V3)
    }

    #[tokio::test]
    async fn a_session_is_in_the_main_namespace_from_the_start() {
        let (io, log) = logging();
        let mut peer = open(&io);
        assert_eq!(peer.next(), "0");
        assert_eq!(log.take(), ["connect"]);
        let socket = socket(&io, "/");
        assert_eq!(socket.id(), peer.sid.as_str());
        assert_eq!(socket.handshake().auth_json(), "{}");
        peer.send(r#"2["e",1]"#);
        assert_eq!(log.take(), ["e 1"]);
    }

    #[tokio::test]
    async fn a_connect_to_the_main_namespace_is_ignored() {
        let (io, log) = logging();
        let mut peer = open(&io);
        peer.take();
        peer.send("0");
        assert!(peer.take().is_empty());
        assert_eq!(peer.close_requested(), None);
        assert_eq!(log.take(), ["connect"]);
    }

    #[tokio::test]
    async fn other_namespaces_have_ids_with_their_name_and_auth_from_the_query() {
        let io = Io::new();
        let _ = io.of("/x");
        let mut peer = open(&io);
        peer.take();
        peer.send("0/x?token=a%20b&n=1,");
        assert_eq!(peer.next(), "0/x,");
        let socket = socket(&io, "/x");
        assert_eq!(socket.id(), format!("/x#{}", peer.sid));
        assert_eq!(socket.handshake().auth::<Value>().unwrap(), json!({"token": "a b", "n": "1"}));
    }

    #[tokio::test]
    async fn a_refusal_is_the_data_or_the_message() {
        let io = Io::new();
        io.of("/data").middleware(|_| async { Err(ConnectError::new("nope").with_data(json!({"a": 1}))) });
        io.of("/mw").middleware(|_| async { Err("nope".into()) });
        let mut peer = open(&io);
        peer.take();
        for nsp in ["/data", "/mw", "/unknown"] {
            peer.send(&format!("0{nsp},"));
        }
        assert_eq!(
            peer.take(),
            [r#"4/data,{"a":1}"#, r#"4/mw,"nope""#, r#"4/unknown,{"message":"Invalid namespace"}"#]
        );
    }

    #[tokio::test]
    async fn events_wait_for_the_main_namespaces_middleware() {
        let (io, log) = logging();
        let permit = Arc::new(Notify::new());
        let wait = Arc::clone(&permit);
        io.of("/").middleware(move |_| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                Ok(())
            }
        });
        let mut peer = open(&io);
        peer.send(r#"2["e",1]"#);
        peer.send("0");
        assert!(peer.take().is_empty());
        permit.notify_one();
        assert_eq!(peer.receive().await, ["0"]);
        assert_eq!(log.take(), ["connect", "e 1"]);
    }

    #[tokio::test]
    async fn a_socket_that_ended_cannot_touch_the_rooms_of_its_successor() {
        let io = Io::new();
        let _ = io.of("/x");
        let mut peer = open(&io);
        peer.send("0/x,");
        let old = socket(&io, "/x");
        peer.send("0/x,");
        let new = socket(&io, "/x");
        assert_eq!(old.id(), new.id());
        new.join("r").unwrap();
        assert_eq!(old.join("s"), Err(JoinError::Closed));
        old.leave("r");
        assert_eq!(*new.rooms(), ["r".into()]);
        assert!(old.rooms().is_empty());
    }
}

mod events {
    use super::*;

    #[tokio::test]
    async fn what_a_handler_returns_is_the_acknowledgement() {
        let io = Io::new();
        io.of("/")
            .on("add", |_, (a, b): (i64, i64)| async move { a + b })
            .on("pair", |_, ()| async { ("a", [1]) })
            .on("nothing", |_, ()| async {})
            .on("result", |_, ok: bool| async move { if ok { Ok(1) } else { Err("no") } })
            .on("emits", |socket, ()| async move { socket.broadcast().emit("x", ()) })
            .on("option", |_, some: bool| async move { some.then_some(1) })
            .on("reads", |_, args: Args| async move { args.read::<(i32, i32)>().map(|(a, b)| a + b) })
            .on_sync("sync", |_, text: String| text.to_uppercase());
        let mut peer = Peer::join(&io);
        for (event, ack) in [
            (r#"21["add",1,2]"#, "31[3]"),
            (r#"22["pair"]"#, r#"32["a",[1]]"#),
            (r#"23["nothing"]"#, "33[]"),
            (r#"24["result",true]"#, "34[1]"),
            (r#"25["result",false]"#, r#"35["no"]"#),
            (r#"26["emits"]"#, "36[]"),
            (r#"27["sync","é"]"#, r#"37["É"]"#),
            (r#"21["option",true]"#, "31[1]"),
            (r#"22["option",false]"#, "32[null]"),
            (r#"23["reads",1,2]"#, "33[3]"),
            (r#"24["reads",1,"b"]"#, r#"34["argument 1: invalid type: string \"b\", expected i32"]"#),
        ] {
            peer.send(event);
            assert_eq!(peer.next(), ack);
        }
        peer.send(r#"2["add",1,2]"#);
        assert!(peer.take().is_empty(), "the client did not ask");
    }

    #[tokio::test]
    async fn arguments_are_sent_back_as_they_came_binary_included() {
        let io = Io::new();
        io.of("/")
            .on("message", |socket: Socket, args: Args| async move { socket.emit("message-back", args) })
            .on_sync("message-with-ack", |_, args: Args| args);
        let mut peer = Peer::join(&io);
        peer.send(r#"2["message",1,"\u00e9",{"a":[true,null]}]"#);
        assert_eq!(peer.next(), r#"2["message-back",1,"\u00e9",{"a":[true,null]}]"#);
        peer.send(r#"52-["message",{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}]"#);
        peer.send_binary(b"one");
        peer.send_binary(b"two");
        let placeholders = r#"{"_placeholder":true,"num":0},{"x":{"_placeholder":true,"num":1}}"#;
        assert_eq!(peer.take(), [&format!(r#"52-["message-back",{placeholders}]"#), "b:one", "b:two"]);
        peer.send(r#"51-7["message-with-ack",{"_placeholder":true,"num":0}]"#);
        peer.send_binary(b"x");
        assert_eq!(peer.take(), [r#"61-7[{"_placeholder":true,"num":0}]"#, "b:x"]);
    }

    #[tokio::test]
    async fn binary_is_found_at_any_depth() {
        #[derive(serde::Deserialize, serde::Serialize)]
        struct Picture {
            name: String,
            layers: Vec<Binary>,
        }
        let io = Io::new();
        io.of("/").on_sync("picture", |_, picture: Picture| Picture {
            name: picture.name.to_uppercase(),
            layers: picture.layers.into_iter().rev().collect(),
        });
        let mut peer = Peer::join(&io);
        let layers = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        peer.send(&format!(r#"52-1["picture",{{"name":"a","layers":{layers}}}]"#));
        peer.send_binary(b"one");
        peer.send_binary(b"two");
        assert_eq!(peer.take(), [&format!(r#"62-1[{{"name":"A","layers":{layers}}}]"#), "b:two", "b:one"]);
    }

    #[tokio::test]
    async fn arguments_that_do_not_fit_do_not_run_the_handler() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        peer.send(r#"21["e","one"]"#);
        peer.send(r#"2["e",2]"#);
        assert_eq!(log.take(), ["connect", "e 2"]);
        assert!(peer.take().is_empty());
        assert_eq!(peer.close_requested(), None);
    }

    #[tokio::test]
    async fn an_event_without_a_handler_is_ignored() {
        let (io, _) = logging();
        let mut peer = Peer::join(&io);
        peer.send(r#"21["nobody",1]"#);
        peer.send(r#"2["__proto__",{"__proto__":1,"constructor":2}]"#);
        assert!(peer.take().is_empty());
        assert_eq!(peer.close_requested(), None);
    }

    #[tokio::test]
    async fn connection_and_error_are_events_like_others() {
        let (io, log) = logging();
        let seen = log.clone();
        io.of("/").on_sync("connection", move |_, ()| seen.add("connection"));
        let mut peer = Peer::join(&io);
        peer.send(r#"2["connection"]"#);
        peer.send(r#"2["error"]"#);
        assert_eq!(log.take(), ["connect", "connection"]);
    }

    #[tokio::test]
    async fn a_numeric_event_name_is_its_text() {
        let io = Io::new();
        io.of("/").on_sync("5", |_, n: i64| n + 1);
        let mut peer = Peer::join(&io);
        peer.send("20[5,1]");
        assert_eq!(peer.next(), "30[2]");
    }

    #[tokio::test]
    async fn a_handler_may_register_another() {
        let io = Io::new();
        let inner = io.clone();
        io.of("/").on_sync("learn", move |_, name: String| {
            inner.of("/").on_sync(&name, |_, ()| "learned");
        });
        let mut peer = Peer::join(&io);
        peer.send(r#"2["learn","x"]"#);
        peer.send(r#"21["x"]"#);
        assert_eq!(peer.next(), r#"31["learned"]"#);
    }

    #[test]
    #[should_panic(expected = "reserved event")]
    fn a_reserved_name_cannot_be_handled() {
        Io::new().of("/").on_sync("disconnect", |_, ()| {});
    }

    #[tokio::test]
    async fn an_acknowledgement_can_be_sent_later_and_once() {
        let io = Io::new();
        let (kept, mut acks) = mpsc::unbounded_channel::<AckSender>();
        io.of("/").on_with_ack("later", move |_, (), ack| {
            kept.send(ack).unwrap();
            async {}
        });
        let mut peer = Peer::join(&io);
        peer.send(r#"29["later"]"#);
        peer.send(r#"2["later"]"#);
        assert!(peer.take().is_empty());
        let (asked, unasked) = (acks.recv().await.unwrap(), acks.recv().await.unwrap());
        assert!(asked.is_wanted() && !unasked.is_wanted());
        asked.send(("done", 1)).unwrap();
        unasked.send(2).unwrap();
        assert_eq!(peer.take(), [r#"39["done",1]"#]);

        peer.send(r#"29["later"]"#);
        let asked = acks.recv().await.unwrap();
        peer.send("1");
        assert!(matches!(asked.send(()), Err(SendError::Closed)));
    }

    #[tokio::test]
    async fn an_emit_that_cannot_be_sent_says_why() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        assert!(matches!(socket.emit("disconnect", ()), Err(SendError::ReservedEvent)));
        let map = std::collections::BTreeMap::from([(vec![1], 1)]);
        assert!(matches!(socket.emit("e", map), Err(SendError::Serialize(_))));
        assert!(peer.take().is_empty());

        let large = "x".repeat(BUDGET);
        socket.emit("large", &large).unwrap();
        assert!(matches!(socket.emit("e", ()), Err(SendError::Full)));
        let mut ready = tokio_test_poll(socket.ready());
        assert!(ready.poll().is_pending());
        assert_eq!(peer.take().len(), 1);
        assert!(ready.poll().is_ready());
        socket.emit("e", ()).unwrap();

        peer.close(CloseReason::TransportClose);
        assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
        assert!(matches!(socket.ready().await, Err(SendError::Closed)));
    }

    #[tokio::test]
    async fn a_volatile_event_is_sent_only_if_it_can_be_written_at_once() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        peer.woken().await;
        socket.volatile().emit("v", 1).unwrap();
        socket.volatile().emit("v", 2).unwrap();
        assert_eq!(peer.take(), [r#"2["v",1]"#]);
        io.volatile().emit("v", 3).unwrap();
        io.emit("e", 4).unwrap();
        io.volatile().emit("v", 5).unwrap();
        assert_eq!(peer.take(), [r#"2["v",3]"#, r#"2["e",4]"#]);
    }

    #[tokio::test]
    async fn an_event_and_its_attachments_are_one_entry() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let binary = || Binary(Bytes::from_static(b"x"));
        io.emit("a", (binary(), binary())).unwrap();
        io.emit("b", ()).unwrap();
        let sent = peer.take();
        assert_eq!(sent[1..], ["b:x", "b:x", r#"2["b"]"#]);
    }

    /// A future to poll by hand.
    fn tokio_test_poll<F: Future>(future: F) -> ByHand<F> {
        ByHand(Box::pin(future))
    }

    struct ByHand<F>(std::pin::Pin<Box<F>>);

    impl<F: Future> ByHand<F> {
        fn poll(&mut self) -> Poll<F::Output> {
            self.0.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        }
    }
}

mod acks {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_as_the_type_awaited() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let first = socket.emit_with_ack::<String>("q", 1);
        let second = socket.emit_with_ack::<(i32, Option<i32>)>("q", 2);
        let binary = socket.emit_with_ack::<Binary>("q", Binary::from(&b"x"[..]));
        let args = socket.emit_with_ack::<Args>("q", ());
        assert_eq!(
            peer.take(),
            [
                r#"20["q",1]"#,
                r#"21["q",2]"#,
                r#"51-2["q",{"_placeholder":true,"num":0}]"#,
                "b:x",
                r#"23["q"]"#
            ]
        );
        peer.send("31[5]");
        peer.send(r#"30["a"]"#);
        peer.send(r#"61-2[{"_placeholder":true,"num":0}]"#);
        peer.send_binary(b"y");
        peer.send(r#"33[1, {"a":2}]"#);
        assert_eq!(first.await.unwrap(), "a");
        assert_eq!(second.await.unwrap(), (5, None));
        assert_eq!(&*binary.await.unwrap(), b"y");
        assert_eq!(args.await.unwrap().json(), r#"1, {"a":2}"#);
        assert_eq!(socket.pending_acks().len(), 0);
    }

    #[tokio::test]
    async fn ids_count_in_the_namespace() {
        let io = Io::new();
        let (mut a, mut b) = (Peer::join(&io), Peer::join(&io));
        let mut waiting = Vec::new();
        for socket in io.of("/").sockets() {
            waiting.push(socket.emit_with_ack::<()>("q", ()));
        }
        let mut sent = [a.next(), b.next()];
        sent.sort();
        assert_eq!(sent, [r#"20["q"]"#, r#"21["q"]"#]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_times_out() {
        let io = Io::new();
        let _peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let start = tokio::time::Instant::now();
        assert!(matches!(socket.emit_with_ack::<()>("q", ()).await, Err(AckError::Timeout)));
        assert_eq!(start.elapsed().as_secs(), 10);
        let short = socket.emit_with_ack::<()>("q", ()).timeout(Duration::from_millis(50));
        assert!(matches!(short.await, Err(AckError::Timeout)));
        assert_eq!(start.elapsed().as_millis(), 10_050);
        assert_eq!(socket.pending_acks().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn late_duplicate_unknown_and_idless_answers_are_ignored() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let late = socket.emit_with_ack::<i32>("q", ());
        assert!(matches!(late.await, Err(AckError::Timeout)));
        peer.send("30[1]");
        let answered = socket.emit_with_ack::<i32>("q", ());
        peer.send("31[1]");
        peer.send("31[2]");
        peer.send("399[3]");
        peer.send("3[4]");
        assert_eq!(answered.await.unwrap(), 1);
        assert_eq!(peer.close_requested(), None);
        assert_eq!(socket.pending_acks().len(), 0);
    }

    #[tokio::test]
    async fn another_sockets_id_answers_nothing() {
        let io = Io::new();
        let mut asked = Peer::join(&io);
        let socket = socket(&io, "/");
        let mut other = Peer::join(&io);
        let answer = socket.emit_with_ack::<i32>("q", ());
        other.send("30[666]");
        asked.send("30[1]");
        assert_eq!(answer.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_disconnect_ends_the_wait() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let waiting = socket.emit_with_ack::<()>("q", ());
        peer.send("1");
        assert_eq!(socket.pending_acks().len(), 0);
        assert!(matches!(waiting.await, Err(AckError::Disconnected)));
        let late = socket.emit_with_ack::<()>("q", ()).await;
        assert!(matches!(late, Err(AckError::Send(SendError::Closed))));
    }

    #[tokio::test]
    async fn an_ack_that_is_dropped_or_not_sent_leaves_no_entry() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        drop(socket.emit_with_ack::<()>("q", ()));
        assert_eq!(socket.pending_acks().len(), 0);
        socket.emit("large", "x".repeat(BUDGET)).unwrap();
        let full = socket.emit_with_ack::<()>("q", ()).await;
        assert!(matches!(full, Err(AckError::Send(SendError::Full))));
        assert_eq!(socket.pending_acks().len(), 0);
        peer.take();
    }

    #[tokio::test]
    async fn an_answer_of_another_type_is_an_error() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let answer = socket(&io, "/").emit_with_ack::<i32>("q", ());
        peer.send(r#"30["text"]"#);
        assert!(matches!(answer.await, Err(AckError::Args(error)) if error.index() == 0));
    }

    #[tokio::test]
    async fn the_answers_awaited_from_one_socket_are_bounded() {
        let io = Io::new();
        let _peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let waiting: Vec<_> = (0..1024).map(|n| socket.emit_with_ack::<()>("q", n)).collect();
        assert!(matches!(socket.emit_with_ack::<()>("q", ()).await, Err(AckError::TooManyPending)));
        drop(waiting);
        assert_eq!(socket.pending_acks().len(), 0);
    }

    #[tokio::test]
    async fn on_connect_can_await_an_answer() {
        let (io, log) = logging();
        let seen = log.clone();
        io.of("/").on_connect(move |socket| {
            let seen = seen.clone();
            async move {
                let name: String = socket.emit_with_ack("name?", ()).await.unwrap();
                seen.add(name);
            }
        });
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send(r#"2["e",1]"#);
        assert_eq!(peer.take()[1], r#"20["name?"]"#);
        let socket = socket(&io, "/");
        peer.send(r#"30["Ann"]"#);
        until(&log, "e 1").await;
        assert_eq!(log.take(), ["Ann", "e 1"]);
        assert!(socket.is_connected());
    }
}

mod handlers {
    use super::*;

    /// An application whose `wait` handlers log their start, then wait for their permit, then log their end.
    fn waiting(limit: usize) -> (Io, Log, Arc<Notify>) {
        let io = Io::with_config(Config { max_running_handlers: limit, ..Config::default() });
        let (log, permit) = (Log::default(), Arc::new(Notify::new()));
        log_handlers(&io.of("/"), &log);
        let (seen, wait) = (log.clone(), Arc::clone(&permit));
        io.of("/").on("wait", move |_, n: i64| {
            let (seen, wait) = (seen.clone(), Arc::clone(&wait));
            async move {
                seen.add(format!("start {n}"));
                wait.notified().await;
                seen.add(format!("end {n}"));
                n
            }
        });
        (io, log, permit)
    }

    fn bug() {
        panic!("on purpose");
    }

    #[tokio::test]
    async fn handlers_start_in_the_order_of_arrival_and_do_not_block_each_other() {
        let (io, log, permit) = waiting(256);
        let mut peer = Peer::join(&io);
        for n in 1..=3 {
            peer.send(&format!(r#"2{n}["wait",{n}]"#));
        }
        peer.send(r#"2["e",4]"#);
        assert_eq!(log.take(), ["connect", "start 1", "start 2", "start 3", "e 4"]);
        permit.notify_waiters();
        tokio::task::yield_now().await;
        permit.notify_waiters();
        until(&log, "end 3").await;
        let mut acks = peer.take();
        acks.sort();
        assert_eq!(acks, ["31[1]", "32[2]", "33[3]"]);
    }

    #[tokio::test]
    async fn handlers_that_are_done_at_once_do_not_count_as_running() {
        let (io, log, _permit) = waiting(2);
        let mut peer = Peer::join(&io);
        for n in 1..=5 {
            peer.send(&format!(r#"2["e",{n}]"#));
        }
        assert_eq!(log.take(), ["connect", "e 1", "e 2", "e 3", "e 4", "e 5"]);
    }

    #[tokio::test]
    async fn events_beyond_the_running_handlers_wait_their_turn() {
        let (io, log, permit) = waiting(2);
        let mut peer = Peer::join(&io);
        for n in 1..=4 {
            peer.send(&format!(r#"2["wait",{n}]"#));
        }
        peer.send(r#"2["e",5]"#);
        assert_eq!(log.take(), ["connect", "start 1", "start 2"]);
        assert!(peer.client.link.backlog() > 0);
        tokio::task::yield_now().await;
        permit.notify_one();
        until(&log, "start 3").await;
        assert_eq!(log.take(), ["end 1", "start 3"]);
        permit.notify_one();
        until(&log, "start 4").await;
        permit.notify_one();
        until(&log, "e 5").await;
        assert_eq!(peer.client.link.backlog(), 0);
    }

    #[tokio::test]
    async fn acks_and_disconnect_pass_events_that_wait() {
        let (io, log, permit) = waiting(1);
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        peer.send(r#"2["wait",1]"#);
        peer.send(r#"2["e",2]"#);
        let answer = socket.emit_with_ack::<i32>("q", ());
        peer.send("30[7]");
        assert_eq!(answer.await.unwrap(), 7);
        peer.send("1");
        assert!(!socket.is_connected());
        assert_eq!(log.take(), ["connect", "start 1"]);
        permit.notify_one();
        until(&log, "client namespace disconnect").await;
        assert_eq!(log.take(), ["end 1", "e 2", "client namespace disconnect"]);
    }

    #[tokio::test]
    async fn a_full_backlog_ends_the_session() {
        let (io, _, _permit) = waiting(1);
        let mut peer = Peer::join(&io);
        peer.send(r#"2["wait",1]"#);
        let large = format!(r#"2["e","{}"]"#, "x".repeat(1_000_000));
        for _ in 0..10 {
            peer.send(&large);
            assert!(!peer.mailbox.is_closed());
        }
        peer.send(&large);
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    }

    #[tokio::test]
    async fn events_and_the_end_wait_for_on_connect() {
        let (io, log) = logging();
        let permit = Arc::new(Notify::new());
        let (seen, wait) = (log.clone(), Arc::clone(&permit));
        io.of("/").on_connect(move |_| {
            let (seen, wait) = (seen.clone(), Arc::clone(&wait));
            async move {
                wait.notified().await;
                seen.add("connect");
            }
        });
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send(r#"2["e",1]"#);
        peer.send("1");
        peer.close(CloseReason::TransportClose);
        assert!(log.take().is_empty());
        permit.notify_one();
        until(&log, "client namespace disconnect").await;
        assert_eq!(log.take(), ["connect", "e 1", "client namespace disconnect"]);
    }

    #[tokio::test]
    async fn the_upgrade_is_told_in_its_place_behind_on_connect() {
        let (io, log) = logging();
        let permit = Arc::new(Notify::new());
        let (seen, upgraded, wait) = (log.clone(), log.clone(), Arc::clone(&permit));
        io.on_connect(move |socket: Socket| {
            let (seen, wait) = (seen.clone(), Arc::clone(&wait));
            async move {
                let own = seen.clone();
                socket.on_upgrade(move |_: Socket| {
                    own.add("own upgrade");
                    async {}
                });
                wait.notified().await;
                seen.add(format!("connect on {}", socket.transport().as_str()));
            }
        })
        .on_upgrade(move |socket: Socket| {
            upgraded.add(format!("upgrade of {}", socket.namespace().name()));
            async {}
        });
        let mut peer = Peer::open(&io);
        peer.send("0");
        let socket = socket(&io, "/");
        assert_eq!(socket.transport(), Transport::Polling);
        peer.send(r#"2["e",1]"#);
        peer.client.upgraded();
        peer.send(r#"2["e",2]"#);
        assert_eq!(socket.transport(), Transport::WebSocket);
        assert!(log.take().is_empty());
        permit.notify_one();
        until(&log, "e 2").await;
        assert_eq!(log.take(), ["connect on websocket", "e 1", "own upgrade", "upgrade of /", "e 2"]);
        peer.send("1");
        assert_eq!(log.take(), ["client namespace disconnect"], "it has not ended before");
    }

    #[tokio::test]
    async fn a_disconnect_does_not_cancel_a_running_handler() {
        let (io, log, permit) = waiting(256);
        let mut peer = Peer::join(&io);
        peer.send(r#"21["wait",1]"#);
        peer.close(CloseReason::PingTimeout);
        assert_eq!(log.take(), ["connect", "start 1", "ping timeout"]);
        permit.notify_one();
        until(&log, "end 1").await;
        assert!(peer.take().is_empty());
    }

    #[tokio::test]
    async fn a_panic_ends_that_socket_alone() {
        let (io, log) = logging();
        let _ = io.of("/other");
        io.of("/").on("now", |_, ()| async { bug() }).on_sync("sync", |_, ()| bug()).on(
            "later",
            |_, ()| async {
                tokio::task::yield_now().await;
                bug();
            },
        );
        let mut bystander = Peer::join(&io);
        for event in ["now", "sync", "later"] {
            let mut peer = Peer::join(&io);
            peer.send("0/other,");
            peer.take();
            peer.send(&format!(r#"21["{event}"]"#));
            assert_eq!(peer.receive().await, ["1"], "{event}");
            assert_eq!(log.take().last().unwrap(), "server namespace disconnect");
            assert_eq!(peer.close_requested(), None);
            peer.send("0");
            assert!(peer.next().starts_with("0{"));
            peer.close(CloseReason::TransportClose);
            log.take();
        }
        bystander.send(r#"2["e",1]"#);
        assert_eq!(log.take(), ["e 1"]);
    }

    #[tokio::test]
    async fn a_panic_in_on_connect_ends_the_socket_and_its_end_is_told() {
        let (io, log) = logging();
        io.of("/").on_connect(|_| async { bug() });
        let mut peer = Peer::open(&io);
        peer.send("0");
        peer.send(r#"2["e",1]"#);
        peer.poll();
        let sent = peer.take();
        assert!(sent[0].starts_with("0{"));
        assert_eq!(sent[1..], ["1"]);
        assert_eq!(log.take(), ["server namespace disconnect"]);
    }

    #[tokio::test]
    async fn a_panic_while_arguments_are_read_ends_that_socket() {
        struct Bomb;
        impl<'de> serde::Deserialize<'de> for Bomb {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Bomb, D::Error> {
                panic!("on purpose")
            }
        }
        let (io, log) = logging();
        io.of("/").on_sync("bomb", |_, _: Bomb| {});
        let mut peer = Peer::join(&io);
        peer.send(r#"2["bomb",1]"#);
        peer.poll();
        assert_eq!(peer.next(), "1");
        assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
    }

    #[tokio::test]
    async fn whom_the_server_put_out_is_not_heard_any_more() {
        let (io, log, permit) = waiting(1);
        let mut peer = Peer::join(&io);
        peer.send(r#"2["wait",1]"#);
        peer.send(r#"2["e",2]"#);
        socket(&io, "/").disconnect(false);
        peer.poll();
        assert_eq!(peer.next(), "1");
        permit.notify_one();
        until(&log, "end 1").await;
        tokio::task::yield_now().await;
        assert_eq!(log.take(), ["connect", "start 1", "server namespace disconnect", "end 1"]);
        assert_eq!(peer.client.link.backlog(), 0);
    }

    #[tokio::test]
    async fn an_acknowledgement_that_cannot_be_sent_ends_the_session() {
        let (io, _) = logging();
        let mut peer = Peer::join(&io);
        socket(&io, "/").emit("large", "x".repeat(BUDGET)).unwrap();
        peer.send(r#"21["e",1]"#);
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
    }
}

mod ending {
    use super::*;

    #[tokio::test]
    async fn a_socket_ends_with_the_reason_of_its_session() {
        for reason in [
            CloseReason::TransportError,
            CloseReason::TransportClose,
            CloseReason::ForcedClose,
            CloseReason::ForcedServerClose,
            CloseReason::PingTimeout,
            CloseReason::ParseError,
            CloseReason::ServerShuttingDown,
        ] {
            let (io, log) = logging();
            let mut peer = Peer::join(&io);
            let socket = socket(&io, "/");
            peer.close(reason);
            assert_eq!(log.take(), ["connect", reason.as_str()]);
            assert_eq!(socket.closed().await.as_str(), reason.as_str());
            assert_eq!(io.of("/").socket_count(), 0);
        }
    }

    #[tokio::test]
    async fn the_end_is_told_once_and_with_the_rooms_that_were() {
        let (io, log) = logging();
        let (seen, after) = (log.clone(), log.clone());
        io.of("/")
            .on_disconnecting(move |socket, reason| {
                seen.add(format!("{:?} {reason}", socket.rooms()));
                async {}
            })
            .on_disconnect(move |socket, reason| {
                after.add(format!("after {:?} {reason}", socket.rooms()));
                async {}
            });
        let mut peer = Peer::join(&io);
        socket(&io, "/").join("a").unwrap();
        log.take();
        peer.send("1");
        peer.close(CloseReason::TransportClose);
        assert_eq!(
            log.take(),
            [r#"["a"] client namespace disconnect"#, r#"after ["a"] client namespace disconnect"#]
        );
        assert!(io.within("a").sockets().is_empty());
    }

    #[tokio::test]
    async fn disconnect_leaves_one_namespace_and_disconnect_true_ends_the_session() {
        let (io, log) = logging();
        let _ = io.of("/x");
        let mut peer = Peer::join(&io);
        peer.send("0/x,");
        peer.take();
        let main = socket(&io, "/");
        main.emit("bye", ()).unwrap();
        main.disconnect(false);
        assert!(!main.is_connected());
        assert!(matches!(main.emit("late", ()), Err(SendError::Closed)));
        io.emit("late", ()).unwrap();
        peer.poll();
        assert_eq!(peer.take(), [r#"2["bye"]"#, "1"]);
        assert_eq!(peer.close_requested(), None);

        socket(&io, "/x").disconnect(true);
        peer.poll();
        assert_eq!(peer.take(), ["1/x,"]);
        assert_eq!(peer.close_requested(), Some(CloseReason::ForcedClose));
        assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
    }

    #[tokio::test]
    async fn disconnect_twice_is_once() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        socket.disconnect(false);
        socket.disconnect(false);
        peer.poll();
        socket.disconnect(false);
        peer.poll();
        assert_eq!(peer.take(), ["1"]);
        assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
    }

    #[tokio::test]
    async fn a_disconnect_right_before_the_sessions_end_keeps_its_reason() {
        let (io, log) = logging();
        let mut peer = Peer::join(&io);
        socket(&io, "/").disconnect(false);
        peer.close(CloseReason::TransportClose);
        assert_eq!(log.take(), ["connect", "server namespace disconnect"]);
    }

    #[tokio::test]
    async fn closed_can_be_awaited_before_and_after() {
        let io = Io::new();
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let (started, is_started) = oneshot::channel();
        let waiting = tokio::spawn({
            let socket = socket.clone();
            async move {
                started.send(()).unwrap();
                socket.closed().await
            }
        });
        is_started.await.unwrap();
        peer.send("1");
        let waiting = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
        assert_eq!(waiting.unwrap(), DisconnectReason::ClientNamespaceDisconnect);
        assert_eq!(socket.closed().await, DisconnectReason::ClientNamespaceDisconnect);
    }

    #[tokio::test]
    async fn closing_ends_all_sessions_without_telling_clients_to_stay_away() {
        let (io, log) = logging();
        let _ = io.of("/x");
        let mut peers = [Peer::join(&io), Peer::join(&io)];
        let mut outsider = Peer::open(&io);
        log.take();
        io.close();
        for peer in &mut peers {
            assert!(peer.take().is_empty());
            assert_eq!(peer.close_requested(), Some(CloseReason::ServerShuttingDown));
        }
        assert_eq!(log.take(), ["server shutting down", "server shutting down"]);
        assert_eq!(outsider.sending_closes("0"), Some(CloseReason::ServerShuttingDown));
        assert_eq!(Peer::open(&io).close_requested(), Some(CloseReason::ServerShuttingDown));
    }

    #[tokio::test]
    async fn a_session_that_is_gone_is_not_kept_in_memory() {
        let io = Io::new();
        io.of("/").on_connect(|socket| async move { socket.join("r") });
        let mut peer = Peer::join(&io);
        let socket = socket(&io, "/");
        let weak = Arc::downgrade(&peer.client.link);
        socket.disconnect(false);
        peer.close(CloseReason::TransportClose);
        socket.disconnect(true);
        drop((peer, socket));
        assert!(weak.upgrade().is_none());
    }
}

/// Memory per idle client is a design number. These are the parts of it that stand here.
#[test]
fn a_client_and_its_socket_stay_small() {
    let sizes = [size_of::<Client>(), size_of::<Link>(), Socket::STATE_SIZE];
    assert!(sizes.iter().sum::<usize>() <= 520, "{sizes:?}");
}
