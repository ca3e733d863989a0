//! Rules of HTTP that hyper doesn't check.
//!
//! If a proxy and a server read one request differently, it can smuggle another one past the proxy. So the
//! server refuses a request that can be read in two ways.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};

/// The rule of HTTP that a request breaks, and the status of its refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpRefusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
}

impl HttpRefusal {
    /// Only [`head_watch`](crate::net::head_watch) notices this.
    pub(crate) const LENGTH_BESIDE_ENCODING: HttpRefusal =
        HttpRefusal::bad_request("a request must not have both Transfer-Encoding and Content-Length");

    /// The operator says for which hosts the server answers.
    pub(crate) const OTHER_HOST: HttpRefusal =
        HttpRefusal { status: StatusCode::FORBIDDEN, reason: "allowed-host does not list its Host" };

    const fn bad_request(reason: &'static str) -> HttpRefusal {
        HttpRefusal { status: StatusCode::BAD_REQUEST, reason }
    }
}

/// Refuses a request that breaks one of these rules. Its head may have `max_head` bytes.
pub(crate) fn check(request: &Parts, max_head: usize) -> Result<(), HttpRefusal> {
    // A head is kept for as long as its session, so it is bounded here and not only by what hyper buffers.
    let mut head = uri_len(&request.uri);
    let (mut hosts, mut encodings, mut chunked) = (0, 0, true);
    for (name, value) in &request.headers {
        head += field_len(name, value);
        if name == HOST {
            hosts += 1;
        } else if name == TRANSFER_ENCODING {
            encodings += 1;
            chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
        }
    }
    // "A server MUST respond with a 400 status code to any HTTP/1.1 request message that lacks a Host header
    // field and to any request message that contains more than one" (RFC 9112, section 3.2).
    if hosts > 1 || (hosts == 0 && request.version == Version::HTTP_11) {
        return Err(HttpRefusal::bad_request("a request must have exactly one Host"));
    }
    if head > max_head {
        return Err(HttpRefusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            reason: "its head is longer than max-head allows",
        });
    }
    // hyper accepts any coding that ends with `chunked`, and passes on what it can't decode. "A server that receives
    // a request message with a transfer coding it does not understand" refuses it (RFC 9112, 6.1).
    if encodings > 1 || !chunked {
        return Err(HttpRefusal::bad_request(
            "the only Transfer-Encoding that the server accepts is chunked",
        ));
    }
    // This server is not a proxy (RFC 9110, section 9.3.6).
    if request.method == Method::CONNECT {
        return Err(HttpRefusal::bad_request("CONNECT is for proxies, and this server is not one"));
    }
    // The body of a request that leaves HTTP would be lost between the two protocols.
    if has_body(&request.headers) && is_websocket(&request.headers) {
        return Err(HttpRefusal::bad_request("a request for a WebSocket must not have a body"));
    }
    Ok(())
}

fn uri_len(uri: &Uri) -> usize {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    // With "://" after it.
    path + authority + uri.scheme_str().map_or(0, |scheme| scheme.len() + 3)
}

fn field_len(name: &HeaderName, value: &HeaderValue) -> usize {
    // A colon, a space, and the line's end.
    name.as_str().len() + value.len() + 4
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Whether a request asks for a WebSocket (RFC 6455, section 4.2.1). Other protocols in `Upgrade` may be
/// ignored (RFC 9110, section 7.8).
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket") && has_token(headers, &http::header::CONNECTION, "upgrade")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}
