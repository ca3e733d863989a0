//! The answers that an endpoint gives.

use bytes::Bytes;
use engineio::memory::Held;
use engineio::{ErrorCode, Jsonp, Limit, Payload};
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

use crate::http::body::Body;
use crate::http::compression::{Compressors, Encoding};
use crate::http::refused::{Denial, Denied, Refused, merge};

/// The header field that tells a refused WebSocket why.
pub(crate) const REJECT_REASON: HeaderName = HeaderName::from_static("x-websocket-reject-reason");

/// A payload on its way into a response.
pub(crate) struct Packed {
    payload: Payload,
    /// The memory that it needs besides the packets of its session.
    held: Held,
    content_type: HeaderValue,
    /// Whether one of its packets may be compressed.
    compress: bool,
    encoding: Option<Encoding>,
    script: bool,
}

impl Packed {
    /// A payload, as a script for JSONP.
    pub(crate) fn new(payload: Payload, jsonp: Option<Jsonp>) -> Packed {
        let compress = payload.may_compress();
        let (payload, content_type) = match jsonp {
            Some(jsonp) => {
                let script = jsonp.script(&payload.to_bytes());
                (script.into(), const { HeaderValue::from_static("text/javascript; charset=UTF-8") })
            }
            None if payload.is_binary() => {
                (payload, const { HeaderValue::from_static("application/octet-stream") })
            }
            None => (payload, const { HeaderValue::from_static("text/plain; charset=UTF-8") }),
        };
        let held = Held::new(payload.encoded());
        Packed { payload, held, content_type, compress, encoding: None, script: jsonp.is_some() }
    }

    /// Compresses a payload of `threshold` bytes or more in the encoding that the client accepts, unless none of
    /// its packets may be. Without a threshold nothing is compressed.
    pub(crate) async fn compress(
        mut self,
        accepted: Option<Encoding>,
        threshold: Option<usize>,
        compressors: &Compressors,
        memory: usize,
    ) -> Packed {
        if self.compress
            && threshold.is_some_and(|threshold| self.payload.len() >= threshold)
            && let Some(encoding) = accepted
            && let Some((compressed, held)) = compressors.compress(encoding, &self.payload, memory).await
        {
            self.payload = compressed.into();
            self.held = held;
            self.encoding = Some(encoding);
        }
        self
    }

    /// The response. It has `no-store`, so it needs no `Vary`.
    pub(crate) fn response(self, body: impl FnOnce(Payload, Held) -> Body) -> Response<Body> {
        let mut response = Response::new(body(self.payload, self.held));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.content_type);
        headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
        if let Some(encoding) = self.encoding {
            headers.insert(CONTENT_ENCODING, encoding.header());
        }
        if self.script {
            // A page can only load it as a script.
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        response
    }
}

/// The answer to a POST whose packets were accepted.
pub(crate) fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    response.headers_mut().insert(CONTENT_TYPE, const { HeaderValue::from_static("text/html") });
    response.headers_mut().insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    response
}

/// The answer to a handshake, or to a connection, for which there is no room.
pub(crate) fn refused_by(limit: Limit) -> Response<Body> {
    tracing::debug!(limit = limit.name(), "refused at a limit");
    let code = match limit {
        Limit::AddressConnections | Limit::AddressHandshakes => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = status(code);
    // Rates are counted by the second, and for other limits one second is fine.
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The response to a request that is refused. Few WebSocket clients show the body of a refusal, so the reason is in
/// the header too.
pub(crate) fn refusal(refused: Refused, websocket: bool) -> Response<Body> {
    let code = refused.refusal().error_code();
    let reason = refused.reason().filter(|_| websocket).and_then(reject_reason);
    let mut response = match refused {
        Refused::Refusal(_) => {
            let mut response = Response::new(Body::from(code.body()));
            *response.status_mut() = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
            response
        }
        Refused::Denied(Denied(denied)) => {
            let Denial { status, headers, message, json } = *denied;
            let body = json.unwrap_or_else(|| {
                // The same fields as in every refusal, with another message.
                let message = serde_json::Value::from(&*message);
                format!(r#"{{"code":{},"message":{message}}}"#, code.number()).into()
            });
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            merge(response.headers_mut(), headers);
            response
        }
    };
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    if let Some(reason) = reason {
        headers.insert(REJECT_REASON, reason);
    }
    if websocket {
        // "The server supports version 13": RFC 6455, section 4.4.
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

/// A reason as the value of a header field: without line ends and other control characters.
pub(crate) fn reject_reason(reason: &str) -> Option<HeaderValue> {
    let printable: String = reason.chars().filter(|c| !c.is_control()).collect();
    HeaderValue::from_bytes(printable.as_bytes()).ok()
}

/// Refuses a request that breaks a rule of HTTP, or can't be read.
pub(crate) fn unreadable(status: StatusCode) -> Response<Body> {
    let forbidden = status == StatusCode::FORBIDDEN;
    let code = if forbidden { ErrorCode::Forbidden } else { ErrorCode::BadRequest };
    let mut response = Response::new(Body::from(code.body()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
    closing(response)
}

/// A response as text, for where hyper doesn't write it.
pub(crate) fn as_bytes(response: &Response<Body>) -> Bytes {
    let body = response.body().to_bytes();
    let mut bytes =
        format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", response.status(), body.len()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes.into()
}

/// A response without a body.
pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

pub(crate) fn not_allowed() -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

/// Ends the connection after this response, without reading the rest of the request's body.
pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
