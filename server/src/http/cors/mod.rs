//! Cross-origin requests: the pages that may use the server, and the header fields that tell their browsers.
//!
//! Off by default: without a [`Cors`], no `Access-Control-*` header is sent, and no origin is refused. Browsers
//! don't apply CORS to WebSocket, so a page of any origin can then connect by WebSocket. With a [`Cors`], the
//! server refuses an origin that is not listed, on both transports.

mod error;
mod origin;
mod strangers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

pub use error::CorsError;
use origin::Origin;
pub(crate) use strangers::Strangers;

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE");

/// The origins whose pages may use the server from a browser.
///
/// A page of any other origin is refused with 403, by polling and by WebSocket. Requests without an `Origin`, and
/// those from the server's own origin, need no permission.
///
/// A server without a `Cors` refuses no origin. Browsers then hide its HTTP answers from other origins' pages, but
/// let every page open a WebSocket: set one in production.
///
/// ```
/// use socketio_server::Cors;
///
/// let cors = Cors::new(["https://example.com", "https://*.example.com", "http://localhost:*"])?
///     .credentials()?
///     .allowed_headers(["x-token"])?;
/// # Ok::<(), socketio_server::CorsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
    methods: HeaderValue,
    /// `None` allows what the page asks for.
    allowed_headers: Option<HeaderValue>,
    exposed_headers: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origins {
    Any,
    Listed(Box<[Origin]>),
    Asked(Ask),
}

/// The application's own rule.
#[derive(Clone)]
struct Ask(Arc<Rule>);

type Rule = dyn Fn(&str, &Parts) -> bool + Send + Sync;

impl Cors {
    /// Pages of any origin, without credentials: `Access-Control-Allow-Origin: *`.
    #[must_use]
    pub fn any() -> Cors {
        Cors::with(Origins::Any)
    }

    /// Pages of these origins, written as a browser sends them: `https://example.com`, `http://localhost:8080`.
    /// A `*` matches one or more first labels of a host (`https://*.example.com`, but not
    /// `https://example.com`), or the port (`http://localhost:*`). A single `*` is the same as [`Cors::any`].
    ///
    /// You can also list `file://`, `app://.` and `null`, which pages without a host send. Sandboxed frames
    /// send `null` too, so listing it lets any page connect.
    ///
    /// # Errors
    /// If the list is empty, or an entry can't be an origin.
    pub fn new<I>(origins: I) -> Result<Cors, CorsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut listed = Vec::new();
        let mut any = false;
        for origin in origins {
            match origin.as_ref() {
                "*" => any = true,
                text => listed.push(Origin::parse(text)?),
            }
        }
        match (any, listed.is_empty()) {
            (true, true) => Ok(Cors::any()),
            (true, false) => Err(CorsError::AnyAmongOthers),
            (false, true) => Err(CorsError::NoOrigin),
            (false, false) => Ok(Cors::with(Origins::Listed(listed.into()))),
        }
    }

    /// Your own rule: pages for which `allow` returns `true`. It gets the origin and the request.
    ///
    /// With [`credentials`](Cors::credentials), an allowed page acts in its user's name, so only allow pages
    /// that you trust. The server then refuses `null` without calling `allow`, since any page can send it from
    /// a sandboxed frame.
    #[must_use]
    pub fn by<F>(allow: F) -> Cors
    where
        F: Fn(&str, &Parts) -> bool + Send + Sync + 'static,
    {
        Cors::with(Origins::Asked(Ask(Arc::new(allow))))
    }

    fn with(origins: Origins) -> Cors {
        Cors {
            origins,
            credentials: false,
            methods: METHODS,
            allowed_headers: None,
            exposed_headers: None,
            max_age: None,
        }
    }

    /// Lets those pages send cookies and HTTP authentication: `Access-Control-Allow-Credentials: true`.
    ///
    /// # Errors
    /// If every origin or `null` is allowed: any page that a user visits could act in the user's name.
    pub fn credentials(self) -> Result<Cors, CorsError> {
        match &self.origins {
            Origins::Any => Err(CorsError::CredentialsForAny),
            Origins::Listed(listed) if listed.contains(&Origin::Null) => Err(CorsError::CredentialsForNull),
            Origins::Listed(_) | Origins::Asked(_) => Ok(Cors { credentials: true, ..self }),
        }
    }

    /// The methods that those pages may use; GET, HEAD, PUT, PATCH, POST and DELETE by default.
    #[must_use]
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Cors {
        let methods: Vec<_> = methods.into_iter().map(|method| method.to_string()).collect();
        // A method is a token, which any header field can hold.
        Cors { methods: HeaderValue::try_from(methods.join(",")).unwrap_or(METHODS), ..self }
    }

    /// The header fields that those pages may send; all by default.
    ///
    /// # Errors
    /// If a name is not that of a header field.
    pub fn allowed_headers<I>(self, names: I) -> Result<Cors, CorsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Ok(Cors { allowed_headers: Some(join(names)?), ..self })
    }

    /// The header fields that those pages may read, in addition to the few that every page may read.
    ///
    /// # Errors
    /// If a name is not that of a header field.
    pub fn exposed_headers<I>(self, names: I) -> Result<Cors, CorsError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Ok(Cors { exposed_headers: Some(join(names)?), ..self })
    }

    /// How long a browser may keep the answer to a preflight, in whole seconds. The browser decides by default.
    #[must_use]
    pub fn max_age(self, age: Duration) -> Cors {
        Cors { max_age: Some(HeaderValue::from(age.as_secs())), ..self }
    }

    /// Judges a request by its origin.
    pub(crate) fn judge(&self, request: &Parts) -> Verdict {
        let mut origins = request.headers.get_all(ORIGIN).iter();
        let (origin, second) = (origins.next(), origins.next());
        let allowed = match &self.origins {
            Origins::Any => {
                let star = HeaderValue::from_static("*");
                return Verdict { allow_origin: Some(star), refused: second.is_some() };
            }
            _ if second.is_some() => None,
            Origins::Listed(listed) => {
                let text = origin.and_then(|origin| origin.to_str().ok());
                origin.filter(|_| text.is_some_and(|text| listed.iter().any(|origin| origin.matches(text))))
            }
            Origins::Asked(Ask(allow)) => {
                let text = origin.and_then(|origin| origin.to_str().ok());
                origin.filter(|_| {
                    text.is_some_and(|text| (text != "null" || !self.credentials) && allow(text, request))
                })
            }
        };
        let own = second.is_none() && origin.is_none_or(|origin| is_own(origin, &request.headers));
        Verdict { allow_origin: allowed.cloned(), refused: allowed.is_none() && !own }
    }

    /// Judges a request that could not be read, of which only the origin is known. The application's own rule is not
    /// called.
    pub(crate) fn judge_unread(&self, origin: Option<&[u8]>) -> Verdict {
        let listed = |origin: &HeaderValue| {
            let text = origin.to_str().unwrap_or_default();
            matches!(&self.origins, Origins::Listed(listed) if listed.iter().any(|origin| origin.matches(text)))
        };
        let allow_origin = match &self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            _ => origin.and_then(|origin| HeaderValue::from_bytes(origin).ok()).filter(listed),
        };
        Verdict { allow_origin, refused: true }
    }

    /// Whether the decision depends only on the origin.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.origins, Origins::Listed(_))
    }

    /// Adds the header fields that let the requesting page read a response.
    pub(crate) fn grant(&self, verdict: Verdict, response: &mut HeaderMap) {
        if !matches!(self.origins, Origins::Any) {
            // Even if nothing is granted, so that no cache gives one origin another's answer.
            response.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = verdict.allow_origin else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(names) = &self.exposed_headers {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }

    /// The answer to an OPTIONS request: 204, and what the page may send. A foreign origin gets the 204 without any
    /// permission, so its browser gives up.
    pub(crate) fn preflight(&self, verdict: Verdict, request: &HeaderMap) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.grant(verdict, headers);
        if self.allowed_headers.is_none() {
            headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        }
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
            if let Some(names) = self.allowed_headers.as_ref().or(asked) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            if let Some(age) = &self.max_age {
                headers.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
            }
        }
        response
    }
}

