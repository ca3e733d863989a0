//! Requests and responses as [observers](engineio::observe) see them. Without observers, none of this is made.

use std::sync::atomic::{AtomicU64, Ordering};

use engineio::Headers;
use engineio::observe::{Observers, RequestView, ResponseView, What};
use http::HeaderMap;
use http::request::Parts;

use crate::http::body::Body;
use crate::net::peer::Peer;

/// The number of the next request.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A request that is shown to observers. If this is dropped before the answer, the request is shown as aborted.
pub(crate) struct Exchange {
    number: Number,
    observers: Observers,
    answered: bool,
}

/// The request's number, in its extensions.
#[derive(Clone, Copy)]
struct Number(u64);

impl Exchange {
    /// Shows a request, and stores its number in it. `None` without observers.
    pub(crate) fn begin(observers: &Observers, parts: &mut Parts, peer: Peer) -> Option<Exchange> {
        if observers.is_empty() {
            return None;
        }
        let number = Number(NEXT.fetch_add(1, Ordering::Relaxed));
        let headers = copy(&parts.headers);
        observers.see(None, || {
            What::Request(RequestView {
                exchange: number.0,
                method: parts.method.as_str(),
                target: parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
                headers: &headers,
                address: peer.address,
                secure: peer.secure,
            })
        });
        parts.extensions.insert(number);
        Some(Exchange { number, observers: observers.clone(), answered: false })
    }

    /// The number of a request, which only observers use.
    pub(crate) fn number(parts: &Parts) -> u64 {
        parts.extensions.get().map_or(0, |number: &Number| number.0)
    }

    /// Shows the answer.
    pub(crate) fn end(mut self, response: &http::Response<Body>) {
        self.answered = true;
        let headers = copy(response.headers());
        let body = response.body().to_bytes();
        self.observers.see(None, || {
            What::Response(ResponseView {
                exchange: self.number.0,
                status: response.status().as_u16(),
                headers: &headers,
                body: &body,
            })
        });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.answered {
            self.observers.see(None, || What::Aborted { exchange: self.number.0 });
        }
    }
}

/// Compact copies of header fields.
pub(crate) fn copy(headers: &HeaderMap) -> Headers {
    Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}
