//! What the server is told to do: command line, environment and file, settled into one [`Options`].
//!
//! The table below names each option once. From its row come the flag, the environment variable, the key of
//! the TOML file, the line of `--help` and the field; `ping-interval` is `--ping-interval 25s`,
//! `SOCKETIO_PING_INTERVAL=25s` and `ping-interval = "25s"`. The command line overrides the environment, the
//! environment the file, the file the default; a wrong value is an error also where another overrides it.

mod admin;
mod bench;
mod check;
mod checks;
mod choices;
mod command;
pub(crate) mod config;
mod connect;
mod deprecated;
mod error;
mod explain;
mod file;
mod given;
#[cfg(feature = "lab")]
mod lab;
mod meant;
mod pages;
mod row;
mod sources;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use socketio::{Parser, Recovery};
use socketio_admin::AdminMode;
use socketio_server::deflate::{CompressionLevel, PerMessageDeflate};
use socketio_server::{AllowedHosts, Cookie, Cors, Limits, SameSite, TrailingSlash, TrustedProxy};

use crate::logging::LogFormat;
use crate::place::{NetPlace, Place};
pub(crate) use bench::{Bench, Work};
pub(crate) use check::Check;
pub(crate) use choices::{App, EventAction, EventRule, RedisMode, Transports};
pub(crate) use command::{Command, ConfigCheck};
pub(crate) use connect::Connect;
pub(crate) use error::{OptionsError, Stop};
pub(crate) use explain::{Explain, meant_as_file};
use given::Given;
#[cfg(feature = "lab")]
pub(crate) use lab::{Lab, LabRun};
use row::Row;
use value::Reader;

