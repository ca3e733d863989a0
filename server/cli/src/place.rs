//! Where to listen, in the forms in which people write it: `localhost:3000`, `:3000`, `3000`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use rustix::io::Errno;
use socketio_server::{ListenAddress, ListenError, Listener};
use tokio::net::TcpListener;

use crate::systemd::Sockets;

/// How often a free port is looked for that is free in both families.
const ATTEMPTS: usize = 8;

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Addresses and a port.
    Net(NetPlace),
    /// `unix:PATH`: a Unix socket.
    Unix(PathBuf),
    /// `systemd`: the sockets that it passes.
    Systemd,
}

/// A port, and the addresses on which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetPlace {
    At(SocketAddr),
    /// `localhost:3000` and `3000`: this machine alone, by 127.0.0.1 and, where there is IPv6, by `[::1]`.
    Localhost(u16),
    /// `:3000`: every address of this machine.
    Everywhere(u16),
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Place, PlaceError> {
        if text == "systemd" {
            return Ok(Place::Systemd);
        }
        if let Ok(ListenAddress::Unix(path)) = text.parse() {
            return Ok(Place::Unix(path));
        }
        text.parse().map(Place::Net)
    }
}

impl FromStr for NetPlace {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<NetPlace, PlaceError> {
        if let Ok(address) = text.parse() {
            return Ok(NetPlace::At(address));
        }
        let (host, port) = text.rsplit_once(':').map_or((None, text), |(host, port)| (Some(host), port));
        // `parse` would take a plus sign.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(PlaceError)?;
        match host {
            Some("") => Ok(NetPlace::Everywhere(port)),
            None => Ok(NetPlace::Localhost(port)),
            Some(name) if name.eq_ignore_ascii_case("localhost") => Ok(NetPlace::Localhost(port)),
            Some(_) => Err(PlaceError),
        }
    }
}

impl Place {
    /// Whether only programs on this machine can connect there.
    #[cfg(feature = "gateway")]
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Place::Net(place) => place.is_local(),
            Place::Unix(_) => true,
            Place::Systemd => false,
        }
    }

    /// Listens there, with one port for all of its addresses. `passed` are the sockets of systemd.
    ///
    /// # Errors
    /// If one of them can't be had, unless that is because there is no IPv6 here.
    pub(crate) async fn bind(&self, backlog: u32, passed: &mut Sockets) -> Result<Vec<Listener>, BindError> {
        match self {
            Place::Net(place) => {
                let bind = async |address| Listener::bind(&ListenAddress::Tcp(address), backlog).await;
                let port = |listener: &Listener| match listener.address() {
                    ListenAddress::Tcp(address) => address.port(),
                    ListenAddress::Unix(_) => 0,
                };
                Ok(place.each(bind, port).await?)
            }
            Place::Unix(path) => Ok(vec![Listener::bind(&ListenAddress::Unix(path.clone()), backlog).await?]),
            Place::Systemd => passed.listeners().map_err(BindError::Systemd),
        }
    }
}

impl NetPlace {
    /// Whether only programs on this machine can connect there.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            NetPlace::At(address) => address.ip().is_loopback(),
            NetPlace::Localhost(_) => true,
            NetPlace::Everywhere(_) => false,
        }
    }

    /// Sockets there, for what is not one of the server's own listeners.
    ///
    /// # Errors
    /// As [`Place::bind`].
    pub(crate) async fn bind(&self) -> Result<Vec<TcpListener>, ListenError> {
        let bind = async |address: SocketAddr| {
            let bound = TcpListener::bind(address).await;
            bound.map_err(|error| ListenError { address: ListenAddress::Tcp(address), error })
        };
        self.each(bind, |socket| socket.local_addr().map_or(0, |address| address.port())).await
    }

    /// Whatever listens, on each of the addresses: `bind` makes it, and `port` says which port it got.
    ///
    /// # Errors
    /// As [`Place::bind`].
    pub(crate) async fn each<T>(
        &self,
        bind: impl AsyncFn(SocketAddr) -> Result<T, ListenError>,
        port: impl Fn(&T) -> u16,
    ) -> Result<Vec<T>, ListenError> {
        match self {
            NetPlace::At(address) => Ok(vec![bind(*address).await?]),
            NetPlace::Localhost(asked) => localhost(*asked, bind, port).await,
            NetPlace::Everywhere(port) => {
                // A socket for IPv6 takes connections by IPv4 as well.
                let all = match bind((Ipv6Addr::UNSPECIFIED, *port).into()).await {
                    Err(error) if lacks_ipv6(&error.error) => {
                        bind((Ipv4Addr::UNSPECIFIED, *port).into()).await
                    }
                    bound => bound,
                };
                Ok(vec![all?])
            }
        }
    }
}

