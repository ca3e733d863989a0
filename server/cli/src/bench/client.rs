//! One client: connects, sends when it is told to, and says what came back.

use std::sync::Arc;

use engineio::{Frame, Transport};
use socketio::{Args, Connector, IoConfig, ServerPacket};
use socketio_load::{Arrival, Arrivals};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, timeout};

use super::plan::{GOODBYE, Plan};
use crate::dial::{Driver, DriverEvent};
use crate::options::Work;

/// What a client is told.
pub(super) enum Order {
    Begin(Place),
    /// The message of this number is due.
    Emit(u64),
}

/// Which messages are a client's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// When the first message of all was due.
    pub(super) began: Instant,
    pub(super) position: u64,
    /// How many clients there are.
    pub(super) of: u64,
}

/// What became of a client.
#[derive(Debug)]
pub(super) struct Outcome {
    /// `None` if it was gone before the first message was due.
    pub(super) place: Option<Place>,
    pub(super) arrivals: Arrivals,
    /// Answers that are not what was sent.
    pub(super) wrong: u64,
    /// Why it could not stay.
    pub(super) ended: Option<String>,
}

pub(super) struct Client {
    plan: Arc<Plan>,
    driver: Driver,
    connector: Connector,
    upgrade_failed: bool,
    place: Option<Place>,
    /// How many messages it has sent.
    emitted: u64,
    arrivals: Arrivals,
    wrong: u64,
}

impl Client {
    /// Connects to the namespace, and goes over to WebSocket if it is to.
    ///
    /// # Errors
    /// Why it can't, in words.
    pub(super) async fn connect(plan: Arc<Plan>) -> Result<Client, String> {
        let config = IoConfig { parser: plan.options.parser.clone(), ..IoConfig::default() };
        let session = plan.options.session.clone();
        let limit = plan.options.target.timeout;
        let mut client = Client {
            connector: Connector::new(&config, session.revision),
            driver: Driver::open(Arc::new(plan.target.anew()), session),
            plan,
            upgrade_failed: false,
            place: None,
            emitted: 0,
            arrivals: Arrivals::default(),
            wrong: 0,
        };
        let connected = timeout(limit, client.join()).await;
        connected.unwrap_or_else(|_| Err(format!("not connected within {limit:?}")))?;
        Ok(client)
    }

    /// Whether it stays on polling, though the server had offered more.
    pub(super) fn upgrade_failed(&self) -> bool {
        self.upgrade_failed
    }

    fn nsp(&self) -> &str {
        &self.plan.target.url.path
    }

    async fn join(&mut self) -> Result<(), String> {
        let (mut joined, mut upgraded) = (false, false);
        while !joined || !upgraded {
            match self.driver.next().await {
                DriverEvent::Opened => {
                    let session = &self.plan.options.session;
                    let offered = self.driver.opened().is_some_and(|opened| {
                        opened.upgrades.iter().any(|name| name == Transport::WebSocket.as_str())
                    });
                    upgraded = session.transport == Transport::WebSocket || !session.upgrade || !offered;
                    let nsp = self.nsp().to_owned();
                    if let Some(frame) = self.connector.connect(&nsp, self.plan.options.auth.as_deref()) {
                        self.send(&[frame])?;
                    }
                }
                DriverEvent::Upgraded => upgraded = true,
                DriverEvent::UpgradeFailed(_) => (upgraded, self.upgrade_failed) = (true, true),
                event => match self.heard(event)? {
                    Some(ServerPacket::Connected { nsp, .. }) if nsp == self.nsp() => joined = true,
                    Some(ServerPacket::Refused { error, .. }) => {
                        return Err(format!("the namespace was refused: {}", error.message));
                    }
                    _ => {}
                },
            }
        }
        Ok(())
    }

