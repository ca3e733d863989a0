//! Proxies that the server trusts when they say where a request comes from.
//!
//! A proxy hides its clients: every connection comes from its own address. It names the client in
//! `X-Forwarded-For`, and the client's scheme in `X-Forwarded-Proto`. Anyone can send these fields, so the
//! server only believes the proxies that it was told to trust.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::net::peer::Peer;

/// "A comma-separated list": each proxy appends the address that the request came from.
static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `http` or `https`.
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A proxy that the server trusts: an address, a network, or connections by Unix socket.
///
/// ```
/// use socketio_server::TrustedProxy;
///
/// let network: TrustedProxy = "10.0.0.0/8".parse()?;
/// let address: TrustedProxy = "192.0.2.1".parse()?;
/// assert_eq!("unix".parse(), Ok(TrustedProxy::UNIX_SOCKET));
/// # Ok::<(), socketio_server::TrustedProxyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Network(IpNet),
    /// Peers without an address.
    Unix,
}

impl TrustedProxy {
    /// Connections by Unix socket. Inside another HTTP server, also connections whose address that server
    /// doesn't pass on: see [`Service::peer_from`](crate::Service::peer_from).
    pub const UNIX_SOCKET: TrustedProxy = TrustedProxy(Place::Unix);
}

impl From<IpAddr> for TrustedProxy {
    fn from(address: IpAddr) -> TrustedProxy {
        TrustedProxy(Place::Network(address.into()))
    }
}

/// Reads an address (`192.0.2.1`), a network (`10.0.0.0/8`, `fd00::/8`) or `unix`.
impl FromStr for TrustedProxy {
    type Err = TrustedProxyError;

    fn from_str(text: &str) -> Result<TrustedProxy, TrustedProxyError> {
        if text == "unix" {
            return Ok(TrustedProxy::UNIX_SOCKET);
        }
        let network = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse());
        network.map(|network| TrustedProxy(Place::Network(network))).map_err(|_| TrustedProxyError)
    }
}

/// The text is not an address, a network or `unix`.
///
/// ```
/// use socketio_server::TrustedProxy;
///
/// assert!("10.0.0.0/8".parse::<TrustedProxy>().is_ok());
/// println!("{}", "my proxy".parse::<TrustedProxy>().unwrap_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxyError;

impl fmt::Display for TrustedProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address, such as 192.0.2.1, nor a network, such as 10.0.0.0/8, nor \"unix\"")
    }
}

impl std::error::Error for TrustedProxyError {}

/// All trusted proxies; none by default.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<TrustedProxy>);

impl TrustedProxies {
    pub(crate) fn add(&mut self, proxies: impl IntoIterator<Item = TrustedProxy>) {
        self.0.extend(proxies);
    }

    /// Whether that address is a trusted proxy's.
    pub(crate) fn trust(&self, address: Option<IpAddr>) -> bool {
        self.0.iter().any(|TrustedProxy(place)| match (place, address) {
            (Place::Network(network), Some(address)) => network.contains(&address.to_canonical()),
            (Place::Unix, None) => true,
            (Place::Network(_), None) | (Place::Unix, Some(_)) => false,
        })
    }

    /// The client of a request that came from `peer`.
    ///
    /// The list of addresses is read from its end, where the nearest proxy wrote, as long as the writers are trusted.
    /// Anything before that is only the client's claim.
    pub(crate) fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if !self.trust(peer.address.map(|address| address.ip())) {
            return peer;
        }
        let mut client = peer;
        let mut hops = values(headers, &FORWARDED_FOR);
        while self.trust(client.address.map(|address| address.ip()))
            && let Some(address) = hops.next().and_then(address)
        {
            client.address = Some(address);
        }
        if let Some(protocol) = values(headers, &FORWARDED_PROTO).next() {
            client.secure = protocol.eq_ignore_ascii_case("https");
        }
        client
    }
}

/// The elements of a field's lists, from the last to the first.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).iter().rev();
    lists.flat_map(|list| list.to_str().unwrap_or_default().rsplit(',')).map(str::trim)
}

