//! `socketio-server connect`: a client to try a server with, by hand or in scripts.

mod ending;
mod keyboard;
mod line;
mod link;
mod room;
mod show;

use std::error::Error;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use engineio::client::ClientEnding;
use engineio::{Frame, QueueError, Transport};
use socketio::{Args, ServerPacket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::dial::{DriverEvent, Target};
use crate::options::Connect;
use crate::tasks::with_its_panic;
use ending::Ending;
use keyboard::{Lines, Typed};
use line::{HELP, Line};
use link::{Ended, Link, in_words};
use room::{Question, Rooms};
use show::{Show, Shown};

/// Connects, and goes on until there is nothing more to do.
pub(crate) fn run(options: Connect) -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ending = runtime.block_on(async {
        let target = Arc::new(Target::new(&options.target)?);
        let mut client = Client::new(options, target);
        let lines = client.lines()?;
        Ok::<_, Box<dyn Error>>(client.run(lines).await)
    });
    // A thread may still wait for the keyboard.
    runtime.shutdown_background();
    Ok(ending?.code())
}

struct Client {
    options: Connect,
    target: Arc<Target>,
    show: Show,
    rooms: Rooms,
    link: Link,
    /// The transport, as far as its events were shown.
    transport: Transport,
    /// Sessions that say goodbye, and how they end.
    goodbyes: JoinSet<Ended>,
    /// Connections that failed since one succeeded.
    failures: u32,
    /// Lines are carried out as they come, not each after what came of the one before.
    interactive: bool,
    raw: bool,
    /// When to leave, once there are no more lines.
    leave_at: Option<Instant>,
}

impl Client {
    fn new(options: Connect, target: Arc<Target>) -> Client {
        let nsp = &target.url.path;
        let wanted = options.namespaces.iter().map(String::as_str);
        let rooms = Rooms::new(&options, nsp, wanted);
        Client {
            show: Show::new(options.json),
            link: Link::lost(),
            goodbyes: JoinSet::new(),
            raw: options.raw,
            transport: options.session.transport,
            options,
            target,
            rooms,
            failures: 0,
            interactive: false,
            leave_at: None,
        }
    }

    /// Where lines come from: the command line, a person, or whatever standard input is.
    fn lines(&mut self) -> io::Result<Lines> {
        if !self.options.execute.is_empty() {
            return Ok(Lines::given(self.options.execute.clone()));
        }
        if !io::stdin().is_terminal() {
            return Ok(Lines::piped());
        }
        self.interactive = true;
        let (lines, print) = Lines::typed()?;
        self.show.to(print);
        self.show.text("/help lists the commands\n");
        Ok(lines)
    }

    async fn run(mut self, mut lines: Lines) -> Ending {
        self.connect();
        let ending = loop {
            let timer = self.timer();
            let takes = self.takes_lines();
            let happened = tokio::select! {
                event = self.link.next() => self.event(event),
                line = lines.next(), if takes => self.line(line),
                () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.time_passed(),
            };
            if let Err(ending) = happened {
                break ending;
            }
        };
        self.part();
        let mut ending = ending;
        while let Some(parted) = self.goodbyes.join_next().await {
            if let Some(ended) = with_its_panic(parted)
                && ended.0 != ClientEnding::ClosedHere
                && ending == Ending::Done
            {
                // What was sent last may not have arrived.
                ending = Ending::of(&ended.0);
                self.show.happened(&Shown::Ended(&in_words(ended)));
            }
        }
        ending
    }

    /// Ends the session, if there is one, once what was sent has gone out.
    fn part(&mut self) {
        if let Link::Up(session) = std::mem::replace(&mut self.link, Link::lost()) {
            self.goodbyes.spawn(session.goodbye());
        }
    }

    fn connect(&mut self) {
        self.link = Link::connect(self.target.clone(), self.options.session.clone());
    }

    /// A script's line waits for the namespace, for the answer to the line before, and until it can be sent.
    fn takes_lines(&self) -> bool {
        let has_room = match &self.link {
            Link::Up(session) => session.driver.has_room(),
            Link::Down { .. } => true,
        };
        self.leave_at.is_none()
            && (self.interactive || (self.rooms.is_settled() && !self.rooms.is_asking() && has_room))
    }

    fn timer(&self) -> Option<Instant> {
        let again = match self.link {
            Link::Down { again } => Some(again),
            Link::Up(_) => None,
        };
        let leave =
            self.leave_at.filter(|_| self.rooms.is_settled() || matches!(self.link, Link::Down { .. }));
        again.into_iter().chain(self.rooms.deadline()).chain(leave).min()
    }