    /// Does as it is told until nobody can tell it anything any more.
    pub(super) async fn follow(
        mut self,
        mut orders: UnboundedReceiver<Order>,
        outcome: &UnboundedSender<Outcome>,
    ) {
        let ended = loop {
            let done = tokio::select! {
                event = self.driver.next() => self.event(event),
                order = orders.recv() => match order {
                    Some(Order::Begin(place)) => {
                        self.place = Some(place);
                        Ok(())
                    }
                    Some(Order::Emit(number)) => self.emit(number),
                    None => break None,
                },
            };
            if let Err(why) = done {
                break Some(why);
            }
        };
        drop(orders);
        let stays = ended.is_none();
        let Client { place, arrivals, wrong, mut driver, .. } = self;
        let _ = outcome.send(Outcome { place, arrivals, wrong, ended });
        if stays {
            driver.close();
            let goodbye = async {
                while !matches!(driver.next().await, DriverEvent::Ended(..)) {}
                driver.finish().await;
            };
            let _ = timeout(GOODBYE, goodbye).await;
        }
    }

    fn event(&mut self, event: DriverEvent) -> Result<(), String> {
        let now = Instant::now();
        match self.heard(event)? {
            Some(ServerPacket::Event { event, .. })
                if Some(event.name()) == self.plan.options.work.answer() =>
            {
                self.back(now, event.args());
            }
            Some(ServerPacket::Ack { args, .. }) => self.back(now, &args),
            Some(ServerPacket::Disconnected { .. }) => {
                return Err("the server disconnected the namespace".to_owned());
            }
            _ => {}
        }
        Ok(())
    }

    /// What the server says, if it is a whole packet.
    fn heard(&mut self, event: DriverEvent) -> Result<Option<ServerPacket>, String> {
        match event {
            DriverEvent::Message(message) => self
                .connector
                .read(message, Instant::now().into_std())
                .map_err(|broken| format!("the server sent a packet that breaks a rule: {broken}")),
            DriverEvent::Ended(ending, None) => Err(ending.to_string()),
            DriverEvent::Ended(ending, Some(trouble)) => Err(format!("{ending}: {trouble}")),
            _ => Ok(None),
        }
    }

    fn emit(&mut self, number: u64) -> Result<(), String> {
        let Some(Place { began, of, .. }) = self.place else { return Ok(()) };
        let plan = self.plan.clone();
        let Plan { options, schedule, text, .. } = &*plan;
        let own = if options.work == Work::Broadcast { number } else { number / of };
        let (nsp, args) = (self.nsp().to_owned(), (own, &**text));
        let frames = match options.work {
            Work::Acks => {
                self.connector.emit_with_ack(&nsp, options.work.event(), args).map(|(_, frames)| frames)
            }
            Work::Echo | Work::Broadcast => self.connector.emit(&nsp, options.work.event(), args),
        };
        let frames = frames.map_err(|error| error.to_string())?;
        // Before it can come back.
        self.emitted = own + 1;
        let due = schedule.due(number);
        let late = (began + due).elapsed();
        self.plan.figures.count_sent((due >= options.warm_up).then_some(late));
        self.send(&frames)
    }

    fn send(&mut self, frames: &[Frame]) -> Result<(), String> {
        self.driver.send(frames).map_err(|_| "too much is waiting to be sent".to_owned())
    }

    /// A message has come back.
    fn back(&mut self, now: Instant, args: &Args) {
        let Some(Place { began, position, of }) = self.place else { return };
        let Plan { options, schedule, text, figures, .. } = &*self.plan;
        let broadcast = options.work == Work::Broadcast;
        let sent = if broadcast { figures.sent() } else { self.emitted };
        match args.read::<(u64, String)>() {
            Ok((own, back)) if own < sent && back == *text => {
                if self.arrivals.arrived(own) == Arrival::Twice {
                    return;
                }
                let due = schedule.due(if broadcast { own } else { own * of + position });
                let at = now.saturating_duration_since(began);
                figures.count_back(at, (due >= options.warm_up).then_some(at.saturating_sub(due)));
            }
            _ => self.wrong += 1,
        }
    }
}
