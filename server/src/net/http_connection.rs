//! hyper, as the server's connections have it.

use hyper::server::conn::http1;

use crate::net::idle::IdleTimer;
use crate::net::limits::Limits;

/// The fields of a request's head for which hyper has room without asking for memory.
const HYPER_FIELDS: usize = 100;

/// What hyper needs to have room for at the least.
const HYPER_BUFFER: usize = 8192;

/// hyper's part of a connection.
pub(crate) fn http_connection(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    // hyper's time for a head begins when the last answer ends, so it is the time to idle. The head's own is
    // `Watched`'s. Its buffer has a little more than a head's room, so that it is we who measure a head.
    http.timer(IdleTimer::default()).header_read_timeout(limits.idle_timeout);
    http.max_buf_size(limits.max_head.saturating_add(1024).max(HYPER_BUFFER));
    if limits.max_fields != HYPER_FIELDS {
        http.max_headers(limits.max_fields);
    }
    http
}
