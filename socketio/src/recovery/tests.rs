use std::collections::HashSet;
use std::sync::Mutex as StdMutex;

use engineio::{CloseReason, Revision};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::advance;

use super::*;
use crate::testing::{BUDGET, Peer};
use crate::{AckError, Config, ConnectError, Io, SendError, Socket};

fn with(recovery: Recovery) -> Io {
    Io::with_config(Config { recovery: Some(recovery), ..Config::default() })
}

fn io() -> Io {
    with(Recovery::default())
}

fn counts(io: &Io) -> RecoveryCounts {
    io.recovery_counts().unwrap()
}

/// What `connect` is answered.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Reply {
    sid: String,
    pid: String,
}

/// A client of `/`, across its connections: it keeps what socket.io-client keeps.
struct Roamer {
    peer: Peer,
    reply: Option<Reply>,
    offset: Option<String>,
    /// The arguments of `e` events, without their offsets.
    got: Vec<Value>,
}

impl Roamer {
    fn join(io: &Io) -> Roamer {
        let mut roamer = Roamer { peer: Peer::open(io), reply: None, offset: None, got: Vec::new() };
        roamer.peer.send("0");
        roamer.receive(usize::MAX);
        roamer
    }

    fn socket(&self, io: &Io) -> Socket {
        io.socket(&self.reply.as_ref().unwrap().sid).unwrap()
    }

    /// Takes what was sent, and understands the first `count` packets. Says whether a reply was the last.
    fn receive(&mut self, count: usize) -> bool {
        let mut ended_with_reply = false;
        for packet in self.peer.take().into_iter().take(count) {
            ended_with_reply = packet.starts_with('0');
            match packet.split_at(1) {
                ("0", reply) => self.reply = Some(serde_json::from_str(reply).unwrap()),
                ("2", event) => {
                    let mut event: Vec<Value> = serde_json::from_str(event).unwrap();
                    if let Some(Value::String(last)) = event.last() {
                        self.offset = Some(last.clone());
                        event.pop();
                    }
                    if event.first() == Some(&json!("e")) {
                        self.got.extend_from_slice(&event[1..]);
                    }
                }
                _ => panic!("{packet}"),
            }
        }
        ended_with_reply
    }

    fn lose(&mut self) {
        self.peer.close(CloseReason::TransportClose);
    }

    /// What the client sends when it comes back.
    fn connect(&self) -> String {
        let pid = self.reply.as_ref().map(|reply| &reply.pid);
        match &self.offset {
            Some(offset) => format!("0{}", json!({ "pid": pid, "offset": offset })),
            None => format!("0{}", json!({ "pid": pid })),
        }
    }

    /// Comes back on a new connection. Says whether it got its socket back.
    fn come_back(&mut self, io: &Io) -> bool {
        let before = self.reply.clone();
        let reply_was_last = self.reconnect(io);
        assert!(reply_was_last, "what was missed comes before the reply");
        let same = self.reply.as_ref().unwrap().pid == before.as_ref().unwrap().pid;
        assert_eq!(self.reply == before, same, "the id goes with the pid");
        assert_eq!(self.socket(io).recovered(), same);
        same
    }

    fn reconnect(&mut self, io: &Io) -> bool {
        self.peer = Peer::open(io);
        self.peer.send(&self.connect());
        self.reply = None;
        self.receive(usize::MAX)
    }

    fn take_got(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.got)
    }
}

mod on_the_wire {
    use super::*;

    #[tokio::test]
    async fn a_reply_has_a_pid_that_is_not_the_id() {
        let io = io();
        let mut peer = Peer::open(&io);
        peer.send("0");
        let reply: Reply = serde_json::from_str(&peer.next()[1..]).unwrap();
        assert!(reply.pid.len() == 20 && reply.pid != reply.sid && reply.pid != peer.sid.as_str());
    }