    fn time_passed(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        if let Link::Down { again } = self.link
            && again <= now
        {
            self.connect();
        }
        let unanswered = self.rooms.unanswered(now);
        for nsp in &unanswered {
            let after = self.options.target.timeout;
            self.show.happened(&Shown::NotConnected { nsp, after });
        }
        let late = self.rooms.late(now);
        for Question { nsp, name, .. } in &late {
            let after = self.options.ack_timeout;
            self.show.happened(&Shown::NoAnswer { nsp, name, after });
        }
        let in_time = late.is_empty() && unanswered.is_empty();
        if !in_time && !self.interactive {
            return Err(Ending::TimedOut);
        }
        if self.leave_at.is_some_and(|at| at <= now) { Err(Ending::Done) } else { Ok(()) }
    }

    fn event(&mut self, event: DriverEvent) -> Result<(), Ending> {
        match event {
            DriverEvent::Wire { sent, kind, bytes } if self.raw => {
                let text = room::by_layers(&self.options, sent, kind, &bytes);
                self.show.text(&text);
            }
            // A script goes on then.
            DriverEvent::Wire { .. } | DriverEvent::Room => {}
            DriverEvent::Opened => {
                self.transport = self.options.session.transport;
                if let Link::Up(session) = &self.link {
                    let frames = self.rooms.join_all(session.began);
                    return self.send(&frames);
                }
            }
            DriverEvent::Upgraded => {
                self.transport = Transport::WebSocket;
                self.show.happened(&Shown::Upgraded);
            }
            DriverEvent::UpgradeFailed(why) => self.show.happened(&Shown::UpgradeFailed(&why)),
            DriverEvent::Message(message) => match self.rooms.read(message) {
                Ok(Some(packet)) => return self.packet(packet),
                Ok(None) => {}
                Err(broken) => {
                    let why = format!("the server sent a packet that breaks a rule: {broken}");
                    self.part();
                    return self.lost(&Shown::Ended(&why), Ending::Failed);
                }
            },
            DriverEvent::Ended(ending, trouble) => {
                let Link::Up(session) = std::mem::replace(&mut self.link, Link::lost()) else {
                    return Ok(());
                };
                let how = Ending::of(&ending);
                let was_open = session.was_open();
                let why = session.why((ending, trouble), &self.target.path);
                let shown = if was_open { Shown::Ended(&why) } else { Shown::NotOpened(&why) };
                return self.lost(&shown, how);
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: ServerPacket) -> Result<(), Ending> {
        match packet {
            ServerPacket::Connected { nsp, id, .. } => {
                self.failures = 0;
                let transport = self.transport.as_str();
                let (id, took) = (id.as_deref(), self.rooms.waited(&nsp));
                self.show.happened(&Shown::Connected { nsp: &nsp, id, transport, took });
            }
            ServerPacket::Refused { nsp, error } => {
                let (message, data) = (&*error.message, error.data.as_ref());
                self.show.happened(&Shown::Refused { nsp: &nsp, message, data });
                self.rooms.forget(&nsp);
                if !self.interactive {
                    return Err(Ending::Refused);
                }
            }
            ServerPacket::Disconnected { nsp } => {
                self.show.happened(&Shown::Disconnected { nsp: &nsp });
                self.rooms.forget(&nsp);
                // As with socket.io-client, what the server has ended does not come back by itself.
                if !self.interactive {
                    return Err(Ending::ServerEnded);
                }
            }
            ServerPacket::Event { nsp, event, ack } => {
                let number = ack.map(|id| self.rooms.owe(&nsp, id));
                let (name, args) = (event.name(), event.args());
                self.show.happened(&Shown::Event { nsp: &nsp, name, args, number });
            }
            ServerPacket::Ack { nsp, id, args } => {
                if let Some(Question { name, asked, .. }) = self.rooms.answered(id) {
                    let took = asked.elapsed();
                    self.show.happened(&Shown::Answer { nsp: &nsp, name: &name, args: &args, took });
                }
            }
            ServerPacket::Stray { nsp } => {
                self.show.text(&format!("an unexpected packet for {nsp} came\n"));
            }
        }
        Ok(())
    }

    /// The session is over. It begins anew after a pause, or that was the end.
    fn lost(&mut self, shown: &Shown<'_>, ending: Ending) -> Result<(), Ending> {
        self.show.happened(shown);
        let asked = self.rooms.lose(&self.options);
        for Question { nsp, name, .. } in &asked {
            self.show.happened(&Shown::AnswerLost { nsp, name });
        }
        let goes_on = self.options.reconnect.unwrap_or(self.interactive);
        // A script's next line counts on the answer.
        if !goes_on || (!asked.is_empty() && !self.interactive) {
            return Err(ending);
        }
        let (link, pause) = Link::again(self.failures);
        self.failures += 1;
        self.show.happened(&Shown::Retry(pause));
        self.link = link;
        Ok(())
    }

    fn line(&mut self, line: Option<Typed>) -> Result<(), Ending> {
        let Some(line) = line else {
            if self.interactive {
                return Err(Ending::Done);
            }
            self.leave_at = Some(Instant::now() + self.options.wait);
            return Ok(());
        };
        let read =
            line.and_then(|line| Line::read(&line, |name| fs::read(name)).map_err(|error| error.to_string()));
        let line = match read {
            Ok(line) => line,
            Err(problem) => return self.wrong(&problem),
        };
        match line {
            Line::Nothing => {}
            Line::Help => self.show.text(HELP),
            Line::Quit => return Err(Ending::Done),
            Line::Raw => self.raw = !self.raw,
            Line::Use(nsp) => self.rooms.use_namespace(&nsp),
            Line::Cut => {
                self.options.reconnect.get_or_insert(true);
                self.link = Link::lost();
                return self.lost(&Shown::Ended("the connection was cut from this side"), Ending::Failed);
            }
            Line::Join { nsp, auth } => match self.rooms.join(&nsp, auth) {
                Ok(frame) => return self.send(&Vec::from_iter(frame)),
                Err(problem) => return self.wrong(&problem),
            },
            Line::Leave(nsp) => match self.rooms.leave(nsp) {
                Ok(frame) => return self.send(&[frame]),
                Err(problem) => return self.wrong(&problem),
            },
            Line::Emit { event, args, asks } => return self.emit(&event, &args, asks),
            Line::Ack { number, args } => match self.rooms.answer(number, &args) {
                Ok(frames) => return self.send(&frames),
                Err(problem) => return self.wrong(&problem),
            },
        }
        Ok(())
    }

    fn emit(&mut self, event: &str, args: &Args, asks: bool) -> Result<(), Ending> {
        let timeout = self.options.ack_timeout;
        match self.rooms.emit(event, args, asks.then_some(timeout)) {
            Ok(frames) => self.send(&frames),
            Err(problem) => self.wrong(&problem),
        }
    }

    /// A line that can't be carried out. A person can type it again; a script is wrong.
    fn wrong(&mut self, problem: &str) -> Result<(), Ending> {
        if self.interactive {
            self.show.text(&format!("{problem}\n"));
            return Ok(());
        }
        crate::output::complain(&format!("error: {problem}\n"));
        Err(Ending::WrongLine)
    }

    fn send(&mut self, frames: &[Frame]) -> Result<(), Ending> {
        if let Link::Up(session) = &mut self.link
            // That it is over is an event, which comes next.
            && session.driver.send(frames) == Err(QueueError::Full)
        {
            self.show.text("too much is waiting to be sent: this was not sent\n");
            if !self.interactive {
                return Err(Ending::Failed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engineio::client::ClientConfig;
    use futures_util::{SinkExt as _, StreamExt as _};
    use socketio::Parser;
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;
    use crate::dial::TargetOptions;

    /// As long as anything may take.
    const LIMIT: Duration = Duration::from_secs(30);

    /// Events, of which all together are much more than may wait.
    const EVENTS: usize = 200;

    #[tokio::test]
    async fn a_script_that_is_faster_than_its_server_waits_and_leaves_nothing_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = listener.local_addr().expect("an address").to_string();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut client = accept_async(stream).await.expect("a WebSocket");
            let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
            for packet in [open, r#"40{"sid":"b"}"#] {
                client.send(Message::text(packet)).await.expect("it is sent");
            }
            let mut events = 0;
            while let Some(Ok(message)) = client.next().await {
                events += usize::from(message.to_text().is_ok_and(|text| text.starts_with("42")));
            }
            events
        });
        let options = Connect {
            target: TargetOptions {
                url,
                path: "/socket.io/".to_owned(),
                headers: Vec::new(),
                ca: None,
                timeout: LIMIT,
            },
            session: ClientConfig {
                transport: Transport::WebSocket,
                send_budget: 1_000_000,
                ..ClientConfig::default()
            },
            parser: Parser::Default,
            namespaces: Vec::new(),
            auth: None,
            execute: Vec::new(),
            wait: Duration::ZERO,
            ack_timeout: LIMIT,
            json: false,
            raw: false,
            reconnect: None,
        };
        let target = Arc::new(Target::new(&options.target).expect("a target"));
        let mut client = Client::new(options, target);
        client.show.to(Box::new(drop));
        let lines = vec![format!("message {:?}", "x".repeat(100_000)); EVENTS];
        let ending = timeout(LIMIT, client.run(Lines::given(lines))).await.expect("it ends");
        let events = timeout(LIMIT, server).await.expect("it ends").expect("the server");
        assert_eq!((ending, events), (Ending::Done, EVENTS));
    }
}