/// What a [`Cors`] makes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    allow_origin: Option<HeaderValue>,
    /// It must be refused (403, code 4): its page's origin is neither allowed nor the server's own.
    ///
    /// The server's own origin is the one that `Host` names. So a page whose name was rebound to this server's
    /// address is not noticed here: the check of `Host` is for that.
    pub(crate) refused: bool,
}

/// Names of header fields, as a list in one header field.
fn join<I>(names: I) -> Result<HeaderValue, CorsError>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let mut list = String::new();
    for name in names {
        let name = name.as_ref();
        HeaderName::try_from(name).map_err(|_| CorsError::HeaderName(name.to_owned()))?;
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(name);
    }
    HeaderValue::try_from(&list).map_err(|_| CorsError::HeaderName(list))
}

/// The origin of the page that a request comes from, unless it is the server's own: for requests to its own server, a
/// page doesn't always send it.
pub(crate) fn foreign_origin(request: &HeaderMap) -> Option<&[u8]> {
    request.get(ORIGIN).filter(|origin| !is_own(origin, request)).map(HeaderValue::as_bytes)
}

/// Whether an origin is the one that the request was sent to. The scheme is not compared, since a proxy may terminate
/// TLS.
fn is_own(origin: &HeaderValue, request: &HeaderMap) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), request.get(HOST).map(HeaderValue::to_str)) else {
        return false;
    };
    let (default_port, authority) = match origin.split_once("://") {
        Some(("http", authority)) => (":80", authority),
        Some(("https", authority)) => (":443", authority),
        _ => return false,
    };
    let without_default = |authority| str::strip_suffix(authority, default_port).unwrap_or(authority);
    !authority.is_empty() && without_default(authority).eq_ignore_ascii_case(without_default(host))
}

// A rule is equal to itself alone.
impl PartialEq for Ask {
    fn eq(&self, other: &Ask) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ask {}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

#[cfg(test)]
mod tests;
