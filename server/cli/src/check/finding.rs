//! What was found, and what to change.

use std::time::Duration;

/// What one step found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) step: &'static str,
    pub(super) verdict: Verdict,
    pub(super) says: String,
    pub(super) took: Option<Duration>,
    pub(super) fix: Option<Fix>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// Nothing is wrong, but good to know.
    Note,
    Bad,
}

/// What is to be changed, in the words of the usual proxies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fix {
    pub(super) what: &'static str,
    pub(super) nginx: &'static str,
    pub(super) haproxy: &'static str,
    pub(super) alb: &'static str,
}

impl Finding {
    pub(super) fn ok(step: &'static str, says: String) -> Finding {
        Finding { step, verdict: Verdict::Ok, says, took: None, fix: None }
    }

    pub(super) fn note(step: &'static str, says: String) -> Finding {
        Finding { verdict: Verdict::Note, ..Finding::ok(step, says) }
    }

    pub(super) fn bad(step: &'static str, says: String, fix: Option<Fix>) -> Finding {
        Finding { verdict: Verdict::Bad, fix, ..Finding::ok(step, says) }
    }

    pub(super) fn took(self, took: Duration) -> Finding {
        Finding { took: Some(took), ..self }
    }
}

impl Fix {
    pub(super) const STICKY: Fix = Fix {
        what: "Send all requests of a client to the same server.",
        nginx: "upstream servers { hash $remote_addr consistent; server ...; server ...; }",
        haproxy: "balance source    # or: cookie SERVERID insert indirect nocache",
        alb: "target group attributes: stickiness.enabled=true, stickiness.type=lb_cookie",
    };

    pub(super) const UPGRADE: Fix = Fix {
        what: "Forward the headers of a WebSocket handshake.",
        nginx: "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";",
        haproxy: "mode http    # and no `option httpclose`: tunnels need nothing more",
        alb: "an HTTP/1.1 target group: an ALB passes WebSockets by itself; a CDN or WAF before it may not",
    };

    pub(super) const BUFFER: Fix = Fix {
        what: "Forward answers as they come, and don't hold requests back.",
        nginx: "proxy_buffering off; gzip off;    # and no limit_req, limit_rate or proxy_cache in this location",
        haproxy: "no `option http-buffer-request`, no `tcp-request inspect-delay`, no compression here",
        alb: "an ALB holds nothing back: look at the CDN or WAF before it",
    };

    pub(super) const IDLE: Fix = Fix {
        what: "Let connections be idle for longer than the server's pingInterval.",
        nginx: "proxy_read_timeout 60s; proxy_send_timeout 60s;",
        haproxy: "timeout client 60s; timeout server 60s; timeout tunnel 1h",
        alb: "load balancer attribute: idle_timeout.timeout_seconds=60",
    };

    pub(super) const LARGEST: Fix = Fix {
        what: "Accept request bodies as large as the server's maxPayload, or make that smaller.",
        nginx: "client_max_body_size 2m;    # maxPayload and a little more",
        haproxy: "no limit of its own: look for `http-request deny` with `req.body_size`",
        alb: "an ALB has no such limit for servers: look at the WAF's body size rule",
    };

    pub(super) const CORS: Fix = Fix {
        what: "Set the CORS headers once: in the server, or in the proxy, not in both.",
        nginx: "no `add_header Access-Control-Allow-Origin` here, or proxy_hide_header Access-Control-Allow-Origin",
        haproxy: "no `http-response add-header access-control-allow-origin`",
        alb: "no header insertion for Access-Control-Allow-Origin on the listener",
    };
}
