//! The cookie that carries the session id, for load balancers that route by it.
//!
//! Off by default. Only the answer to a polling handshake sets it; the protocol itself never reads it.

use std::fmt::{self, Write as _};
use std::time::Duration;

use engineio::Sid;
use http::HeaderValue;

/// A cookie whose value is the session id. By default: `io=<sid>; Path=/; HttpOnly; SameSite=Lax`.
///
/// ```
/// use socketio_server::{Cookie, SameSite};
///
/// let cookie = Cookie::new("io")?.path("/chat")?.secure(true).same_site(SameSite::Strict);
/// # Ok::<(), socketio_server::CookieError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: Box<str>,
    path: Box<str>,
    domain: Option<Box<str>>,
    max_age: Option<Duration>,
    http_only: bool,
    secure: bool,
    same_site: SameSite,
}

/// Which requests from other sites carry the cookie.
///
/// ```
/// use socketio_server::{Cookie, CookieError, SameSite};
///
/// let cookie = Cookie::new("io")?.same_site(SameSite::Strict);
/// # Ok::<_, CookieError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// No request.
    Strict,
    /// Only when the user opens a page.
    Lax,
    /// All requests. Browsers demand `Secure` for this, so it is set too.
    None,
}

impl Cookie {
    /// A cookie of this name.
    ///
    /// # Errors
    /// If the name is not a token (RFC 6265, section 4.1.1): visible ASCII without separators.
    pub fn new(name: &str) -> Result<Cookie, CookieError> {
        let is_token = |byte| matches!(byte, b'!'..=b'~') && !br#"()<>@,;:\"/[]?={}"#.contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(CookieError::Name(name.to_owned()));
        }
        Ok(Cookie {
            name: name.into(),
            path: "/".into(),
            domain: None,
            max_age: None,
            http_only: true,
            secure: false,
            same_site: SameSite::Lax,
        })
    }

    /// The path under which the browser sends the cookie; `/` by default.
    ///
    /// # Errors
    /// If the path does not begin with a slash, contains a `;`, or is not printable ASCII.
    pub fn path(self, path: &str) -> Result<Cookie, CookieError> {
        if !path.starts_with('/') || !path.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b';') {
            return Err(CookieError::Path(path.to_owned()));
        }
        Ok(Cookie { path: path.into(), ..self })
    }

    /// The domain whose hosts get the cookie. By default, only the host that set it gets it.
    ///
    /// # Errors
    /// If it is not a host name.
    pub fn domain(self, domain: &str) -> Result<Cookie, CookieError> {
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if domain.is_empty() || !domain.bytes().all(is_host) {
            return Err(CookieError::Domain(domain.to_owned()));
        }
        Ok(Cookie { domain: Some(domain.into()), ..self })
    }

    /// How long the browser keeps the cookie, in whole seconds. By default, until the browser closes.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Cookie {
        Cookie { max_age: Some(age), ..self }
    }

    /// Hides the cookie from the page's scripts; `true` by default.
    #[must_use]
    pub fn http_only(self, http_only: bool) -> Cookie {
        Cookie { http_only, ..self }
    }

    /// Makes the browser send the cookie only over HTTPS; `false` by default.
    #[must_use]
    pub fn secure(self, secure: bool) -> Cookie {
        Cookie { secure, ..self }
    }

    /// Which requests from other sites carry the cookie; [`SameSite::Lax`] by default.
    #[must_use]
    pub fn same_site(self, same_site: SameSite) -> Cookie {
        Cookie { same_site, ..self }
    }

    /// The value of `Set-Cookie` for a session.
    ///
    /// # Panics
    /// Never: names, paths and domains were checked, and ids are base64url.
    pub(crate) fn header(&self, sid: &Sid) -> HeaderValue {
        HeaderValue::try_from(self.serialise(sid)).expect("each part was checked when it was set")
    }

    fn serialise(&self, sid: &Sid) -> String {
        let mut text = format!("{}={sid}", self.name);
        if let Some(age) = self.max_age {
            let _ = write!(text, "; Max-Age={}", age.as_secs());
        }
        if let Some(domain) = &self.domain {
            let _ = write!(text, "; Domain={domain}");
        }
        let _ = write!(text, "; Path={}", self.path);
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        if self.secure || self.same_site == SameSite::None {
            text.push_str("; Secure");
        }
        text.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        text
    }
}

/// Why a [`Cookie`] can't be built, with the invalid part.
///
/// ```
/// use socketio_server::{Cookie, CookieError};
///
/// assert!(matches!(Cookie::new("two words"), Err(CookieError::Name(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// A name that is not a token.
    Name(String),
    /// A path without a leading slash, or with an invalid character.
    Path(String),
    /// A domain that is not a host name.
    Domain(String),
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieError::Name(name) => {
                write!(f, "{name:?} can't be a cookie's name: use letters, digits and !#$%&'*+-.^_`|~ only")
            }
            CookieError::Path(path) => {
                write!(
                    f,
                    "{path:?} can't be a cookie's path: it must begin with `/`, be printable, and have no `;`"
                )
            }
            CookieError::Domain(domain) => write!(f, "{domain:?} can't be a cookie's domain"),
        }
    }
}

impl std::error::Error for CookieError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid() -> Sid {
        Sid::parse("Ul3z_WcWMNraJDi2AAAA").unwrap()
    }

    // proves: features/cookie
    #[test]
    fn the_default_is_the_references_cookie() {
        let header = Cookie::new("io").unwrap().header(&sid());
        assert_eq!(header, "io=Ul3z_WcWMNraJDi2AAAA; Path=/; HttpOnly; SameSite=Lax");
    }

    // proves: features/cookie
    #[test]
    fn every_attribute_is_written() {
        let cookie = Cookie::new("__Secure-io")
            .and_then(|cookie| cookie.path("/chat room"))
            .and_then(|cookie| cookie.domain(".example.com"))
            .unwrap()
            .max_age(Duration::from_millis(3_600_900))
            .secure(true)
            .same_site(SameSite::Strict);
        assert_eq!(
            cookie.header(&sid()),
            "__Secure-io=Ul3z_WcWMNraJDi2AAAA; Max-Age=3600; Domain=.example.com; Path=/chat room; HttpOnly; \
             Secure; SameSite=Strict"
        );
        assert_eq!(
            Cookie::new("io").unwrap().http_only(false).header(&sid()),
            "io=Ul3z_WcWMNraJDi2AAAA; Path=/; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_for_every_site_is_secure() {
        assert_eq!(
            Cookie::new("io").unwrap().same_site(SameSite::None).header(&sid()),
            "io=Ul3z_WcWMNraJDi2AAAA; Path=/; HttpOnly; Secure; SameSite=None"
        );
    }

    #[test]
    fn nothing_breaks_out_of_the_header() {
        for name in ["", "a;b", "a=b", "a b", "a\r\nb", "a\0", "a,b", "é", "a\"", "\u{7f}"] {
            assert_eq!(Cookie::new(name), Err(CookieError::Name(name.to_owned())));
        }
        for path in ["", "chat", "/a;Secure", "/a\r\nx: y", "/\0", "/é", "/\u{7f}"] {
            assert_eq!(
                Cookie::new("io").unwrap().path(path),
                Err(CookieError::Path(path.to_owned())),
                "{path:?}"
            );
        }
        for domain in ["", "a;b", "a b", "a\r\n", "é.example"] {
            assert_eq!(
                Cookie::new("io").unwrap().domain(domain),
                Err(CookieError::Domain(domain.to_owned())),
                "{domain:?}"
            );
        }
    }
}
