//! Whatever happens in whatever order.

use super::*;

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

// proves: features/connection-state-recovery, protocol/missed-events
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

// proves: protocol/missed-events
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

// proves: protocol/one-claim
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

/// Nothing comes before the reply to a CONNECT, except what a client that comes back has missed.
#[tokio::test]
async fn nothing_overtakes_the_reply_while_others_send() {
    let io = io();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let senders = [0, 1].map(|sender| {
        let (io, done) = (io.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                match sender {
                    0 => io.emit("e", 1).unwrap(),
                    _ => drop(io.emit_with_ack::<()>("asks", ()).unwrap()),
                }
            }
        })
    });
    for _ in 0..300 {
        let mut peer = Peer::open(&io);
        peer.send("0");
        let sent = peer.take();
        let reply: Reply = serde_json::from_str(&sent[0][1..]).expect("the reply comes first");
        peer.close(CloseReason::TransportClose);
        let mut peer = Peer::open(&io);
        peer.send(&format!(r#"0{{"pid":"{}"}}"#, reply.pid));
        let sent = peer.take();
        let missed = sent.iter().take_while(|packet| !packet.starts_with('0'));
        missed.for_each(|packet| assert!(packet.starts_with(r#"2["e""#), "{packet}"));
        assert!(sent.iter().any(|packet| packet.contains(&reply.pid)));
        peer.send("1");
    }
    done.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}
