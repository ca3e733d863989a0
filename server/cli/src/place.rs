//! Where to listen, in the forms in which people write it: `localhost:3000`, `:3000`, `3000`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use rustix::io::Errno;
use socketio_server::{ListenAddress, ListenError, Listener};

/// How often a free port is looked for that is free in both families.
const ATTEMPTS: usize = 8;

/// A place to listen, which may be more than one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An address and a port, or a Unix socket.
    At(ListenAddress),
    /// `localhost:3000` and `3000`: this machine alone, by 127.0.0.1 and, where there is IPv6, by `[::1]`.
    Localhost(u16),
    /// `:3000`: every address of this machine.
    Everywhere(u16),
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Place, PlaceError> {
        if let Ok(address) = text.parse() {
            return Ok(Place::At(address));
        }
        let (host, port) = text.rsplit_once(':').map_or((None, text), |(host, port)| (Some(host), port));
        // `parse` would take a plus sign.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(PlaceError)?;
        match host {
            Some("") => Ok(Place::Everywhere(port)),
            None => Ok(Place::Localhost(port)),
            Some(name) if name.eq_ignore_ascii_case("localhost") => Ok(Place::Localhost(port)),
            Some(_) => Err(PlaceError),
        }
    }
}

impl Place {
    /// The one address of it, for what listens at one alone; none of a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Place::At(ListenAddress::Tcp(address)) => Some(*address),
            Place::At(ListenAddress::Unix(_)) => None,
            Place::Localhost(port) => Some((Ipv4Addr::LOCALHOST, *port).into()),
            Place::Everywhere(port) => Some((Ipv4Addr::UNSPECIFIED, *port).into()),
        }
    }

    /// Whether only programs on this machine can connect there.
    #[cfg(feature = "gateway")]
    pub(crate) fn is_local(&self) -> bool {
        self.address().is_none_or(|address| address.ip().is_loopback())
    }

    /// Listens there, with one port for all of its addresses.
    ///
    /// # Errors
    /// If one of them can't be had, unless that is because there is no IPv6 here.
    pub(crate) async fn bind(&self, backlog: u32) -> Result<Vec<Listener>, ListenError> {
        match self {
            Place::At(address) => Ok(vec![Listener::bind(address, backlog).await?]),
            Place::Localhost(port) => localhost(*port, backlog).await,
            Place::Everywhere(port) => {
                // A socket for IPv6 takes connections by IPv4 as well.
                let all = match bind((Ipv6Addr::UNSPECIFIED, *port), backlog).await {
                    Err(error) if lacks_ipv6(&error.error) => {
                        bind((Ipv4Addr::UNSPECIFIED, *port), backlog).await
                    }
                    bound => bound,
                };
                Ok(vec![all?])
            }
        }
    }
}

async fn localhost(port: u16, backlog: u32) -> Result<Vec<Listener>, ListenError> {
    let mut attempt = 1;
    loop {
        let v4 = bind((Ipv4Addr::LOCALHOST, port), backlog).await?;
        let ListenAddress::Tcp(taken) = *v4.address() else { return Ok(vec![v4]) };
        match bind((Ipv6Addr::LOCALHOST, taken.port()), backlog).await {
            Ok(v6) => return Ok(vec![v4, v6]),
            Err(error) if lacks_ipv6(&error.error) => return Ok(vec![v4]),
            // Any port will do, and another program has this one.
            Err(error)
                if port == 0 && error.error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn bind(address: impl Into<SocketAddr>, backlog: u32) -> Result<Listener, ListenError> {
    Listener::bind(&ListenAddress::Tcp(address.into()), backlog).await
}

/// Whether an address can't be had because there is no IPv6: not in the kernel, or not switched on.
fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(address) => address.fmt(f),
            Place::Localhost(port) => write!(f, "localhost:{port}"),
            Place::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

/// A text that names no [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlaceError;

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a place to listen: give a port (3000, or :3000 for every address), an address and a port \
             (localhost:3000, [::1]:3000), or unix:PATH",
        )
    }
}

impl std::error::Error for PlaceError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_port_alone_is_this_machine_and_a_colon_before_it_is_every_address() {
        for text in ["3000", "localhost:3000", "LOCALHOST:3000"] {
            assert_eq!(place(text), Place::Localhost(3000), "{text}");
        }
        assert_eq!(place(":3000"), Place::Everywhere(3000));
        for text in ["127.0.0.1:3000", "[::]:80", "unix:/run/chat.sock"] {
            assert_eq!(place(text), Place::At(text.parse().unwrap()), "{text}");
        }
        for text in ["localhost:3000", ":3000", "127.0.0.1:3000", "unix:chat.sock"] {
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

    #[tokio::test]
    async fn localhost_has_one_port_in_both_families() {
        let listeners = Place::Localhost(0).bind(16).await.unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| match listener.address() {
                ListenAddress::Tcp(address) if address.ip().is_loopback() => address.port(),
                other => panic!("{other}"),
            })
            .collect();
        assert!(ports.len() <= 2 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        // Another program's port is not half taken.
        let taken = Place::Localhost(ports[0]).bind(16).await.unwrap_err();
        assert_eq!(taken.error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn everywhere_is_reached_by_ipv4() {
        let listeners = Place::Everywhere(0).bind(16).await.unwrap();
        let ListenAddress::Tcp(address) = *listeners[0].address() else { panic!("{listeners:?}") };
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).await.unwrap();
    }

    #[test]
    fn a_machine_without_ipv6_is_told_from_an_address_that_is_taken() {
        let is = |errno: Errno| lacks_ipv6(&io::Error::from(errno));
        assert!(is(Errno::AFNOSUPPORT) && is(Errno::ADDRNOTAVAIL));
        assert!(!is(Errno::ADDRINUSE) && !is(Errno::ACCESS) && !is(Errno::MFILE));
    }
}
