//! How much is kept, and for how long.

use tokio::time::sleep;

use super::*;

// proves: protocol/recovery-limits
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
    assert_eq!((counts(&io).bytes, counts(&io).away, counts(&io).given_up), (0, 0, 0), "nothing need happen");
}

#[tokio::test(start_paused = true)]
async fn who_is_away_is_given_up_one_after_the_other() {
    let io = io();
    let roamers = [(); 3].map(|()| Roamer::join(&io));
    for mut roamer in roamers {
        roamer.lose();
        sleep(Duration::from_secs(50)).await;
    }
    for away in [2, 1, 0] {
        assert_eq!(counts(&io).away, away);
        sleep(Duration::from_secs(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_put_back_after_their_time_is_given_up_at_once() {
    let io = with(Recovery { max_disconnection: Duration::from_secs(10), ..Recovery::default() });
    let [mut late, mut other] = [(); 2].map(|()| Roamer::join(&io));
    let decide = Arc::new(Notify::new());
    let decided = Arc::clone(&decide);
    io.middleware(move |_| {
        let decided = Arc::clone(&decided);
        async move {
            decided.notified().await;
            Err(ConnectError::new("no"))
        }
    });
    late.lose();
    sleep(Duration::from_secs(5)).await;
    other.lose();
    late.peer = Peer::open(&io);
    late.peer.send(&late.connect());
    // Now the other one is the next to be given up, in five seconds.
    sleep(Duration::from_secs(6)).await;
    decide.notify_one();
    for _ in 0..10 {
        tokio::task::yield_now().await;
        late.peer.poll();
    }
    assert_eq!(counts(&io).away, 1);
}

#[test]
fn another_task_gives_up_who_is_away_when_the_runtime_of_the_first_has_ended() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let io = runtime().block_on(async {
        let io = io();
        Roamer::join(&io).lose();
        tokio::task::yield_now().await;
        io
    });
    runtime().block_on(async {
        Roamer::join(&io).lose();
        sleep(Duration::from_secs(200)).await;
        assert_eq!(counts(&io).away, 0);
    });
}

// proves: features/connection-state-recovery, protocol/recovery-limits
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

// proves: protocol/recovery-limits
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

// proves: protocol/recovery-limits
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
    // A client that is far behind can't come back.
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

// proves: protocol/recovery-limits
#[tokio::test]
async fn as_many_as_allowed_are_away() {
    let io = with(Recovery { sessions: 2, ..Recovery::default() });
    let mut roamers = [(); 3].map(|()| Roamer::join(&io));
    roamers.iter_mut().for_each(Roamer::lose);
    assert_eq!((counts(&io).away, counts(&io).given_up), (2, 1));
    let [first, second, third] = &mut roamers;
    assert!(!first.come_back(&io) && second.come_back(&io) && third.come_back(&io));
}

// proves: protocol/recovery-limits
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

// proves: protocol/recovery-limits
#[tokio::test(start_paused = true)]
async fn what_idle_clients_have_long_got_is_let_go_when_memory_is_short() {
    let io = with(Recovery { bytes: 100_000, ..Recovery::default() });
    let mut idle: Vec<_> = (0..40).map(|_| Roamer::join(&io)).collect();
    for roamer in &mut idle {
        roamer.socket(&io).emit("e", ["x".repeat(2000)]).unwrap();
        roamer.receive(usize::MAX);
    }
    let used = counts(&io).bytes;
    assert!(used > 80_000, "{used}");
    advance(Duration::from_secs(121)).await;
    // Nothing is sent to those any more, and others have to live.
    let mut roamer = Roamer::join(&io);
    let socket = roamer.socket(&io);
    (0..10).for_each(|n| socket.emit("e", n).unwrap());
    assert!(counts(&io).bytes <= 50_000, "{}", counts(&io).bytes);
    roamer.lose();
    assert!(roamer.come_back(&io));
    let mut first = idle.remove(0);
    first.lose();
    assert!(first.come_back(&io), "it has got what was let go");
}

// proves: protocol/recovery-limits
#[tokio::test]
async fn connected_clients_never_take_more_than_all() {
    let io = with(Recovery { bytes: 20_000, ..Recovery::default() });
    let mut roamers: Vec<_> = (0..30).map(|_| Roamer::join(&io)).collect();
    for roamer in &mut roamers {
        roamer.socket(&io).emit("e", ["x".repeat(2000)]).unwrap();
        assert!(counts(&io).bytes <= 20_000, "{}", counts(&io).bytes);
    }
    // Nothing is kept of the last one, which comes back if it has got its event.
    let mut last = roamers.pop().unwrap();
    last.receive(usize::MAX);
    last.lose();
    assert!(last.come_back(&io));
}

#[tokio::test]
async fn ends_from_both_sides_at_once_leave_nothing_behind() {
    let io = io();
    for _ in 0..200 {
        let mut roamer = Roamer::join(&io);
        let socket = roamer.socket(&io);
        socket.join("r").unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let there = Arc::clone(&barrier);
        let putting_out = std::thread::spawn(move || {
            there.wait();
            socket.disconnect(false);
        });
        barrier.wait();
        roamer.lose();
        putting_out.join().unwrap();
    }
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    io.recovery().unwrap().assert_empty();
}

#[tokio::test]
async fn who_is_lost_while_its_namespace_closes_is_not_kept() {
    let io = io();
    let namespace = io.of("/x");
    let mut peer = Peer::open(&io);
    peer.send("0/x,");
    let socket = namespace.sockets().remove(0);
    socket.join("r").unwrap();
    // As if the loss had been noticed when the closing was half done.
    namespace.give_up_lost();
    peer.close(CloseReason::TransportClose);
    assert!(matches!(socket.emit("e", ()), Err(SendError::Closed)));
    assert_eq!((counts(&io).away, counts(&io).bytes), (0, 0));
    namespace.recovery().unwrap().assert_empty();
}

#[tokio::test]
async fn a_window_without_an_end_is_no_panic() {
    let io = with(Recovery { max_disconnection: Duration::MAX, ..Recovery::default() });
    let mut roamer = Roamer::join(&io);
    io.emit("e", 1).unwrap();
    roamer.lose();
    assert!(roamer.come_back(&io));
}