/// `section { /// help; "key" field: Type = [default] as READER, ... }`, where the reader knows the value's
/// name, its form, and what is allowed.
macro_rules! options {
    ($($section:literal {$(
        $(#[doc = $help:literal])+
        $key:literal $visibility:vis $field:ident: $type:ty = [$($default:literal),*] as $reader:ident,
    )+})+) => {
        /// Every option of the server, settled: checked, and with defaults where nothing was given.
        #[derive(Clone, Debug)]
        pub(crate) struct Options {$($(
            $(#[doc = $help])+
            $visibility $field: $type,
        )+)+
            /// What was given by an old name: where, and its name now.
            pub(crate) renamed: Vec<(String, &'static str)>,
        }

        const TABLE: &[Row] = &[$($(Row {
            section: $section,
            key: $key,
            help: concat!($($help),+),
            value: value::$reader.name,
            form: value::$reader.form,
            default: &[$($default),*],
        },)+)+];

        impl Options {
            fn read(given: &[Given]) -> Result<Options, OptionsError> {
                Ok(Options {$($(
                    $field: read($key, &[$($default),*], &value::$reader, given)?,
                )+)+
                    renamed: given.iter().filter_map(Given::renamed).collect(),
                })
            }

            /// What is wrong with the values, each by itself.
            fn mistakes(given: &[Given]) -> Vec<OptionsError> {
                let mut mistakes = Vec::new();
                $($(mistakes.extend(read($key, &[$($default),*], &value::$reader, given).err());)+)+
                mistakes
            }
        }
    };
}

options! {
    "Server" {
        /// What to serve: chat (a chat with its page), echo (the application that client test suites expect),
        /// gateway (clients of a backend in any language), laravel-echo (clients of Laravel Echo), or none. With an
        /// option of the gateway or of Laravel Echo, that is the default
        "app" pub(crate) app: App = ["chat"] as APP,
        /// Where to accept clients: a port on this machine only (3000 or localhost:3000), on all addresses
        /// (:3000), on one address (192.0.2.1:3000), a Unix socket (unix:PATH), or the sockets of a systemd socket unit
        /// (systemd). Port 0 picks a free port. Repeat the option for several. Anyone who can write to the socket's file
        /// can connect
        "listen" pub(crate) listen: Vec<Place> = ["localhost:3000"] as PLACES,
        /// How many new connections the operating system queues for each listen address
        "backlog" pub(crate) backlog: u32 = ["1024"] as BACKLOG,
        /// Speak TLS, with the certificate chain in this PEM file, on every address except Unix sockets. Needs
        /// tls-key. Send SIGHUP to reload both files
        "tls-cert" pub(crate) tls_cert: Option<PathBuf> = [] as FILE,
        /// The private key of that certificate, as a PEM file
        "tls-key" pub(crate) tls_key: Option<PathBuf> = [] as FILE,
        /// Also accept clients over WebTransport (HTTP/3), on this UDP address; use the port of a TLS listen address.
        /// Needs tls-cert and tls-key, and a program that was built with it
        "webtransport" pub(crate) webtransport: Option<NetPlace> = [] as ADDRESS_OR_OFF,
        /// A proxy to trust: its X-Forwarded-For and X-Forwarded-Proto fields say who the client is. An
        /// address, a network, or unix for connections by Unix socket. Repeat the option for several
        "trusted-proxy" pub(crate) trusted_proxies: Vec<TrustedProxy> = [] as PROXIES,
        /// Expect the PROXY protocol, version 1 or 2, on connections of a trusted-proxy: it says who the client is. No other
        /// connection may use it
        "proxy-protocol" pub(crate) proxy_protocol: bool = ["false"] as SWITCH,
        /// The path where Socket.IO clients connect
        "path" pub(crate) path: String = ["/socket.io/"] as PATH,
        /// Whether requests need a slash at the end of that path
        "trailing-slash" pub(crate) trailing_slash: TrailingSlash = ["optional"] as SLASH,
        /// Serve the JavaScript client from this folder: node_modules/socket.io-client/dist
        "client-dir" pub(crate) client_dir: Option<PathBuf> = [] as FOLDER,
        /// How long clients get to leave when the server stops
        "drain-timeout" pub(crate) drain_timeout: Duration = ["30s"] as TIME_OR_NONE,
        /// The time over which a server that stops closes its clients, one after the other, if it has more than 500. At
        /// most half of drain-timeout; 0s closes all at once
        "drain-spread" pub(crate) drain_spread: Duration = ["10s"] as TIME_OR_NONE,
        /// How long the server still accepts clients after it has been told to stop, while /readyz already answers 503.
        /// Set it to the time that a load balancer needs to notice
        "drain-wait" pub(crate) drain_wait: Duration = ["0s"] as TIME_OR_NONE,
    }
    "Protocol" {
        /// How long to wait after a client's pong before the next ping
        "ping-interval" pub(crate) ping_interval: Duration = ["25s"] as TIME,
        /// How long a client may take to answer a ping
        "ping-timeout" pub(crate) ping_timeout: Duration = ["20s"] as TIME,
        /// Disconnect a client that doesn't answer a ping in time, even while it is sending or receiving a large message.
        /// On a slow link, its answer has to wait for the message
        "strict-heartbeat" pub(crate) strict_heartbeat: bool = ["false"] as SWITCH,
        /// How long a client may take to upgrade from polling to WebSocket
        "upgrade-timeout" pub(crate) upgrade_timeout: Duration = ["10s"] as TIME,
        /// How packets are encoded: default, or msgpack for clients that use socket.io-msgpack-parser
        "parser" pub(crate) parser: Parser = ["default"] as PARSER,
        /// How long a client may take to join its first namespace
        "connect-timeout" pub(crate) connect_timeout: Duration = ["45s"] as TIME,
        /// How long a client gets to learn that it was disconnected: a poll to fetch the last packets, a
        /// WebSocket to answer the close frame
        "close-timeout" pub(crate) close_timeout: Duration = ["5s"] as TIME,
        /// The largest request body or WebSocket message to accept, in bytes
        "max-payload" pub(crate) max_payload: usize = ["1000000"] as BYTES,
        /// Refuse clients that speak Engine.IO 3 (socket.io-client 1 and 2)
        "no-eio3" pub(crate) no_eio3: bool = ["false"] as SWITCH,
        /// Refuse clients that speak Engine.IO 4 (socket.io-client 3 and 4)
        "no-eio4" pub(crate) no_eio4: bool = ["false"] as SWITCH,
        /// Which transports clients may use: polling, websocket, or both
        "transports" pub(crate) transports: Transports = ["polling", "websocket"] as TRANSPORTS,
        /// Keep each client on the transport that it starts with
        "no-upgrades" pub(crate) no_upgrades: bool = ["false"] as SWITCH,
        /// Let old browsers poll by loading scripts (JSONP). Any web page can then read answers, even one that
        /// cors-origin doesn't list
        "jsonp" pub(crate) jsonp: bool = ["false"] as SWITCH,
        /// Don't compress answers to polls
        "no-http-compression" pub(crate) no_http_compression: bool = ["false"] as SWITCH,
        /// Compress answers to polls from this size on, in bytes
        "http-compression-threshold" pub(crate) http_compression_threshold: usize = ["1024"] as BYTES,
        /// Compress WebSocket messages of clients that offer it (permessage-deflate)
        "per-message-deflate" per_message_deflate: bool = ["false"] as SWITCH,
        /// Compress WebSocket messages from this size on, in bytes
        "deflate-threshold" deflate_threshold: usize = ["1024"] as BYTES,
        /// How hard to compress WebSocket messages: from 1, the fastest, to 9, the smallest
        "deflate-level" deflate_level: CompressionLevel = ["1"] as DEFLATE_LEVEL,
        /// Let a compressed WebSocket message refer to those before it. Short messages get smaller, but each client
        /// takes about 340 KB
        "deflate-context-takeover" deflate_context_takeover: bool = ["false"] as SWITCH,
    }
    "Limits" {
        /// How many connections may be open at once. Default: nine tenths of the process's file descriptors. If
        /// fewer than 40 would then stay free, all unused ones but 40; never less than half of all
        "max-connections" max_connections: Option<usize> = [] as COUNT_OR_OFF,
        /// How many sessions may be open at once
        "max-sessions" max_sessions: usize = ["100000"] as POSITIVE,
        /// How many connections one address may have open at once. Default: no limit. Behind a proxy, all
        /// clients share its address unless it is a trusted-proxy
        "max-address-connections" max_address_connections: Option<usize> = [] as COUNT_OR_OFF,
        /// How many sessions one address may open in a second. Default: no limit
        "max-address-handshakes" max_address_handshakes: Option<usize> = [] as COUNT_OR_OFF,
        /// The largest request head to accept, in bytes
        "max-head" max_head: usize = ["16384"] as BYTES,
        /// How many header fields a request may have
        "max-fields" max_fields: usize = ["100"] as POSITIVE,
        /// How long a request's head may take, from its first byte
        "head-timeout" head_timeout: Duration = ["10s"] as TIME,
        /// How long a connection may stay idle between two requests
        "idle-timeout" idle_timeout: Duration = ["75s"] as TIME,
        /// How long the body of a POST may take, and by how much a client that is sending a large WebSocket message may
        /// delay its answer to a ping
        "body-timeout" body_timeout: Duration = ["30s"] as TIME,
        /// How long a message of a plain WebSocket may take, from its first byte
        "message-timeout" message_timeout: Duration = ["30s"] as TIME,
        /// How long a hook or a middleware of the application may take to decide
        "hook-timeout" pub(crate) hook_timeout: Duration = ["20s"] as TIME,
        /// How long a client may read nothing while an answer is being sent to it, or while its send budget is used
        /// up
        "write-timeout" write_timeout: Duration = ["30s"] as TIME,
        /// How many packets one request may carry
        "max-packets" pub(crate) max_packets: usize = ["125000"] as POSITIVE,
        /// How many fragments one WebSocket message may have
        "max-fragments" pub(crate) max_fragments: usize = ["4096"] as POSITIVE,
        /// How many packets a client may send in a second. Default: no limit
        "max-packet-rate" pub(crate) max_packet_rate: Option<usize> = [] as COUNT_OR_OFF,
        /// How many bytes a client may send in a second. Default: no limit
        "max-byte-rate" pub(crate) max_byte_rate: Option<usize> = [] as COUNT_OR_OFF,
        /// How many WebSocket ping and pong frames a client may send in a second. Default: no limit
        "max-ping-rate" pub(crate) max_ping_rate: Option<usize> = [] as COUNT_OR_OFF,
        /// How many bytes may wait to be sent to one client. Beyond them, emit fails, and a client that reads nothing
        /// is disconnected
        "send-budget" pub(crate) send_budget: usize = ["64000000"] as BYTES,
        /// How many bytes all clients together may make the server hold: what waits to be sent, what is being
        /// received, and packets that wait. Each client may hold 16 KiB of each kind beyond it. When the budget runs
        /// short, the server disconnects the clients that hold most
        "memory-budget" pub(crate) memory_budget: usize = ["1000000000"] as BYTES,
        /// How many bytes of one client's packets may wait for their attachments, a middleware or a handler
        "max-backlog" pub(crate) max_backlog: usize = ["10000000"] as BYTES,
        /// How many binary attachments a packet may have
        "max-attachments" pub(crate) max_attachments: usize = ["10"] as COUNT,
        /// How long a packet's attachments may take to arrive
        "attachment-timeout" pub(crate) attachment_timeout: Duration = ["10s"] as TIME,
        /// The longest event name to accept, in bytes
        "max-event-name" pub(crate) max_event_name: usize = ["1024"] as BYTES,
        /// How many namespaces one client may join
        "max-namespaces" pub(crate) max_namespaces: usize = ["64"] as POSITIVE,
        /// How many rooms one socket may join
        "max-rooms" pub(crate) max_rooms: usize = ["1024"] as POSITIVE,
        /// How many acknowledgements from one client may be outstanding
        "max-pending-acks" pub(crate) max_pending_acks: usize = ["1024"] as POSITIVE,
        /// How long a client may take to acknowledge an event
        "ack-timeout" pub(crate) ack_timeout: Duration = ["10s"] as TIME,
        /// How many events of one client are handled at once. Further events wait
        "max-running-handlers" pub(crate) max_running_handlers: usize = ["256"] as POSITIVE,
    }
    "Recovery" {
        /// Let a client that lost its connection resume within this time, and send it what it missed. Default:
        /// off
        "recovery" recovery_window: Option<Duration> = [] as TIME_OR_OFF,
        /// How many bytes to keep for clients that may resume, and for the events they missed
        "recovery-bytes" recovery_bytes: usize = ["64000000"] as BYTES,
        /// How many such clients to remember at once
        "recovery-sessions" recovery_sessions: usize = ["100000"] as COUNT,
        /// Don't run the middlewares again for a client that resumes
        "recovery-skip-middlewares" recovery_skip_middlewares: bool = ["false"] as SWITCH,
    }
    "Cluster" {
        /// Join the cluster of all servers on this Redis, including those of socket.io on Node: redis://HOST:PORT,
        /// rediss:// for TLS, or unix:///PATH. Broadcasts then reach the clients of all servers. For a Redis Cluster, name
        /// two or more of its servers; for Redis Sentinel, some sentinels: redis+sentinel://HOST:PORT/NAME
        "redis" pub(crate) redis: Vec<String> = [] as REDIS,
        /// Which of npm's adapters the other servers have: pubsub is createAdapter, sharded is createShardedAdapter with
        /// subscriptionMode dynamic, of @socket.io/redis-adapter; streams is @socket.io/redis-streams-adapter 0.3
        "redis-mode" pub(crate) redis_mode: RedisMode = ["pubsub"] as REDIS_MODE,
        /// The beginning of all channels' names: what npm's adapters call key, or channelPrefix
        "redis-prefix" pub(crate) redis_prefix: String = ["socket.io"] as REDIS_NAME,
        /// The name of the stream, in the mode streams: streamName
        "redis-stream" pub(crate) redis_stream: String = ["socket.io"] as REDIS_NAME,
    }
    "Administration" {
        /// Let an administrator of this name use the page of npm's @socket.io/admin-ui, in the namespace /admin. Needs
        /// admin-password-hash
        "admin-user" admin_user: Option<String> = [] as WORD,
        /// The bcrypt hash of the administrator's password: what htpasswd -nbBC 10 NAME PASSWORD prints after the colon
        "admin-password-hash" admin_password_hash: Option<String> = [] as BCRYPT,
        /// Let administrators log in with this token, instead of a name and a password. On the page, it is the password, with any name
        "admin-token" admin_token: Option<String> = [] as TOKEN,
        /// Let administrators only look: they can't disconnect anyone, or move sockets between rooms
        "admin-read-only" admin_read_only: bool = ["false"] as SWITCH,
        /// How much administrators see: development shows every event and room; production only shows numbers, and costs less
        "admin-mode" admin_mode: AdminMode = ["development"] as ADMIN_MODE,
        /// The server's name on the page. Default: the machine's
        "admin-server-id" admin_server_id: Option<String> = [] as WORD,
        /// Serve the page at /admin/, from this folder: node_modules/@socket.io/admin-ui/ui/dist
        "admin-dir" pub(crate) admin_dir: Option<PathBuf> = [] as FOLDER,
    }
    "Browsers" {
        /// An origin whose pages may connect; pages of all other origins are then refused. Without this option,
        /// pages of any origin can connect over WebSocket. Examples: https://example.com, https://*.example.com,
        /// http://localhost:*, file://, app://., null, or * for all. Repeat the option for several
        "cors-origin" pub(crate) cors: Option<Cors> = [] as ORIGINS,
        /// Let those pages send cookies and other credentials
        "cors-credentials" cors_credentials: bool = ["false"] as SWITCH,
        /// A request header that those pages may send. Default: all. Repeat the option for several
        "cors-allowed-header" cors_allowed_headers: Vec<String> = [] as NAMES,
        /// A response header that those pages may read. Repeat the option for several
        "cors-exposed-header" cors_exposed_headers: Vec<String> = [] as NAMES,
        /// How long browsers may cache the answer to a preflight request
        "cors-max-age" cors_max_age: Option<Duration> = [] as AGE,
        /// A host that the server answers for; requests for other hosts are refused, so that no page can point its own
        /// name at the server. Default: all. Examples: example.com, *.example.com, localhost:3000. Repeat the option
        /// for several
        "allowed-host" pub(crate) allowed_hosts: Option<AllowedHosts> = [] as HOSTS,
        /// Accept a session's requests only from pages of the origin that opened it
        "bind-origin" pub(crate) bind_origin: bool = ["false"] as SWITCH,
        /// Set a cookie of this name with the session's id, for load balancers with sticky sessions
        "cookie" pub(crate) cookie: Option<Cookie> = [] as COOKIE,
        /// Send that cookie over HTTPS only
        "cookie-secure" cookie_secure: bool = ["false"] as SWITCH,
        /// The path on this server to which browsers send that cookie. Default: every path
        "cookie-path" cookie_path: Option<String> = [] as COOKIE_PATH,
        /// The domain to whose hosts browsers send that cookie. Default: this host only
        "cookie-domain" cookie_domain: Option<String> = [] as COOKIE_DOMAIN,
        /// How long browsers keep that cookie. Default: until the browser closes
        "cookie-max-age" cookie_max_age: Option<Duration> = [] as AGE,
        /// Which requests from other sites carry that cookie: strict (none), lax (links that the user follows),
        /// or none (all, over HTTPS only)
        "cookie-same-site" cookie_same_site: SameSite = ["lax"] as SAME_SITE,
        /// Let scripts on pages read that cookie
        "cookie-for-scripts" cookie_for_scripts: bool = ["false"] as SWITCH,
    }
    "Gateway" {
        /// Serve the HTTP API for backends on this address. Needs api-key or api-key-file, except on a loopback
        /// address
        "api" pub(crate) api: Option<NetPlace> = [] as ADDRESS_OR_OFF,
        /// A key that backends send to the API: Authorization: Bearer KEY. Two at once let backends change from one
        /// to the other. Other users of this machine can read the command line, so prefer the variable or the file
        "api-key" pub(crate) api_keys: Vec<String> = [] as API_KEYS,
        /// A file with such keys, one in each line. Send SIGHUP to reload it
        "api-key-file" pub(crate) api_key_file: Option<PathBuf> = [] as FILE,
        /// Send webhooks to a backend at this URL. It decides whether clients may join, and answers their events
        "webhook" pub(crate) webhook: Option<String> = [] as WEB_URL,
        /// Trust the certificate authorities in this PEM file, in place of the system's, for webhook, jwt-key-url
        /// and echo-auth-url. Send SIGHUP to reload it
        "ca-file" pub(crate) ca_file: Option<PathBuf> = [] as FILE,
        /// A secret that signs webhooks, as in Standard Webhooks: whsec_ and 24 to 64 bytes in base64. Two
        /// at once let the backend change from one to the other. Other users of this machine can read the command line,
        /// so prefer the variable or the file
        "webhook-secret" pub(crate) webhook_secrets: Vec<String> = [] as WEBHOOK_SECRETS,
        /// A file with such secrets, one in each line. Send SIGHUP to reload it
        "webhook-secret-file" pub(crate) webhook_secret_file: Option<PathBuf> = [] as FILE,
        /// A webhook to send beside the usual ones (connect, event, connected, disconnected, node_started): room_occupied or
        /// room_vacated; or one to leave out: no-connected. Repeat the option for several
        "webhook-hook" pub(crate) webhook_hooks: Vec<String> = [] as WEBHOOK_HOOKS,
        /// A header field of the client's request to show to the backend, such as cookie. Repeat the option for several
        "webhook-header" pub(crate) webhook_headers: Vec<String> = [] as NAMES,
        /// The client events that go to the backend, separated by commas. Default: all
        "webhook-events" pub(crate) webhook_events: Vec<String> = [] as EVENTS,
        /// How long the backend may take to say whether a client may join: at most a fifth of hook-timeout
        "webhook-connect-timeout" pub(crate) webhook_connect_timeout: Duration = ["3s"] as TIME,
        /// How long the backend may take to answer an event
        "webhook-event-timeout" pub(crate) webhook_event_timeout: Duration = ["5s"] as TIME,
        /// What happens to other client events: backend (send them there), rooms or namespace (send them to the other
        /// clients of the sender's rooms or namespace), refuse, or drop. Default: backend, or drop if webhook-events
        /// is set or there is no webhook
        "other-events" pub(crate) other_events: Option<EventAction> = [] as EVENT_ACTION,
        /// A namespace that clients can join; a * at its end stands for anything. Repeat the option for several
        "namespace" pub(crate) namespaces: Vec<String> = ["/"] as NAMESPACES,
        /// A rule for a client event: its name (a * at the end stands for anything), what happens to it (as in
        /// other-events), and how many of them each client may send: typing=rooms@5/s. In the file: [[gateway.events]] with
        /// name, to, namespace and rate. Repeat the option for several
        "event" pub(crate) events: Vec<EventRule> = [] as EVENT_RULES,
        /// Only let in clients with a JWT that is signed with this key: a secret (HS256), or a public key in PEM (RS256, ES256,
        /// EdDSA), or a JWK set. Clients send it as auth: { token }
        "jwt-key" pub(crate) jwt_key: Option<String> = [] as TEXT_OR_NONE,
        /// A file with that key. Send SIGHUP to reload it
        "jwt-key-file" pub(crate) jwt_key_file: Option<PathBuf> = [] as FILE,
        /// The URL of a JWK set with the keys of JWTs, which is fetched at the start, every ten minutes, and when a token
        /// names another key
        "jwt-key-url" pub(crate) jwt_key_url: Option<String> = [] as WEB_URL,
        /// The audience that a JWT must be for
        "jwt-audience" pub(crate) jwt_audience: Option<String> = [] as TEXT_OR_NONE,
        /// The issuer that a JWT must name
        "jwt-issuer" pub(crate) jwt_issuer: Option<String> = [] as TEXT_OR_NONE,
        /// The claim that lists the rooms to join
        "jwt-rooms" pub(crate) jwt_rooms: String = ["rooms"] as REDIS_NAME,
        /// A claim to keep as the socket's data. Repeat the option for several
        "jwt-data" pub(crate) jwt_data: Vec<String> = ["sub"] as NAMES,
        /// A room whose members learn about each other; a * at the end stands for anything. Repeat the option for
        /// several
        "presence-rooms" pub(crate) presence_rooms: Vec<String> = [] as PATTERNS,
        /// A key of a socket's data that the members of such a room see. Repeat the option for several
        "presence-data" pub(crate) presence_data: Vec<String> = [] as NAMES,
        /// The name of this node in answers of the API and in hooks. Default: the host's name and the process's id
        "node" pub(crate) node: Option<String> = [] as NODE,
    }
    "Laravel Echo" {
        /// Ask the application at this URL whether a client may join a private or presence channel. Without it, no
        /// client may
        "echo-auth-url" pub(crate) echo_auth_url: Option<String> = [] as WEB_URL,
        /// A header field that Echo may send to that URL, beside Accept, Accept-Language, Authorization, Cookie,
        /// X-CSRF-TOKEN and X-XSRF-TOKEN. Repeat the option for several
        "echo-auth-header" pub(crate) echo_auth_headers: Vec<String> = [] as NAMES,
        /// Send clients what the application publishes in this Redis: redis://HOST:PORT, rediss:// for TLS, or
        /// unix:///PATH
        "echo-redis" pub(crate) echo_redis: Option<String> = [] as REDIS_OR_NONE,
        /// What the application puts before the names of its channels there: the prefix in Laravel's
        /// config/database.php. Default: nothing
        "echo-redis-prefix" pub(crate) echo_redis_prefix: Option<String> = [] as TEXT_OR_NONE,
    }
    "Operating" {
        /// Serve /metrics for Prometheus, and /healthz and /readyz, on this address. Anyone who can reach it
        /// can read them
        "metrics" pub(crate) metrics: Option<NetPlace> = [] as ADDRESS_OR_OFF,
        /// Record everything that clients and server send to each other: append it to this file, or show it on the
        /// terminal (-)
        "trace" pub(crate) trace: Option<PathBuf> = [] as FILE,
        /// The largest size of that file, in bytes. A full file is renamed when the server starts
        "trace-limit" pub(crate) trace_limit: usize = ["100000000"] as BYTES,
        /// Serve a page that shows live sessions, on this address; without a value, on 127.0.0.1:3030. From
        /// another machine, open it with the token that the server prints
        "inspect" pub(crate) inspect: Option<NetPlace> = [] as PLACE_OR_OFF,
        /// How many bytes of recent records to keep for that page
        "inspect-memory" pub(crate) inspect_memory: usize = ["16000000"] as BYTES,
        /// The token for that page. Default: random, and none on a loopback address
        "inspect-token" pub(crate) inspect_token: Option<String> = [] as TOKEN,
        /// Show credentials, cookies and query parameters in the file and on the page, instead of stars
        "trace-secrets" pub(crate) trace_secrets: bool = ["false"] as SWITCH,
    }
    "Logs" {
        /// The format of log lines
        "log" pub(crate) log: LogFormat = ["text"] as LOG,
        /// The least severe level to log
        "log-level" pub(crate) log_level: LevelFilter = ["info"] as LEVEL,
        /// How many lines of one kind to log in a second; further lines are only counted. 0 logs all of them
        "log-rate" pub(crate) log_rate: usize = ["20"] as COUNT,
    }
}

/// Reads one option from every place that gives it. `given` is sorted by precedence: the last one wins.
fn read<T>(
    key: &'static str,
    default: &[&str],
    reader: &Reader<T>,
    given: &[Given],
) -> Result<T, OptionsError> {
    let default: Vec<_> = default.iter().map(|word| (*word).to_owned()).collect();
    let mut value = (reader.read)(&default)
        .map_err(|problem| OptionsError { place: format!("the default of {key}"), problem })?;
    for given in given.iter().filter(|given| given.key == key) {
        value = (reader.read)(&given.words).map_err(|problem| given.error(problem))?;
    }
    Ok(value)
}

impl Options {
    /// What bounds requests, connections and sessions.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_connections: self.max_connections,
            max_sessions: self.max_sessions,
            connections_per_address: self.max_address_connections,
            handshakes_per_address: self.max_address_handshakes,
            head_timeout: self.head_timeout,
            idle_timeout: self.idle_timeout,
            body_timeout: self.body_timeout,
            message_timeout: self.message_timeout,
            hook_timeout: self.hook_timeout,
            write_timeout: self.write_timeout,
            max_head: self.max_head,
            max_fields: self.max_fields,
        }
    }

    /// How WebSocket messages are compressed.
    pub(crate) fn per_message_deflate(&self) -> Option<PerMessageDeflate> {
        self.per_message_deflate.then_some(PerMessageDeflate {
            threshold: self.deflate_threshold,
            level: self.deflate_level,
            context_takeover: self.deflate_context_takeover,
        })
    }

    /// What clients that lost their connection can get back.
    pub(crate) fn recovery(&self) -> Option<Recovery> {
        Some(Recovery {
            max_disconnection: self.recovery_window?,
            bytes: self.recovery_bytes,
            sessions: self.recovery_sessions,
            skip_middlewares: self.recovery_skip_middlewares,
            ..Recovery::default()
        })
    }
}

#[cfg(test)]
mod tests;
