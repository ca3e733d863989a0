//! The server of a run: the real service, and an application that tells the oracle what it does.

use std::cell::{Cell, RefCell};
use std::future::{IntoFuture as _, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use engineio::Transport;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use socketio::{AckError, Binary, Broadcast, ConnectError, DisconnectReason, Io, Socket};
use socketio_server::Service;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::net::{self, Cable, End};
use crate::oracle::{Oracle, Outcome, Property, count, oracle};
use crate::plan::{ACKS, Plan, ROOMS, Sabotage};
use crate::trace::step;

thread_local! {
    /// What handlers need: they are called without us.
    static APP: RefCell<Option<(Plan, Chance)>> = const { RefCell::new(None) };
    /// How often a server was started.
    static LIVES: Cell<u64> = const { Cell::new(0) };
}

/// The application's settings for this thread.
pub(crate) fn set_app(plan: Plan, chance: Chance) {
    APP.set(Some((plan, chance)));
}

/// Handlers are quick from now on, so that what waits after them gets its turn.
pub(crate) fn calm_down() {
    APP.with_borrow_mut(|app| app.iter_mut().for_each(|(plan, _)| plan.calm = true));
}

fn app<R>(ask: impl FnOnce(&Plan, &mut Chance) -> R) -> R {
    APP.with_borrow_mut(|app| {
        let (plan, chance) = app.as_mut().expect("the application is set");
        ask(plan, chance)
    })
}

/// One life of the server.
pub(crate) struct Server {
    io: Io,
    pub(crate) service: Service,
    cables: RefCell<Vec<Cable>>,
    down: Cell<bool>,
}

impl Server {
    pub(crate) fn start(plan: &Plan) -> Rc<Server> {
        LIVES.set(LIVES.get() + 1);
        let io = application(plan, LIVES.get());
        let server = socketio_server::Server::builder()
            .config(plan.engine.clone())
            .drain_timeout(Duration::from_secs(30))
            .socketio("/socket.io/", io.clone())
            .build()
            .expect("a server");
        Rc::new(Server {
            io,
            service: server.into_service(),
            cables: RefCell::default(),
            down: Cell::new(false),
        })
    }

    /// A cable to the server.
    pub(crate) fn dial(&self) -> io::Result<(End, Cable)> {
        if self.down.get() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs, cable) = net::cable();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(theirs), self.service.clone())
            .with_upgrades();
        tokio::spawn(connection);
        self.cables.borrow_mut().push(cable.clone());
        Ok((ours, cable))
    }

    /// Cuts everybody off.
    pub(crate) fn cut(&self) {
        self.cables.borrow().iter().for_each(Cable::cut);
    }

    /// Takes the server off the network, as if its process had been killed.
    pub(crate) fn kill(&self) {
        self.down.set(true);
        self.cut();
        oracle(Oracle::server_restarted);
    }

    /// Nothing may be left of sessions and sockets.
    pub(crate) fn expect_empty(&self) {
        let left = (self.service.sessions(), self.io.session_count(), self.io.of("/").socket_count());
        if left != (0, 0, 0) {
            oracle(|oracle| {
                oracle.fail(Property::Liveness, format!("sessions, clients and sockets are left: {left:?}"));
            });
        }
        if let Some(counts) = self.io.recovery_counts() {
            (0..counts.recovered).for_each(|_| count("recovered"));
            (0..counts.taken).for_each(|_| count("recoveries of a pid in use"));
            (0..counts.unknown + counts.expired).for_each(|_| count("recoveries too late"));
        }
    }

    /// What the server does of its own accord.
    pub(crate) async fn act(&self) {
        let sockets = self.io.of("/").sockets();
        let (action, socket) = app(|_, chance| {
            let socket = if sockets.is_empty() { None } else { Some(chance.pick(&sockets).clone()) };
            (chance.below(24), socket)
        });
        match (action, socket) {
            (0..7, Some(socket)) => send(&socket),
            (7..11, Some(socket)) => ask(&socket).await,
            (11, Some(socket)) => join(&socket, app(|_, chance| *chance.pick(&ROOMS))),
            (12, Some(socket)) => leave(&socket, app(|_, chance| *chance.pick(&ROOMS))),
            (13, Some(socket)) => put_out(&socket),
            (14 | 15, _) => {
                for _ in 0..app(|_, chance| chance.within(5..60)) {
                    broadcast(self.io.of("/").local(), None);
                }
            }
            _ => broadcast(self.io.of("/").local(), None),
        }
    }

    /// Sends everybody something that has to arrive soon.
    pub(crate) fn greet_all(&self) {
        for socket in self.io.of("/").sockets() {
            send_plain(&socket);
        }
    }
}

