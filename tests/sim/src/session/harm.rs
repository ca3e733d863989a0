//! What goes wrong with a session, and how it misbehaves.

use std::io;

use engineio::{Frame as Encoded, Packet};
use tokio::time::sleep;

use super::{Session, State};
use crate::net::Cable;
use crate::oracle::oracle;
use crate::trace::step;

/// Something bad that happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// All cables are cut.
    Cut,
    /// One of them is.
    CutOne,
    /// All cables stall for a while.
    Stall,
    /// The client says nothing any more, and keeps its cables.
    Silence,
    /// A GET is aborted, and the client asks again before it gives up.
    AbortedGet,
    /// A second GET while one is open.
    OverlappingGet,
    /// A second POST while one may be open.
    OverlappingPost,
    /// A POST that ends before its body does.
    HalfPost,
    /// Something that is no packet.
    Garbage,
    /// The client closes the session.
    Close,
}

impl Harm {
    pub(crate) const ALL: [Harm; 10] = [
        Harm::Cut,
        Harm::CutOne,
        Harm::Stall,
        Harm::Silence,
        Harm::AbortedGet,
        Harm::OverlappingGet,
        Harm::OverlappingPost,
        Harm::HalfPost,
        Harm::Garbage,
        Harm::Close,
    ];
}

impl Session {
    /// Does something bad. Whether it ends the session shows later.
    pub(crate) fn harm(&self, harm: Harm) {
        step!("client {} suffers {harm:?}", self.0.name);
        match harm {
            Harm::Cut => self.0.cables.borrow().iter().for_each(Cable::cut),
            Harm::CutOne => {
                let cables = self.0.cables.borrow();
                if !cables.is_empty() {
                    self.0.chance.borrow_mut().pick(&cables).cut();
                }
            }
            Harm::Stall => {
                let time = self.0.chance.borrow_mut().millis(500..6000);
                self.0.cables.borrow().iter().for_each(|cable| cable.stall(time));
            }
            Harm::AbortedGet => {
                // Of an answer that was on its way nobody can tell the server that it never came.
                oracle(|oracle| oracle.is_careless(self.0.name));
                self.0.aborts.set(true);
                self.0.get_cable.borrow().iter().for_each(Cable::cut);
            }
            Harm::Silence => self.set_state(State::Silent),
            Harm::Close => {
                self.0.outbox.borrow_mut().push_back(Encoded::from(&Packet::Close));
                self.0.changed.notify_waiters();
            }
            Harm::OverlappingGet | Harm::OverlappingPost | Harm::HalfPost | Harm::Garbage => {
                tokio::task::spawn_local(self.clone().misbehave(harm));
            }
        }
    }

    async fn misbehave(self, harm: Harm) -> io::Result<()> {
        let mut connection = self.connect()?;
        let target = self.target("polling");
        match harm {
            Harm::OverlappingGet => {
                oracle(|oracle| oracle.is_careless(self.0.name));
                connection.request("GET", &target, "", b"").await?;
                if connection.response().await?.status == 200 {
                    // It came first after all, and got what the other one would have.
                    self.set_state(State::Closed);
                }
                return Ok(());
            }
            Harm::HalfPost => {
                let head =
                    format!("POST {target} HTTP/1.1\r\nHost: sim\r\nContent-Length: 99\r\n\r\n42[\"up\"");
                connection.write(head.as_bytes()).await?;
                sleep(self.draw(|chance| chance.millis(1..200))).await;
                return Ok(());
            }
            // In revision 3 the payload is garbage as well.
            Harm::Garbage => connection.request("POST", &target, "", b"x").await?,
            _ => connection.request("POST", &target, "", b"6").await?,
        }
        connection.response().await.map(drop)
    }
}