async fn localhost<T>(
    asked: u16,
    bind: impl AsyncFn(SocketAddr) -> Result<T, ListenError>,
    port: impl Fn(&T) -> u16,
) -> Result<Vec<T>, ListenError> {
    let mut attempt = 1;
    loop {
        let v4 = bind((Ipv4Addr::LOCALHOST, asked).into()).await?;
        match bind((Ipv6Addr::LOCALHOST, port(&v4)).into()).await {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(error) if lacks_ipv6(&error.error) => return Ok(vec![v4]),
            // Any port will do, and another program has this one.
            Err(error)
                if asked == 0 && error.error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether an address can't be had because there is no IPv6: not in the kernel, or not switched on.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Net(place) => place.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Systemd => f.write_str("systemd"),
        }
    }
}

impl fmt::Display for NetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetPlace::At(address) => address.fmt(f),
            NetPlace::Localhost(port) => write!(f, "localhost:{port}"),
            NetPlace::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

/// Why the server can't listen at a [`Place`].
#[derive(Debug)]
pub(crate) enum BindError {
    Listen(ListenError),
    Systemd(io::Error),
}

impl From<ListenError> for BindError {
    fn from(error: ListenError) -> BindError {
        BindError::Listen(error)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::Listen(error) => error.fmt(f),
            BindError::Systemd(error) => write!(f, "can't use the sockets of systemd: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// A text that names no [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceError;

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a place to listen: give a port (3000, or :3000 for every address), an address and a port \
             (localhost:3000, [::1]:3000), unix:PATH, or systemd",
        )
    }
}

impl std::error::Error for PlaceError {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_port_alone_is_this_machine_and_a_colon_before_it_is_every_address() {
        for text in ["3000", "localhost:3000", "LOCALHOST:3000"] {
            assert_eq!(place(text), Place::Net(NetPlace::Localhost(3000)), "{text}");
        }
        assert_eq!(place(":3000"), Place::Net(NetPlace::Everywhere(3000)));
        for text in ["127.0.0.1:3000", "[::]:80"] {
            assert_eq!(place(text), Place::Net(NetPlace::At(text.parse().unwrap())), "{text}");
        }
        assert_eq!(place("unix:/run/chat.sock"), Place::Unix("/run/chat.sock".into()));
        for text in ["localhost:3000", ":3000", "127.0.0.1:3000", "unix:chat.sock", "systemd"] {
            assert_eq!(place(text).to_string(), text);
        }
    }

    #[test]
    fn what_names_no_port_names_no_place() {
        for text in [
            "",
            ":",
            "localhost",
            "localhost:",
            "+3000",
            "localhost:+3",
            "65536",
            "example.com:80",
            "::1:x",
            "unix:",
        ] {
            assert_eq!(text.parse::<Place>(), Err(PlaceError), "{text}");
        }
    }

    fn localhost(port: u16) -> Place {
        Place::Net(NetPlace::Localhost(port))
    }

    #[tokio::test]
    async fn localhost_has_one_port_in_both_families() {
        let listeners = localhost(0).bind(16, &mut Sockets::of_process()).await.unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| match listener.address() {
                ListenAddress::Tcp(address) if address.ip().is_loopback() => address.port(),
                other => panic!("{other}"),
            })
            .collect();
        assert!(ports.len() <= 2 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        // Another program's port is not half taken.
        let taken = localhost(ports[0]).bind(16, &mut Sockets::of_process()).await.unwrap_err();
        assert!(matches!(taken, BindError::Listen(error) if error.error.kind() == io::ErrorKind::AddrInUse));
    }

    #[tokio::test]
    async fn everywhere_is_the_same_for_clients_and_operators() {
        let place = NetPlace::Everywhere(0);
        let listeners = Place::Net(place).bind(16, &mut Sockets::of_process()).await.unwrap();
        let ListenAddress::Tcp(of_clients) = *listeners[0].address() else { panic!("{listeners:?}") };
        let sockets = place.bind().await.unwrap();
        let of_operators = sockets[0].local_addr().unwrap();
        for address in [of_clients, of_operators] {
            TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).await.unwrap();
            if address.is_ipv6() {
                TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())).await.unwrap();
            }
        }
        assert_eq!(of_clients.ip(), of_operators.ip());
        let local = NetPlace::Localhost(0).bind().await.unwrap();
        let listeners = localhost(0).bind(16, &mut Sockets::of_process()).await.unwrap();
        assert_eq!(local.len(), listeners.len(), "by IPv6 too, where there is any");
    }

    #[test]
    fn a_machine_without_ipv6_is_told_from_an_address_that_is_taken() {
        let is = |errno: Errno| lacks_ipv6(&io::Error::from(errno));
        assert!(is(Errno::AFNOSUPPORT) && is(Errno::ADDRNOTAVAIL));
        assert!(!is(Errno::ADDRINUSE) && !is(Errno::ACCESS) && !is(Errno::MFILE));
    }
}
