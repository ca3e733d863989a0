//! Decides who may look: a page with the token, or, without a token, pages of this machine.

use std::net::IpAddr;

use engineio::Query;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{StatusCode, Uri};

/// Lets in whoever may look.
pub(super) struct Door {
    token: Option<String>,
    /// The name of the cookie that holds the token. Cookies don't know ports, so the port is in it.
    cookie: String,
}

/// How somebody came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    Plain,
    /// With the token in the address, and with this cookie from now on.
    WithToken(HeaderValue),
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// With this name, it may be another site's page whose name was made to resolve to this address.
    ForeignHost,
    /// A page of another origin asks.
    ForeignPage,
    Token,
}

impl Refused {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refused::ForeignHost | Refused::ForeignPage => StatusCode::FORBIDDEN,
            Refused::Token => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Refused::ForeignHost => {
                "This inspector asks for no token, so it only answers by a name of this machine itself, such as \
                 localhost or 127.0.0.1.\nSet inspect-token to reach it by another.\n"
            }
            Refused::ForeignPage => "This inspector doesn't answer pages of other origins.\n",
            Refused::Token => {
                "This inspector needs its token. Open the address that the server printed when it started.\n"
            }
        }
    }
}

impl Door {
    pub(super) fn new(token: Option<String>, port: u16) -> Door {
        Door { token, cookie: format!("inspector-{port}") }
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn admit(&self, request: &Parts) -> Result<Entrance, Refused> {
        if is_foreign(&request.headers, &request.uri) {
            return Err(Refused::ForeignPage);
        }
        let Some(token) = &self.token else {
            let host = only(&request.headers, &HOST);
            return if host.is_some_and(is_loopback) {
                Ok(Entrance::Plain)
            } else {
                Err(Refused::ForeignHost)
            };
        };
        let query = Query::new(request.uri.query().unwrap_or_default());
        if let Some(given) = query.get("token") {
            return match same(&given, token) {
                true => Ok(Entrance::WithToken(self.set_cookie(token))),
                false => Err(Refused::Token),
            };
        }
        let bearer = only(&request.headers, &AUTHORIZATION).and_then(|field| field.strip_prefix("Bearer "));
        let mut given = bearer.into_iter().chain(self.cookies(&request.headers));
        if given.any(|given| same(given, token)) { Ok(Entrance::Plain) } else { Err(Refused::Token) }
    }

    fn cookies<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let cookies = fields.flat_map(|field| field.split(';'));
        cookies.filter_map(|cookie| cookie.trim().strip_prefix(&*self.cookie)?.strip_prefix('='))
    }

    fn set_cookie(&self, token: &str) -> HeaderValue {
        let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax", self.cookie);
        HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Whether a page of another origin asks. It could not read the answer, but it could use up all watchers. The page
/// itself is open to everybody, since a link may lead to it.
fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    let navigates = uri.path() == "/" && field(headers, "sec-fetch-mode") == Some("navigate");
    if navigates {
        return false;
    }
    match (field(headers, "sec-fetch-site"), field(headers, ORIGIN.as_str())) {
        // `none` is a person, and not a page.
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = field(headers, HOST.as_str());
            let same = |scheme| origin.strip_prefix(scheme).is_some_and(|origin| Some(origin) == host);
            !same("http://") && !same("https://")
        }
        // Not a browser, or an old one, without a page behind the request.
        (None, None) => false,
    }
}

/// Whether a `Host` names this machine, and could not name another one.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut fields = headers.get_all(name).iter();
    let first = fields.next().filter(|_| fields.next().is_none())?;
    first.to_str().ok()
}

/// Compares two secrets in a time that only depends on their length.
fn same(given: &str, token: &str) -> bool {
    let differ = given.bytes().zip(token.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other));
    given.len() == token.len() && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(door: &Door, target: &str, headers: &[(&str, &str)]) -> Result<Entrance, Refused> {
        let request = Request::get(target);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        door.admit(&request.body(()).unwrap().into_parts().0)
    }

    // proves: security/inspector
    #[test]
    fn without_a_token_only_names_of_this_machine_are_answered() {
        let door = Door::new(None, 3030);
        for host in ["localhost:3030", "LOCALHOST", "127.0.0.1:3030", "127.8.0.1", "[::1]:3030", "[::1]"] {
            assert_eq!(ask(&door, "/", &[("host", host)]), Ok(Entrance::Plain), "{host}");
        }
        for host in [
            "evil.example:3030",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1:3030",
            "0.0.0.0:3030",
            "[::]:3030",
            "",
        ] {
            assert_eq!(ask(&door, "/", &[("host", host)]), Err(Refused::ForeignHost), "{host}");
        }
        assert_eq!(ask(&door, "/", &[]), Err(Refused::ForeignHost));
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(ask(&door, "/", &two), Err(Refused::ForeignHost));
    }

    // proves: security/inspector
    #[test]
    fn the_token_comes_in_the_address_a_cookie_or_a_field() {
        let door = Door::new(Some("secret".to_owned()), 3030);
        let cookie = HeaderValue::from_static("inspector-3030=secret; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(ask(&door, "/?token=secret", &[]), Ok(Entrance::WithToken(cookie)));
        for (name, value) in
            [("cookie", "a=b; inspector-3030=secret"), ("authorization", "Bearer secret"), ("host", "x")]
        {
            let let_in = name != "host";
            assert_eq!(ask(&door, "/records", &[(name, value)]).is_ok(), let_in, "{name}");
        }
        for (target, headers) in [
            ("/", &[][..]),
            ("/?token=", &[]),
            ("/?token=secre", &[]),
            ("/?token=secret2", &[]),
            ("/?token=wrong", &[("cookie", "inspector-3030=secret")]),
            ("/", &[("cookie", "inspector-3031=secret")]),
            ("/", &[("cookie", "inspector-3030=Secret")]),
            ("/", &[("authorization", "Basic secret")]),
            // That it comes from this machine is no substitute.
            ("/", &[("host", "localhost")]),
        ] {
            assert_eq!(ask(&door, target, headers), Err(Refused::Token), "{target} {headers:?}");
        }
    }

    // proves: security/inspector
    #[test]
    fn pages_of_other_origins_are_turned_away() {
        let door = Door::new(None, 3030);
        let host = ("host", "localhost:3030");
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:3000"),
            ("origin", "null"),
        ] {
            for target in ["/records", "/inspect.js"] {
                let answer = ask(&door, target, &[host, (name, value)]);
                assert_eq!(answer, Err(Refused::ForeignPage), "{target} {name} {value}");
            }
        }
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
            ("origin", "http://localhost:3030"),
        ] {
            assert_eq!(ask(&door, "/records", &[host, (name, value)]), Ok(Entrance::Plain), "{name} {value}");
        }
        // A link leads to the page, and not to the records.
        let link = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask(&door, "/", &link), Ok(Entrance::Plain));
        assert_eq!(ask(&door, "/records", &link), Err(Refused::ForeignPage));
    }
}
