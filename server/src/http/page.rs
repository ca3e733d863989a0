//! Files of pages that are compiled into a program.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};

/// Answers a request for a file of a page, as an application of [`Builder::pages`](crate::Builder::pages) may.
///
/// `policy` is the page's `Content-Security-Policy`. Methods other than GET and HEAD are answered with 405. Browsers
/// ask for the file again each time, so that a new version of the program never meets an old page.
#[must_use]
pub fn page_file(
    method: &Method,
    content_type: &'static str,
    content: Bytes,
    policy: &'static str,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let length = content.len();
    if method == Method::GET {
        *response.body_mut() = content;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