/// What is kept with a socket, and must come back with it.
struct Mark(u64);

/// The connection that a socket's session is, as the client numbers them.
fn connection_of(socket: &Socket) -> usize {
    socket.handshake().query().get("c").and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

fn application(plan: &Plan, life: u64) -> Io {
    let io = Io::with_config(plan.io.clone());
    if plan.slow_middleware {
        io.of("/").middleware(|_| async {
            sleep(app(|_, chance| chance.millis(0..1500))).await;
            Ok::<(), ConnectError>(())
        });
    }
    io.of("/")
        .on_connect(move |socket: Socket| async move {
            // Whom a server lets in that was killed nobody hears of.
            if LIVES.get() == life {
                connected(&socket);
            }
            if app(|_, chance| chance.one_in(4)) {
                sleep(app(|_, chance| chance.millis(0..1500))).await;
            }
        })
        .on("up", |socket: Socket, n: u64| arrived(socket, n))
        .on("bin", |socket: Socket, (n, one, two): (u64, Binary, Binary)| async move {
            if one[..] != n.to_be_bytes() || two[..] != (!n).to_be_bytes() {
                oracle(|oracle| oracle.fail(Property::Lossless, format!("{n} has other attachments")));
            }
            arrived(socket, n).await
        })
        .on("sure", |_: Socket, (client, n): (u64, u64)| async move {
            oracle(|oracle| oracle.arrives_sure(client, n));
            linger().await;
            n
        })
        .on("join", |socket: Socket, (n, room): (u64, String)| async move {
            join(&socket, &room);
            arrived(socket, n).await
        })
        .on("leave", |socket: Socket, (n, room): (u64, String)| async move {
            leave(&socket, &room);
            arrived(socket, n).await
        })
        .on("say", |socket: Socket, n: u64| async move {
            broadcast(socket.broadcast(), Some(&socket));
            arrived(socket, n).await
        })
        .on_disconnect(|socket: Socket, reason: DisconnectReason| async move {
            step!("server: {} ended: {reason}", socket.id());
            // The reasons that docs/protocol.md lists, in revision 4 alone.
            let lost = matches!(
                reason,
                DisconnectReason::TransportError
                    | DisconnectReason::TransportClose
                    | DisconnectReason::ForcedClose
                    | DisconnectReason::ForcedServerClose
                    | DisconnectReason::PingTimeout
            );
            let v4 = socket.handshake().query().get("EIO").is_some_and(|revision| revision == "4");
            let back = lost && v4 && app(|plan, _| plan.io.recovery.is_some());
            oracle(|oracle| oracle.socket_ended(socket.id(), back));
        });
    io
}

fn connected(socket: &Socket) {
    step!("server: {} connected, recovered: {}", socket.id(), socket.recovered());
    if socket.recovered() {
        let window = app(|plan, _| plan.io.recovery.as_ref().map(|recovery| recovery.max_disconnection));
        let rooms = socket.rooms().iter().map(ToString::to_string).collect();
        let mark = socket.get::<Mark>().map(|mark| mark.0);
        return oracle(|oracle| {
            oracle.socket_recovered(socket.id(), &rooms, mark, window.unwrap_or_default());
        });
    }
    if !socket.rooms().is_empty() || socket.get::<Mark>().is_some() {
        oracle(|oracle| oracle.fail(Property::Recovery, format!("{} is new and has something", socket.id())));
    }
    socket.insert(Mark(oracle(|oracle| oracle.socket_connected(socket.id()))));
    join(socket, app(|_, chance| *chance.pick(&ROOMS)));
    send(socket);
}

/// An event arrived. Sometimes its handler takes long, or sends something.
async fn arrived(socket: Socket, n: u64) -> u64 {
    step!("server: {n} arrives from connection {}", connection_of(&socket));
    oracle(|oracle| oracle.arrives_up(connection_of(&socket), n));
    if app(|plan, chance| plan.sabotage == Some(Sabotage::Panic) && chance.one_in(20)) {
        panic!("a planted panic");
    }
    if app(|_, chance| chance.one_in(8)) {
        send(&socket);
    }
    linger().await;
    n
}

async fn linger() {
    let time = app(|plan, chance| (!plan.calm && chance.one_in(5)).then(|| chance.millis(0..3000)));
    if let Some(time) = time {
        sleep(time).await;
    }
}

fn join(socket: &Socket, room: &str) {
    if socket.join(room).is_ok() {
        step!("server: {} joined {room}", socket.id());
        oracle(|oracle| oracle.joined(socket.id(), room));
    }
}

fn leave(socket: &Socket, room: &str) {
    if app(|plan, chance| plan.sabotage != Some(Sabotage::Room) || !chance.one_in(3)) {
        socket.leave(room);
    }
    // Once the connection is lost, the rooms are as they were.
    if socket.is_connected() {
        step!("server: {} left {room}", socket.id());
        oracle(|oracle| oracle.left(socket.id(), room));
    }
}

/// Says something to a client, and sends it away.
fn put_out(socket: &Socket) {
    let close = app(|_, chance| chance.one_in(2));
    send_plain(socket);
    step!("server: {} is put out, close: {close}", socket.id());
    let was_connected = socket.is_connected();
    // Who reads a WebSocket slowly isn't waited for until it has read all.
    let polls = socket.transport() == Transport::Polling;
    socket.disconnect(close);
    if was_connected {
        count("put out");
        oracle(|oracle| oracle.put_out(socket.id(), polls, close));
    }
}

/// Sends an event to one client, of one kind or another.
fn send(socket: &Socket) {
    match app(|_, chance| chance.below(6)) {
        0 => {
            let n = oracle(Oracle::number);
            if socket.volatile().emit("down", n).is_ok() {
                oracle(|oracle| oracle.sent(socket.id(), n, true, false));
            }
        }
        1 => {
            let n = oracle(Oracle::number);
            let attachments =
                (Binary::from(n.to_be_bytes().to_vec()), Binary::from((!n).to_be_bytes().to_vec()));
            if socket.emit("down", (n, attachments.0, attachments.1)).is_ok() {
                oracle(|oracle| oracle.sent(socket.id(), n, false, true));
            }
        }
        _ => send_plain(socket),
    }
}

fn send_plain(socket: &Socket) {
    let n = oracle(Oracle::number);
    if socket.emit("down", n).is_ok() {
        oracle(|oracle| oracle.sent(socket.id(), n, false, true));
    } else {
        count("refused emits");
    }
}

fn choose_rooms(chance: &mut Chance, most: usize) -> Vec<String> {
    (0..chance.within(0..most + 1)).map(|_| (*chance.pick(&ROOMS)).to_owned()).collect()
}

/// Sends to many: to all, to rooms, to all but some; from a socket, to all but itself.
fn broadcast(mut broadcast: Broadcast, from: Option<&Socket>) {
    let (rooms, mut except, volatile) =
        app(|_, chance| (choose_rooms(chance, 3), choose_rooms(chance, 1), chance.one_in(8)));
    for room in &rooms {
        broadcast = broadcast.to(room.as_str());
    }
    for room in &except {
        broadcast = broadcast.except(room.as_str());
    }
    if volatile {
        broadcast = broadcast.volatile();
    }
    let n = oracle(Oracle::number);
    except.extend(from.map(|socket| socket.id().to_owned()));
    oracle(|oracle| oracle.broadcast(from.map(Socket::id), &rooms, &except, n, volatile));
    if let Err(error) = broadcast.emit("down", n) {
        oracle(|oracle| oracle.fail(Property::Rooms, format!("a broadcast failed: {error}")));
    }
}

/// Asks a client something.
async fn ask(socket: &Socket) {
    let patient = app(|_, chance| chance.one_in(2));
    let timeout = if patient { Duration::from_secs(60) } else { app(|_, chance| chance.millis(1..2000)) };
    let n = oracle(Oracle::number);
    oracle(|oracle| oracle.asks(socket.id(), n, patient));
    let ack = socket.timeout(timeout).emit_with_ack::<u64>("ask", (n, patient));
    let mut answer = ack.into_future();
    let come_out = move |answer: Result<u64, AckError>| {
        let outcome = match answer {
            Ok(value) => Outcome::Value(value),
            Err(AckError::Timeout) => Outcome::Timeout,
            Err(AckError::Disconnected) => Outcome::Disconnected,
            Err(AckError::TooManyPending) => Outcome::TooMany,
            Err(_) => Outcome::NotSent,
        };
        count("questions");
        oracle(|oracle| oracle.resolved(n, outcome, ACKS));
        outcome
    };
    // Whether it was sent shows at once.
    match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
        Poll::Ready(answer) => {
            if !matches!(come_out(answer), Outcome::NotSent | Outcome::TooMany) {
                oracle(|oracle| oracle.sent(socket.id(), n, false, false));
            }
        }
        Poll::Pending => {
            oracle(|oracle| oracle.sent(socket.id(), n, false, false));
            tokio::spawn(async move { come_out(answer.await) });
        }
    }
}