    #[tokio::test]
    async fn an_event_ends_in_its_offset() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        socket.emit("e", (1, "two")).unwrap();
        socket.emit("bare", ()).unwrap();
        io.emit("e", crate::Binary::from(&b"x"[..])).unwrap();
        assert_eq!(
            roamer.peer.take(),
            [
                r#"2["e",1,"two","0"]"#,
                r#"2["bare","1"]"#,
                r#"51-["e",{"_placeholder":true,"num":0},"2"]"#,
                "b:x"
            ]
        );
    }

    #[tokio::test]
    async fn an_event_that_is_to_be_acknowledged_and_an_acknowledgement_have_none() {
        let io = io();
        io.on_sync("echo", |_, text: String| text);
        let mut roamer = Roamer::join(&io);
        let _ack = roamer.socket(&io).emit_with_ack::<()>("question", "text");
        roamer.peer.send(r#"27["echo","text"]"#);
        assert_eq!(roamer.peer.take(), [r#"20["question","text"]"#, r#"37["text"]"#]);
    }

    #[tokio::test]
    async fn a_volatile_event_has_none_and_does_not_end_in_a_string() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        for (sent, packet) in [
            (json!(1), r#"2["v",1]"#),
            (json!(["text"]), r#"2["v",["text"]]"#),
            (json!("text"), r#"2["v","text",null]"#),
            (json!("\""), r#"2["v","\"",null]"#),
        ] {
            roamer.peer.sleep();
            socket.volatile().emit("v", &sent).unwrap();
            assert_eq!(roamer.peer.next(), packet);
            roamer.peer.sleep();
            io.volatile().emit("v", &sent).unwrap();
            assert_eq!(roamer.peer.next(), packet);
        }
        // The name is the last element then, and a string.
        roamer.peer.sleep();
        socket.volatile().emit("v", ()).unwrap();
        assert_eq!(roamer.peer.next(), r#"2["v",null]"#);
    }

    #[tokio::test]
    async fn the_receivers_of_a_broadcast_share_its_offset_and_its_frames() {
        let io = io();
        let mut roamers = [(); 2].map(|()| Roamer::join(&io));
        io.emit("e", "x").unwrap();
        let [one, other] = roamers.each_mut().map(|roamer| roamer.peer.take_frames());
        assert!(std::ptr::eq(one[0].packet(), other[0].packet()));
    }

    #[tokio::test]
    async fn revision_3_knows_no_recovery() {
        let io = io();
        let mut peer = Peer::open_with(&io, Revision::V3);
        assert_eq!(peer.next(), "0");
        let socket = io.sockets()[0].clone();
        socket.emit("e", "x").unwrap();
        assert_eq!(peer.next(), r#"2["e","x"]"#);
        // A broadcast is one frame for all.
        io.emit("e", "x").unwrap();
        assert_eq!(peer.next(), r#"2["e","x","0"]"#);
        peer.close(CloseReason::TransportClose);
        assert_eq!(counts(&io).away, 0);
        assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
    }

    #[tokio::test]
    async fn without_recovery_there_is_neither() {
        let io = Io::new();
        let mut peer = Peer::open(&io);
        peer.send(r#"0{"pid":"aaaaaaaaaaaaaaaaaaaa","offset":"1"}"#);
        assert!(!peer.next().contains("pid"));
        io.emit("e", "x").unwrap();
        assert_eq!(peer.next(), r#"2["e","x"]"#);
        assert_eq!(io.recovery_counts(), None);
    }
}

mod coming_back {
    use super::*;

    #[tokio::test]
    async fn a_client_gets_its_socket_back_with_what_it_missed_in_order_and_once() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let mut bystander = Roamer::join(&io);
        let socket = roamer.socket(&io);
        let id = socket.id().to_owned();
        socket.join("a").unwrap();
        socket.join("b").unwrap();
        socket.insert(7_u8);
        socket.set_data("name", "Ann").unwrap();
        for number in 0..3 {
            io.emit("e", number).unwrap();
        }
        // The connection is lost after the first of them.
        roamer.receive(1);
        socket.emit("e", 3).unwrap();
        roamer.lose();
        assert_eq!(socket.closed().await, crate::DisconnectReason::TransportClose);
        assert!(io.socket(&id).is_none() && io.socket_count() == 1 && io.to("a").sockets().is_empty());

        io.emit("e", 4).unwrap();
        io.to("a").emit("e", 5).unwrap();
        io.to("a").to("b").to(&*id).emit("e", 6).unwrap();
        io.to(&*id).emit("e", 7).unwrap();
        socket.emit("e", 8).unwrap();
        bystander.socket(&io).broadcast().emit("e", 9).unwrap();
        io.except("c").emit("e", 10).unwrap();
        // None of these is for it.
        io.to("c").emit("e", "other room").unwrap();
        io.except("b").emit("e", "excepted").unwrap();
        io.to("a").except(&*id).emit("e", "excepted by id").unwrap();
        io.volatile().emit("e", "volatile").unwrap();
        assert!(matches!(
            socket.emit_with_ack::<()>("e", "ack").await,
            Err(AckError::Send(SendError::Closed))
        ));

        assert!(roamer.come_back(&io));
        assert_eq!(roamer.take_got(), (0..=10).map(Value::from).collect::<Vec<_>>());
        let recovered = roamer.socket(&io);
        assert_ne!(recovered, socket);
        let mut rooms = recovered.rooms();
        rooms.sort();
        assert_eq!(rooms, ["a".into(), "b".into()]);
        assert_eq!(recovered.get::<u8>().as_deref(), Some(&7));
        assert_eq!(recovered.data::<Value>().unwrap(), json!({"name": "Ann"}));
        assert_eq!(io.to("a").sockets(), [recovered]);
        bystander.receive(usize::MAX);
        assert_eq!(bystander.take_got().iter().filter(|got| got.is_u64()).count(), 5);

        io.to("a").emit("e", 11).unwrap();
        // A handler that outlived the connection goes on.
        socket.emit("e", 12).unwrap();
        roamer.receive(usize::MAX);
        assert_eq!(roamer.take_got(), [11, 12]);
        assert_eq!(counts(&io).recovered, 1);
    }

    #[tokio::test]
    async fn it_works_again_and_again() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        roamer.socket(&io).join("r").unwrap();
        for round in 0..20 {
            io.to("r").emit("e", 10 * round).unwrap();
            io.to("r").emit("e", 10 * round + 1).unwrap();
            // At times it has got nothing since it last came back.
            roamer.receive(round % 3);
            roamer.lose();
            io.to("r").emit("e", 10 * round + 2).unwrap();
            assert!(roamer.come_back(&io), "round {round}");
            let expected = [0, 1, 2].map(|event| json!(10 * round + event));
            assert_eq!(roamer.take_got(), expected, "round {round}");
        }
        assert_eq!(counts(&io).recovered, 20);
    }

    #[tokio::test]
    async fn a_client_that_never_got_an_event_comes_back_from_its_connect() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        assert!(roamer.come_back(&io));
        io.emit("e", 1).unwrap();
        roamer.lose();
        io.emit("e", 2).unwrap();
        assert!(roamer.come_back(&io));
        assert_eq!(roamer.take_got(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_last_event_is_long_ago_comes_back() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        socket.emit("e", 1).unwrap();
        socket.emit("e", 2).unwrap();
        roamer.receive(usize::MAX);
        advance(Duration::from_secs(3600)).await;
        io.emit("e", 3).unwrap();
        roamer.lose();
        advance(Duration::from_secs(119)).await;
        assert!(roamer.come_back(&io));
        assert_eq!(roamer.take_got(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn every_way_of_losing_a_connection_can_be_recovered_from() {
        for reason in [
            CloseReason::TransportError,
            CloseReason::TransportClose,
            CloseReason::ForcedClose,
            CloseReason::ForcedServerClose,
            CloseReason::PingTimeout,
        ] {
            let io = io();
            let mut roamer = Roamer::join(&io);
            roamer.peer.close(reason);
            assert!(roamer.come_back(&io), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_keep_up_comes_back_for_what_it_missed() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let large = "x".repeat(BUDGET);
        io.emit("e", [&large]).unwrap();
        assert!(matches!(roamer.socket(&io).emit("e", 1), Err(SendError::Full)));
        io.emit("e", 2).unwrap();
        roamer.receive(0);
        assert_eq!(roamer.peer.close_requested(), Some(CloseReason::ForcedClose));
        io.emit("e", 3).unwrap();
        assert!(roamer.come_back(&io));
        assert_eq!(roamer.take_got()[1..], [2, 3]);
    }

    #[tokio::test]
    async fn the_end_is_told_before_the_recovered_socket_connects() {
        let io = io();
        let log = Arc::new(StdMutex::new(Vec::new()));
        let (connects, ends) = (Arc::clone(&log), Arc::clone(&log));
        io.on_connect(move |socket: Socket| {
            connects.lock().unwrap().push(format!("connect {}", socket.recovered()));
            async {}
        })
        .on_disconnect(move |socket: Socket, reason| {
            // What is kept with a socket is one thing for both.
            socket.set_data("left", true).unwrap();
            ends.lock().unwrap().push(format!("{reason} {}", socket.recovered()));
            async {}
        });
        let mut roamer = Roamer::join(&io);
        roamer.socket(&io).set_data("name", "Ann").unwrap();
        roamer.lose();
        assert!(roamer.come_back(&io));
        roamer.lose();
        let expected = ["connect false", "transport close false", "connect true", "transport close true"];
        assert_eq!(*log.lock().unwrap(), expected);
        assert!(roamer.come_back(&io));
        let expected = json!({"name": "Ann", "left": true});
        assert_eq!(roamer.socket(&io).data::<Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_client_that_comes_back_while_its_socket_ends_waits_for_that() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let (second, connect) = (Arc::new(StdMutex::new(Peer::open(&io))), roamer.connect());
        let early = Arc::new(StdMutex::new(Vec::new()));
        let (coming, sent) = (Arc::clone(&second), Arc::clone(&early));
        io.on_disconnect(move |_, _| {
            let mut peer = coming.lock().unwrap();
            peer.send(&connect);
            sent.lock().unwrap().extend(peer.take());
            async {}
        });
        roamer.lose();
        assert!(early.lock().unwrap().is_empty());
        let mut peer = std::mem::replace(&mut *second.lock().unwrap(), Peer::open(&io));
        peer.woken().await;
        assert_eq!(serde_json::from_str::<Reply>(&peer.next()[1..]).ok(), roamer.reply);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_may_come_back_before_the_server_knows_that_it_was_gone() {
        let io = io();
        let log = Arc::new(StdMutex::new(Vec::new()));
        let (connects, ends) = (Arc::clone(&log), Arc::clone(&log));
        io.on_connect(move |_| {
            connects.lock().unwrap().push("connect");
            async {}
        })
        .on_disconnect(move |_, reason| {
            ends.lock().unwrap().push(reason.as_str());
            async {}
        });
        let mut roamer = Roamer::join(&io);
        roamer.socket(&io).join("r").unwrap();
        io.emit("e", 1).unwrap();
        advance(Duration::from_millis(500)).await;
        let mut second = Peer::open(&io);
        second.send(&roamer.connect());
        io.to("r").emit("e", 2).unwrap();
        assert!(second.take().is_empty(), "the old socket has to end first");
        let old = roamer.reply.clone();
        assert_eq!(roamer.peer.close_requested(), Some(CloseReason::TransportClose));
        io.to("r").emit("e", 3).unwrap();
        second.woken().await;
        roamer.peer = second;
        assert!(roamer.receive(usize::MAX));
        assert_eq!((roamer.reply.clone(), roamer.take_got()), (old, vec![1.into(), 2.into(), 3.into()]));
        assert_eq!(*log.lock().unwrap(), ["connect", "transport close", "connect"]);
        assert!(roamer.socket(&io).recovered());
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_socket_that_ends_otherwise_is_not_recovered() {
        let io = io();
        let roamer = Roamer::join(&io);
        advance(Duration::from_secs(1)).await;
        let socket = roamer.socket(&io);
        let mut second = Peer::open(&io);
        second.send(&roamer.connect());
        socket.disconnect(false);
        second.woken().await;
        let reply: Reply = serde_json::from_str(&second.next()[1..]).unwrap();
        assert_ne!(Some(reply), roamer.reply);
        assert_eq!(counts(&io).unknown, 1);
    }
}

mod refused {
    use super::*;

    /// Has a roamer come back that must be connected as a new client, without anything of the old one.
    fn assert_new(io: &Io, roamer: &mut Roamer, count: impl Fn(RecoveryCounts) -> u64) {
        let before = count(counts(io));
        assert!(!roamer.come_back(io));
        assert!(roamer.take_got().is_empty());
        assert_eq!(count(counts(io)), before + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_late_is_a_new_client() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        io.emit("e", 1).unwrap();
        advance(Duration::from_secs(120)).await;
        assert_new(&io, &mut roamer, |counts| counts.expired);
        // And nothing is left of the old one once anything happens.
        io.emit("e", 2).unwrap();
        roamer.lose();
        advance(Duration::from_secs(121)).await;
        io.emit("e", 3).unwrap();
        assert_new(&io, &mut roamer, |counts| counts.unknown);
    }

    #[tokio::test]
    async fn unknown_and_malformed_pids_and_offsets_are_a_new_client() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        io.emit("e", 1).unwrap();
        roamer.lose();
        let pid = &roamer.reply.as_ref().unwrap().pid;
        let count = |name: &str| match (name, counts(&io)) {
            ("unknown", counts) => counts.unknown,
            ("offset", counts) => counts.offset,
            (_, counts) => counts.malformed,
        };
        for (auth, refusal) in [
            (json!({"pid": "aaaaaaaaaaaaaaaaaaaa", "offset": "0"}), "unknown"),
            (json!({"pid": "x"}), "unknown"),
            (json!({"pid": pid, "offset": "1"}), "offset"),
            (json!({"pid": pid, "offset": "18446744073709551615"}), "offset"),
            (json!({"pid": pid, "offset": "18446744073709551616"}), "malformed"),
            (json!({"pid": pid, "offset": ""}), "malformed"),
            (json!({"pid": pid, "offset": "+0"}), "malformed"),
            (json!({"pid": pid, "offset": "text"}), "malformed"),
            (json!({"pid": pid, "offset": 0}), "malformed"),
            (json!({"pid": pid, "offset": ["0"]}), "malformed"),
            (json!({"pid": ""}), "malformed"),
            (json!({"pid": 7}), "malformed"),
            (json!({"pid": {}, "offset": "0"}), "malformed"),
            (json!({"pid": format!("{pid}\n")}), "malformed"),
            (json!({"pid": "x".repeat(100_000)}), "malformed"),
        ] {
            let before = count(refusal);
            let mut peer = Peer::open(&io);
            peer.send(&format!("0{auth}"));
            let reply: Reply = serde_json::from_str(&peer.next()[1..]).unwrap();
            assert!(reply.pid != *pid && !io.socket(&reply.sid).unwrap().recovered(), "{auth}");
            assert_eq!(count(refusal), before + 1, "{auth}");
        }
        let mut peer = Peer::open(&io);
        peer.send(&format!(r#"0{{"pid":"{pid}","pid":"{pid}"}}"#));
        assert!(peer.next().starts_with("0{"));
        peer.send(r#"0{"offset":"0"}"#);
        peer.send(r#"0{"pid":null}"#);
        assert_eq!(counts(&io).malformed, 12);
        // All of that took nothing from who has the right to it.
        assert!(roamer.come_back(&io));
        assert_eq!(roamer.take_got(), [1]);
    }

    #[tokio::test]
    async fn who_left_or_was_put_out_is_a_new_client() {
        let endings: [fn(&mut Roamer, &Socket); 5] = [
            |roamer, _| roamer.peer.send("1"),
            |roamer, socket| {
                socket.disconnect(false);
                assert!(matches!(socket.emit("e", 1), Err(SendError::Closed)));
                roamer.peer.poll();
            },
            |roamer, socket| {
                socket.disconnect(true);
                roamer.peer.poll();
            },
            // The connection is lost before the client could be told.
            |_, socket| socket.disconnect(false),
            |roamer, _| assert_eq!(roamer.peer.sending_closes("2["), Some(CloseReason::ParseError)),
        ];
        for ending in endings {
            let io = io();
            let mut roamer = Roamer::join(&io);
            let socket = roamer.socket(&io);
            ending(&mut roamer, &socket);
            roamer.lose();
            io.emit("e", 1).unwrap();
            assert!(matches!(socket.emit("e", 1), Err(SendError::Closed)));
            assert_new(&io, &mut roamer, |counts| counts.unknown);
        }
    }

    #[tokio::test]
    async fn a_server_that_shuts_down_keeps_nothing() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let mut away = Roamer::join(&io);
        away.lose();
        io.close();
        assert_eq!(roamer.peer.close_requested(), Some(CloseReason::ServerShuttingDown));
        assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    }

    #[tokio::test]
    async fn a_pid_is_of_one_namespace() {
        let io = io();
        let _ = io.of("/other");
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect().replacen('0', "0/other,", 1));
        assert!(peer.next().starts_with("0/other,{"));
        assert_eq!(counts(&io).unknown, 1);
        assert!(roamer.come_back(&io));
    }

    #[tokio::test]
    async fn a_namespace_that_is_closed_gives_up_who_is_away() {
        let io = io();
        let _ = io.of("/x");
        let mut peer = Peer::open(&io);
        peer.send("0/x,");
        let reply: Reply = serde_json::from_str(&peer.next()["0/x,".len()..]).unwrap();
        peer.close(CloseReason::TransportClose);
        assert_eq!(counts(&io).away, 1);
        io.of("/x").close();
        assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
        let _ = io.of("/x");
        let mut peer = Peer::open(&io);
        peer.send(&format!(r#"0/x,{{"pid":"{}"}}"#, reply.pid));
        assert!(!peer.next().contains(&reply.pid));
    }
}

mod claims {
    use super::*;

    /// `/` has a middleware that waits for the permit, and then refuses whoever has `bad` in its auth. It
    /// waits for those alone who come back.
    fn waiting(recovery: Recovery) -> (Io, Arc<Notify>) {
        let io = with(recovery);
        let permit = Arc::new(Notify::new());
        let wait = Arc::clone(&permit);
        io.middleware(move |socket: Socket| {
            let wait = Arc::clone(&wait);
            async move {
                let auth: Value = socket.handshake().auth().unwrap_or_default();
                if auth.get("pid").is_some() {
                    wait.notified().await;
                }
                match auth.get("bad") {
                    None => Ok(()),
                    Some(_) => Err(ConnectError::new("bad")),
                }
            }
        });
        (io, permit)
    }

    #[tokio::test]
    async fn a_pid_is_taken_once() {
        let (io, permit) = waiting(Recovery::default());
        let mut roamer = Roamer::join(&io);
        let id = roamer.reply.clone().unwrap().sid;
        roamer.socket(&io).join("r").unwrap();
        roamer.lose();
        io.to("r").emit("e", 1).unwrap();
        let mut peers = [(); 2].map(|()| Peer::open(&io));
        for peer in &mut peers {
            peer.send(&roamer.connect());
        }
        // What is sent while the middlewares decide is missed as well.
        io.to("r").emit("e", 2).unwrap();
        assert!(peers.iter_mut().all(|peer| peer.take().is_empty()));
        permit.notify_waiters();
        let [first, second] = &mut peers;
        assert_eq!(first.receive().await.len(), 3);
        let reply = second.receive().await;
        assert!(reply.len() == 1 && !reply[0].contains(&id), "{reply:?}");
        assert_eq!((counts(&io).recovered, counts(&io).taken), (1, 1));
        io.to("r").emit("e", 3).unwrap();
        assert!(second.take().is_empty());
        assert!(io.socket(&id).unwrap().recovered());
    }

    #[tokio::test]
    async fn a_claim_that_comes_to_nothing_leaves_the_socket_to_the_next() {
        let (io, permit) = waiting(Recovery::default());
        let mut roamer = Roamer::join(&io);
        io.emit("e", 1).unwrap();
        roamer.lose();

        // A middleware refuses.
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect().replacen('{', r#"{"bad":1,"#, 1));
        let refused = io.sockets();
        permit.notify_waiters();
        assert_eq!(peer.receive().await, [r#"4{"message":"bad"}"#]);
        assert!(refused.is_empty());
        io.emit("e", 2).unwrap();

        // The connection is lost again before they decided.
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect());
        peer.close(CloseReason::TransportClose);
        io.emit("e", 3).unwrap();

        // The client connects twice before it is answered.
        roamer.peer = Peer::open(&io);
        roamer.peer.send(&roamer.connect());
        roamer.peer.send(&roamer.connect());
        permit.notify_waiters();
        roamer.peer.woken().await;
        assert!(roamer.receive(usize::MAX));
        assert_eq!(roamer.take_got(), [1, 2, 3]);
        assert_eq!(io.socket_count(), 1);
        let counts = counts(&io);
        assert_eq!((counts.recovered, counts.taken, counts.away), (1, 0, 0));
    }

    #[tokio::test]
    async fn a_client_that_leaves_while_the_middlewares_decide_does_not_come_back() {
        let (io, permit) = waiting(Recovery::default());
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect());
        peer.send("1");
        permit.notify_waiters();
        assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
        permit.notify_one();
        roamer.peer = Peer::open(&io);
        roamer.peer.send(&roamer.connect());
        roamer.peer.woken().await;
        assert_eq!(counts(&io).unknown, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claimed_socket_is_not_given_up_and_one_put_back_too_late_is() {
        let (io, permit) = waiting(Recovery { sessions: 1, ..Recovery::default() });
        let mut roamer = Roamer::join(&io);
        let mut others = [(); 3].map(|()| Roamer::join(&io));
        roamer.lose();
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect());
        others.iter_mut().for_each(Roamer::lose);
        advance(Duration::from_secs(130)).await;
        io.emit("e", 1).unwrap();
        permit.notify_waiters();
        assert_eq!(peer.receive().await.len(), 2);

        roamer.peer = peer;
        roamer.lose();
        let mut peer = Peer::open(&io);
        peer.send(&roamer.connect());
        advance(Duration::from_secs(130)).await;
        peer.close(CloseReason::TransportClose);
        io.emit("e", 2).unwrap();
        assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    }

    #[tokio::test]
    async fn middlewares_run_again_unless_told_otherwise() {
        for skip_middlewares in [false, true] {
            let io = with(Recovery { skip_middlewares, ..Recovery::default() });
            let ran = Arc::new(StdMutex::new(Vec::new()));
            let runs = Arc::clone(&ran);
            io.middleware(move |socket: Socket| {
                // It is known as the old one, and can be sent nothing yet.
                assert!(matches!(socket.emit("e", 0), Err(SendError::Closed)));
                runs.lock().unwrap().push((socket.recovered(), socket.get::<u8>().is_some()));
                async { Ok(()) }
            });
            let mut roamer = Roamer::join(&io);
            roamer.socket(&io).insert(1_u8);
            roamer.lose();
            assert!(roamer.come_back(&io));
            let expected =
                if skip_middlewares { &[(false, false)][..] } else { &[(false, false), (true, true)] };
            assert_eq!(*ran.lock().unwrap(), expected);
        }
    }

    /// Lets clients bring namespaces into being, which are let go when they are empty.
    fn dynamic() -> Io {
        let recovery = Some(Recovery::default());
        let config = Config { recovery, cleanup_empty_child_namespaces: true, ..Config::default() };
        let io = Io::with_config(config);
        io.of_pattern("^/n").unwrap();
        io
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_while_it_waits_for_its_old_socket_leaves_nothing_behind() {
        for clean in [false, true] {
            let io = dynamic();
            let mut old = Peer::open(&io);
            old.send("0/n1,");
            let reply: Reply = serde_json::from_str(&old.next()["0/n1,".len()..]).unwrap();
            advance(Duration::from_secs(1)).await;
            let mut peer = Peer::open(&io);
            let connect = format!(r#"0/n1,{{"pid":"{}"}}"#, reply.pid);
            peer.send(&connect);
            if clean {
                peer.send("1/n1,");
            } else {
                peer.close(CloseReason::TransportClose);
            }
            assert_eq!(old.close_requested(), Some(CloseReason::TransportClose));
            assert_eq!(counts(&io).away, usize::from(!clean), "who leaves cleanly does not come back");
            let mut peer = Peer::open(&io);
            peer.send(&connect);
            assert_eq!(peer.next().contains(&reply.pid), !clean);
            peer.send("1/n1,");
            assert!(io.namespace("/n1").is_none());
        }
    }

    #[tokio::test]
    async fn a_namespace_waits_for_who_is_away() {
        let io = dynamic();
        let mut peer = Peer::open(&io);
        peer.send("0/n1,");
        let reply: Reply = serde_json::from_str(&peer.next()["0/n1,".len()..]).unwrap();
        peer.close(CloseReason::TransportClose);
        assert!(io.namespace("/n1").is_some());
        let mut peer = Peer::open(&io);
        peer.send(&format!(r#"0/n1,{{"pid":"{}"}}"#, reply.pid));
        assert!(peer.next().contains(&reply.pid));
        peer.send("1/n1,");
        assert!(io.namespace("/n1").is_none());
    }
}

mod bounds {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_that_was_kept_is_given_back() {
        let io = io();
        let mut roamers = [(); 3].map(|()| Roamer::join(&io));
        for roamer in &roamers {
            roamer.socket(&io).join("r").unwrap();
        }
        let events = |count: usize| (0..count).for_each(|n| io.to("r").emit("e", n).unwrap());
        events(10);
        roamers[0].lose();
        roamers[1].lose();
        events(10);
        assert!(roamers[1].come_back(&io));
        let used = counts(&io).bytes;
        assert!(used > 20 * 64 && used < 20 * 150 + 50 * 16 + 2000, "{used}");
        roamers[1].peer.send("1");
        roamers[2].peer.send("1");
        assert!(counts(&io).bytes > 20 * 64, "one is still away");
        advance(Duration::from_secs(121)).await;
        events(1);
        assert_eq!((counts(&io).bytes, counts(&io).away, counts(&io).given_up), (0, 0, 0));
    }

    #[tokio::test]
    async fn who_is_away_for_longest_is_given_up_for_memory() {
        let io = with(Recovery { bytes: 100_000, ..Recovery::default() });
        let mut roamers = [(); 3].map(|()| Roamer::join(&io));
        for (at, roamer) in roamers.iter_mut().enumerate() {
            roamer.socket(&io).join(format!("r{at}")).unwrap();
            roamer.lose();
        }
        let large = |room: &str| io.to(room).emit("e", ["x".repeat(30_000)]).unwrap();
        large("r0");
        large("r1");
        large("r2");
        assert_eq!(counts(&io).given_up, 0);
        large("r2");
        io.emit("e", 1).unwrap();
        assert_eq!(counts(&io).given_up, 1);
        let [first, second, third] = &mut roamers;
        assert!(!first.come_back(&io) && second.come_back(&io) && third.come_back(&io));
        assert_eq!((second.got.len(), third.got.len()), (2, 3));
    }

    #[tokio::test]
    async fn one_event_over_the_budget_is_kept_for_nobody() {
        let io = with(Recovery { bytes: 10_000, ..Recovery::default() });
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        io.emit("e", ["x".repeat(20_000)]).unwrap();
        io.emit("e", 1).unwrap();
        assert!(counts(&io).bytes < 10_000);
        assert!(!roamer.come_back(&io));
    }

    #[tokio::test]
    async fn what_connected_clients_could_miss_takes_half_and_the_latest_stays() {
        let io = with(Recovery { bytes: 100_000, ..Recovery::default() });
        let mut away = Roamer::join(&io);
        away.socket(&io).join("r").unwrap();
        away.lose();
        io.to("r").emit("e", 1).unwrap();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        for number in 0..1000 {
            socket.emit("e", (number, ["x".repeat(1000)])).unwrap();
            roamer.receive(usize::MAX);
        }
        assert!(counts(&io).bytes < 60_000, "{}", counts(&io).bytes);
        assert_eq!(counts(&io).given_up, 0);
        let offset = roamer.offset.clone();
        socket.emit("e", 1).unwrap();
        roamer.lose();
        assert!(roamer.come_back(&io) && away.come_back(&io));
        // Who is far behind can't come back.
        roamer.offset = Some((offset.unwrap().parse::<u64>().unwrap() - 900).to_string());
        roamer.lose();
        assert!(!roamer.come_back(&io));
        assert_eq!(counts(&io).offset, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_connected_client_has_long_got_is_let_go() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let events = |count: usize| (0..count).for_each(|n| io.emit("e", n).unwrap());
        events(100);
        advance(Duration::from_secs(60)).await;
        events(1);
        let used = counts(&io).bytes;
        advance(Duration::from_secs(61)).await;
        events(1);
        assert!(counts(&io).bytes < used / 10, "{} of {used}", counts(&io).bytes);
        roamer.receive(100);
        roamer.lose();
        assert!(roamer.come_back(&io));
        assert_eq!(roamer.got.len(), 102);
    }

    #[tokio::test]
    async fn as_many_as_allowed_are_away() {
        let io = with(Recovery { sessions: 2, ..Recovery::default() });
        let mut roamers = [(); 3].map(|()| Roamer::join(&io));
        roamers.iter_mut().for_each(Roamer::lose);
        assert_eq!((counts(&io).away, counts(&io).given_up), (2, 1));
        let [first, second, third] = &mut roamers;
        assert!(!first.come_back(&io) && second.come_back(&io) && third.come_back(&io));
    }

    #[tokio::test]
    async fn who_is_away_keeps_nothing_of_its_session() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        let mailbox = Arc::downgrade(&roamer.peer.mailbox);
        let weak = socket.downgrade_link();
        roamer.lose();
        drop(socket);
        roamer.peer = Peer::open(&io);
        assert!(weak.upgrade().is_none() && mailbox.upgrade().is_none());
    }

    #[tokio::test]
    async fn an_application_that_is_dropped_takes_all_with_it() {
        let io = io();
        let mut roamer = Roamer::join(&io);
        let weak = Arc::downgrade(&roamer.socket(&io).namespace().recovery().unwrap().shared);
        io.emit("e", 1).unwrap();
        roamer.lose();
        drop((io, roamer));
        assert!(weak.upgrade().is_none());
    }
}

/// Numbers from a seed, for tests that must fail again as they failed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// "Recovery: `recovered` means the same id, rooms and data, and the missed packets exactly once in order."
#[tokio::test]
async fn whatever_happens_every_client_gets_what_is_for_it_once_and_in_order() {
    const ROOMS: [&str; 3] = ["a", "b", "c"];

    struct Model {
        roamer: Roamer,
        rooms: HashSet<&'static str>,
        away: bool,
        expected: Vec<Value>,
    }

    for seed in 1..=30 {
        let mut random = Random(seed * 0x9e37_79b9);
        let io = io();
        let mut models: Vec<_> = (0..4)
            .map(|_| Model {
                roamer: Roamer::join(&io),
                rooms: HashSet::new(),
                away: false,
                expected: vec![],
            })
            .collect();
        let ids: Vec<_> = models.iter().map(|model| model.roamer.reply.clone().unwrap().sid).collect();
        let old: Vec<_> = models.iter().map(|model| model.roamer.socket(&io)).collect();
        for number in 0..300 {
            let at = random.below(models.len());
            let room = ROOMS[random.below(ROOMS.len())];
            let other = ROOMS[random.below(ROOMS.len())];
            let mut expect = |gets: &dyn Fn(usize, &Model) -> bool| {
                for (at, model) in models.iter_mut().enumerate() {
                    if gets(at, model) {
                        model.expected.push(json!(number));
                    }
                }
            };
            match random.below(10) {
                0 => {
                    expect(&|_, _| true);
                    io.emit("e", number).unwrap();
                }
                1 => {
                    expect(&|_, model| model.rooms.contains(room) || model.rooms.contains(other));
                    io.to(room).to(other).emit("e", number).unwrap();
                }
                2 => {
                    expect(&|to, model| !model.rooms.contains(room) && to != at);
                    io.except(room).except(&*ids[at]).emit("e", number).unwrap();
                }
                3 => {
                    expect(&|to, model| to == at || model.rooms.contains(room));
                    io.to(&*ids[at]).to(room).emit("e", number).unwrap();
                }
                4 => {
                    expect(&|to, _| to == at);
                    old[at].emit("e", number).unwrap();
                }
                5 => io.volatile().emit("v", "not an offset").unwrap(),
                6 if !models[at].away => {
                    let (socket, model) = (models[at].roamer.socket(&io), &mut models[at]);
                    if model.rooms.insert(room) {
                        socket.join(room).unwrap();
                    } else {
                        model.rooms.remove(room);
                        socket.leave(room);
                    }
                }
                7 => drop(models[at].roamer.receive(usize::MAX)),
                _ if models[at].away => {
                    assert!(models[at].roamer.come_back(&io), "seed {seed}");
                    models[at].away = false;
                    let rooms: HashSet<_> =
                        models[at].roamer.socket(&io).rooms().iter().map(ToString::to_string).collect();
                    assert_eq!(rooms, models[at].rooms.iter().map(ToString::to_string).collect());
                }
                _ => {
                    // Part of what was sent has arrived.
                    let arrived = random.below(10);
                    models[at].roamer.receive(arrived);
                    models[at].roamer.lose();
                    models[at].away = true;
                }
            }
        }
        for model in &mut models {
            if model.away {
                assert!(model.roamer.come_back(&io));
            }
            model.roamer.receive(usize::MAX);
            assert_eq!(model.roamer.got, model.expected, "seed {seed}");
        }
    }
}

/// The same while others send at the same time: nothing falls between a socket that is lost and the one that
/// takes its place.
#[tokio::test]
async fn nothing_is_lost_or_doubled_while_others_send() {
    const SENDERS: usize = 3;
    const EVENTS: usize = 2000;
    let io = io();
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    socket.join("r").unwrap();
    let senders = [0, 1, 2].map(|sender| {
        let (io, socket) = (io.clone(), socket.clone());
        std::thread::spawn(move || {
            for number in 0..EVENTS {
                match sender {
                    0 => socket.emit("e", json!([sender, number])).unwrap(),
                    _ => io.to("r").emit("e", json!([sender, number])).unwrap(),
                }
                if number % 10 == 0 {
                    std::thread::yield_now();
                }
            }
        })
    });
    let mut rounds = 0;
    while rounds < 50 || senders.iter().any(|sender| !sender.is_finished()) {
        roamer.receive(rounds % 5);
        roamer.lose();
        let before = roamer.reply.clone();
        roamer.reconnect(&io);
        assert_eq!(roamer.reply, before, "round {rounds}");
        rounds += 1;
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    roamer.receive(usize::MAX);
    assert_eq!(roamer.got.len(), SENDERS * EVENTS);
    for sender in 0..SENDERS {
        let of_sender = roamer.got.iter().filter(|got| got[0] == json!(sender));
        assert!(of_sender.map(|got| got[1].clone()).eq((0..EVENTS).map(Value::from)), "sender {sender}");
    }
}

#[tokio::test]
async fn of_clients_that_come_at_the_same_time_one_gets_the_socket() {
    let io = io();
    for _ in 0..100 {
        let mut roamer = Roamer::join(&io);
        roamer.lose();
        let connect = roamer.connect();
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let peers: Vec<_> = (0..2)
            .map(|_| {
                let (io, connect, barrier) = (io.clone(), connect.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    let mut peer = Peer::open(&io);
                    barrier.wait();
                    peer.send(&connect);
                    peer.take().concat()
                })
            })
            .collect();
        let pid = roamer.reply.unwrap().pid;
        let replies: Vec<_> = peers.into_iter().map(|peer| peer.join().unwrap()).collect();
        assert_eq!(replies.iter().filter(|reply| reply.contains(&pid)).count(), 1, "{replies:?}");
    }
}
