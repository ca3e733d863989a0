//! Canned answers by long polling.

use std::fmt::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};

use crate::canned::CONNECT;

/// The payload that a request asks for by its `t`, `COUNT-SIZE`, which servers of Socket.IO ignore: so many
/// messages with so many bytes each. Without a `t` it is about joining `/`.
pub fn asked<B>(request: &Request<B>) -> Bytes {
    // One run asks for one kind of payload.
    static CANNED: OnceLock<Bytes> = OnceLock::new();
    match parameter(request, "t=") {
        Some(asked) => CANNED.get_or_init(|| can(asked)).clone(),
        None => Bytes::from_static(CONNECT.as_bytes()),
    }
}

/// The value of a parameter of the query, whose `name` ends with `=`.
pub fn parameter<'a, B>(request: &'a Request<B>, name: &str) -> Option<&'a str> {
    request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix(name))
}

/// The answer to a GET.
pub fn payload(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer to a POST.
pub fn accepted() -> Response<Full<Bytes>> {
    Response::new(Full::from("ok"))
}

fn can(asked: &str) -> Bytes {
    let (count, size) = asked.split_once('-').expect("COUNT-SIZE");
    let (count, size): (usize, usize) = (count.parse().expect("a count"), size.parse().expect("a size"));
    let mut body = String::new();
    for number in 0..count {
        let separator = if number == 0 { "" } else { "\u{1e}" };
        let _ = write!(body, r#"{separator}42["message-back","{}"]"#, "x".repeat(size));
    }
    body.into()
}