/// An address of `X-Forwarded-For`, where some proxies write a port as well. Without one it is 0.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let without_port = || bare.parse().map(|address: IpAddr| SocketAddr::new(address, 0));
    text.parse().or_else(|_| without_port()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(trusted: &[&str]) -> TrustedProxies {
        TrustedProxies(trusted.iter().map(|proxy| proxy.parse().unwrap()).collect())
    }

    fn headers(lines: &[(&HeaderName, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value)));
        lines.collect()
    }

    /// The client of a request that `sender` sent with these lists.
    fn seen(trusted: &[&str], sender: Option<&str>, forwarded_for: &[&'static str]) -> Option<String> {
        let peer = Peer { address: sender.map(|address| address.parse().unwrap()), secure: false };
        let lines: Vec<_> = forwarded_for.iter().map(|list| (&FORWARDED_FOR, *list)).collect();
        let client = proxies(trusted).client(peer, &headers(&lines));
        client.address.map(|address| address.to_string())
    }

    #[test]
    fn who_is_not_trusted_speaks_for_nobody() {
        let list = &["203.0.113.7"];
        assert_eq!(seen(&[], Some("192.0.2.1:5"), list).unwrap(), "192.0.2.1:5");
        assert_eq!(seen(&["192.0.2.2", "unix"], Some("192.0.2.1:5"), list).unwrap(), "192.0.2.1:5");
        assert_eq!(seen(&["0.0.0.0/0"], None, list), None);
        let peer = Peer::from(SocketAddr::from(([192, 0, 2, 1], 5)));
        let https = headers(&[(&FORWARDED_PROTO, "https")]);
        assert_eq!(proxies(&["192.0.2.2"]).client(peer, &https), peer);
    }

    // proves: websocket-node/forwarded
    #[test]
    fn what_a_client_says_of_itself_is_not_believed_through_a_proxy() {
        let trusted = &["10.0.0.0/8", "::1"];
        for (lists, client) in [
            (&["203.0.113.7"][..], "203.0.113.7:0"),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7:0"),
            (&["198.51.100.1,203.0.113.7 ,10.1.2.3"], "203.0.113.7:0"),
            (&["198.51.100.1", "203.0.113.7", "10.1.2.3"], "203.0.113.7:0"),
            (&["10.9.9.9, 10.1.2.3"], "10.9.9.9:0"),
            // Some proxies tell the port, and put IPv6 in brackets.
            (&["203.0.113.7:4711"], "203.0.113.7:4711"),
            (&["2001:db8::7"], "[2001:db8::7]:0"),
            (&["[2001:db8::7]"], "[2001:db8::7]:0"),
            (&["[2001:db8::7]:4711, ::1"], "[2001:db8::7]:4711"),
            // What can't be read ends the way back.
            (&["203.0.113.7, unknown, 10.1.2.3"], "10.1.2.3:0"),
            (&["203.0.113.7,"], "10.0.0.1:5"),
            (&[], "10.0.0.1:5"),
        ] {
            assert_eq!(seen(trusted, Some("10.0.0.1:5"), lists).unwrap(), client, "{lists:?}");
        }
        let mapped = seen(trusted, Some("[::ffff:10.0.0.1]:5"), &["203.0.113.7"]);
        assert_eq!(mapped.unwrap(), "203.0.113.7:0", "a socket for both families names IPv4 so");
        assert_eq!(seen(&["unix"], None, &["203.0.113.7, 10.0.0.1"]).unwrap(), "10.0.0.1:0");
    }

    #[test]
    fn a_trusted_proxy_says_whether_it_was_asked_with_tls() {
        let proxy = Peer::from(SocketAddr::from(([10, 0, 0, 1], 5)));
        let secure = |peer, value| {
            let headers = headers(&[(&FORWARDED_PROTO, value)]);
            proxies(&["10.0.0.1"]).client(peer, &headers).secure
        };
        assert!(secure(proxy, "https"));
        assert!(secure(proxy, "http, HTTPS"), "the nearest proxy's word counts");
        assert!(!secure(proxy, "https, http"));
        assert!(!secure(proxy.secure(true), "http"));
        assert!(proxies(&["10.0.0.1"]).client(proxy.secure(true), &HeaderMap::new()).secure);
    }

    #[test]
    fn what_is_neither_address_nor_network_is_refused() {
        for wrong in ["", "proxy.example", "10.0.0.1:80", "10.0.0.0/33", "Unix", "10.0.0", "::1/129"] {
            assert_eq!(wrong.parse::<TrustedProxy>(), Err(TrustedProxyError), "{wrong:?}");
        }
    }
}
