//! hyper, as it is configured for the server's connections.

use hyper::server::conn::http1;

use crate::net::idle::IdleTimer;
use crate::net::limits::Limits;

/// The number of header fields for which hyper needs no allocation.
const HYPER_FIELDS: usize = 100;

/// The smallest buffer that hyper accepts.
const HYPER_BUFFER: usize = 8192;

/// hyper's part of a connection.
pub(crate) fn http_connection(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // hyper's time for a head begins when the last answer ends, so it is used as the idle time. `Watched` has the
    // time for a head. The buffer is a little larger than a head may be, so that this server checks a head's length
    // itself.
    http.timer(IdleTimer::default()).header_read_timeout(limits.idle_timeout);
    http.max_buf_size(limits.max_head.saturating_add(1024).max(HYPER_BUFFER));
    if limits.max_fields != HYPER_FIELDS {
        http.max_headers(limits.max_fields);
    }
    http
}
