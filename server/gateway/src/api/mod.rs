//! The API for backends: HTTP/1.1 and JSON, on an address of its own.
//!
//! A request passes one way: key, path and method, body, Idempotency-Key, the operation, the answer.

mod batch;
mod emit;
mod fault;
mod idempotency;
pub(crate) mod keys;
mod listener;
mod lists;
mod openapi;
mod query;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fault::{Code, Fault};
use http::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use idempotency::{Begun, Idempotency, IdempotencyKey};
use keys::Keys;
use parking_lot::{Mutex, RwLock};
use routes::{Endpoint, Route};
use serde::{Deserialize, Serialize};
use socketio::{Broadcast, Io, Note};

use crate::echo::{Echo, apps};
use crate::node::{NodeInfo, Scope};
use crate::operations::{Disconnect, MAIN, Move, Operation};
use crate::reading::{self, Unread};

/// The largest body, in bytes.
const MAX_BODY: usize = 10_000_000;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The API of a node. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct Api(Arc<State>);

#[derive(Debug)]
struct State {
    io: Io,
    node: NodeInfo,
    keys: RwLock<Keys>,
    idempotency: Arc<Mutex<Idempotency>>,
    /// Answers the paths of laravel-echo-server.
    echo: Option<Echo>,
}

/// What is answered, before it is HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    /// JSON.
    body: Bytes,
}

impl Reply {
    fn ok(body: &impl Serialize) -> Reply {
        Reply { status: StatusCode::OK, body: serde_json::to_vec(body).unwrap_or_default().into() }
    }
}

impl From<&Fault> for Reply {
    fn from(fault: &Fault) -> Reply {
        Reply { status: fault.code.status(), body: fault.json().into() }
    }
}

/// For how many sockets something was done.
#[derive(Serialize)]
struct Count {
    sockets: usize,
    /// Operations reach the clients of all nodes, and are counted where they are asked for.
    scope: Scope,
}

impl Api {
    /// The API of `io`. Without a key, only this machine must be able to reach it.
    #[must_use]
    pub fn new(io: Io, node: NodeInfo, keys: Keys) -> Api {
        let (keys, idempotency) = (RwLock::new(keys), Arc::default());
        Api(Arc::new(State { io, node, keys, idempotency, echo: None }))
    }

    /// Answers the paths of laravel-echo-server as well, `/apps/..`.
    #[must_use]
    pub fn with_echo(self, echo: Echo) -> Api {
        let State { io, node, keys, .. } = &*self.0;
        let (io, node, keys) = (io.clone(), node.clone(), RwLock::new(keys.read().clone()));
        Api(Arc::new(State { io, node, keys, idempotency: Arc::default(), echo: Some(echo) }))
    }

    /// The keys that let backends in from now on.
    pub fn set_keys(&self, keys: Keys) {
        *self.0.keys.write() = keys;
    }

    /// Answers one request.
    async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        if let Some((echo, path)) = self.0.echo.as_ref().zip(parts.uri.path().strip_prefix("/apps/")) {
            return response(self.apps(echo, path, &parts, body).await);
        }
        let allowed = routes::methods(parts.uri.path());
        let (reply, fault) = match self.reply(&parts, body).await {
            Ok(reply) => (reply, None),
            Err(fault) => {
                let Fault { code, message, at } = &fault;
                tracing::info!(
                    method = %parts.method,
                    path = parts.uri.path(),
                    status = code.status().as_u16(),
                    code = code.word(),
                    at,
                    error = %message,
                    "an API request is refused"
                );
                (Reply::from(&fault), Some(fault.code))
            }
        };
        let mut response = response(reply);
        let headers = response.headers_mut();
        match fault {
            Some(Code::Unauthorized) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Some(Code::MethodNotAllowed) => {
                headers
                    .insert(ALLOW, HeaderValue::from_str(&allowed).unwrap_or(HeaderValue::from_static("")));
            }
            _ => {}
        }
        response
    }

    async fn reply<B>(&self, parts: &Parts, body: B) -> Result<Reply, Fault>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        self.admit(parts)?;
        let Route { endpoint, id } = routes::find(&parts.method, parts.uri.path())?;
        if parts.method == Method::POST {
            let key = IdempotencyKey::of(&parts.headers, parts.uri.path())?;
            query::Query::of(&parts.uri).end()?;
            let body = read_body(parts, body).await?;
            return self.post(endpoint, key, body).await;
        }
        self.get(endpoint, id, &parts.uri).await
    }

    /// What laravel-echo-server answers, with the key where it takes it.
    async fn apps<B>(&self, echo: &Echo, path: &str, parts: &Parts, body: B) -> Reply
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let mut query = query::Query::of(&parts.uri);
        let admitted = match query.take("auth_key") {
            Some(key) if self.0.keys.read().has(&key) => Ok(()),
            _ => self.admit(parts),
        };
        let (status, answer) = match admitted {
            Err(fault) if fault.code == Code::Unauthorized => apps::unauthorized(),
            Err(fault) => return Reply::from(&fault),
            Ok(()) => {
                let body = match parts.method {
                    Method::POST => match read_body(parts, body).await {
                        Ok(body) => body,
                        Err(fault) => return Reply::from(&fault),
                    },
                    _ => Bytes::new(),
                };
                let path: Vec<_> = path.split('/').map(routes::decoded).collect();
                let prefix = query.take("filter_by_prefix");
                echo.answer(&parts.method, &path, prefix.as_deref(), &body).await
            }
        };
        Reply { status, body: answer.to_string().into() }
    }

    /// Whether the request may be asked at all.
    fn admit(&self, parts: &Parts) -> Result<(), Fault> {
        let keys = self.0.keys.read();
        if !keys.admit(&parts.headers) {
            return Err(Fault::new(
                Code::Unauthorized,
                "send Authorization: Bearer KEY, with one of the API's keys",
            ));
        }
        if keys.is_empty() && parts.headers.contains_key(AUTHORIZATION) {
            let message = "this API has no key: set api-key or api-key-file, or send no Authorization";
            return Err(Fault::new(Code::Unauthorized, message));
        }
        if keys.is_empty() && (parts.headers.contains_key(ORIGIN) || !names_this_machine(parts)) {
            let message =
                "without a key, the API only answers programs on this machine, by an address or localhost";
            return Err(Fault::new(Code::ForbiddenHost, message));
        }
        Ok(())
    }

    /// Does what a POST asks for, once if it has a key.
    async fn post(
        &self,
        endpoint: Endpoint,
        key: Option<IdempotencyKey>,
        body: Bytes,
    ) -> Result<Reply, Fault> {
        let Some(key) = key else { return self.operate(endpoint, &body).await };
        let begun = self.0.idempotency.lock().begin(&key, &body, Instant::now());
        let guard = match begun {
            Begun::Again(reply) => return Ok(reply),
            Begun::InProgress => {
                return Err(Fault::new(
                    Code::InProgress,
                    "the request with this Idempotency-Key is in progress: send it again later",
                ));
            }
            Begun::Other => {
                return Err(Fault::new(
                    Code::KeyReused,
                    "this Idempotency-Key came with another body before",
                ));
            }
            Begun::TooMany => {
                let message =
                    "too many requests with an Idempotency-Key are in progress: wait for some of them";
                return Err(Fault::new(Code::TooMany, message));
            }
            Begun::First => idempotency::Guard::new(Arc::clone(&self.0.idempotency), key),
        };
        // It is remembered even if nobody waits for the answer any more.
        let api = self.clone();
        let done = tokio::spawn(async move {
            let reply = api.operate(endpoint, &body).await;
            match &reply {
                Ok(reply) => guard.done(reply.clone(), Instant::now()),
                // Nothing was done.
                Err(_) => drop(guard),
            }
            reply
        });
        done.await.unwrap_or_else(|error| match error.is_panic() {
            true => Err(idempotency::panicked()),
            false => Err(Fault::new(Code::InProgress, "the server is stopping")),
        })
    }

    async fn operate(&self, endpoint: Endpoint, body: &[u8]) -> Result<Reply, Fault> {
        match endpoint {
            Endpoint::Emit => self.emit(read(body)?).await,
            Endpoint::Batch => self.batch(read(body)?),
            Endpoint::Join => self.run(Operation::Join(read::<Move>(body)?)),
            Endpoint::Leave => self.run(Operation::Leave(read::<Move>(body)?)),
            Endpoint::Disconnect => self.run(Operation::Disconnect(read::<Disconnect>(body)?)),
            Endpoint::Sockets | Endpoint::Socket | Endpoint::Rooms | Endpoint::Info | Endpoint::OpenApi => {
                Err(Fault::new(Code::MethodNotAllowed, "this path only has GET"))
            }
        }
    }

    /// Shows an operation with the sessions on this node that it is for.
    fn note(&self, name: &str, broadcast: &Broadcast, text: &str) {
        let note = Note { source: "api", name, text, took: None };
        broadcast.sockets().iter().for_each(|socket| socket.note(note));
    }

    fn run(&self, operation: Operation) -> Result<Reply, Fault> {
        let (name, text) = (operation.name(), self.0.node.notes.then(|| operation.describe()));
        let prepared = operation.prepare(&self.0.io, MAIN)?;
        if let Some(text) = text {
            self.note(name, prepared.broadcast(), &text);
        }
        Ok(Reply::ok(&Count { sockets: prepared.run(), scope: self.0.node.scope() }))
    }

    async fn get(&self, endpoint: Endpoint, id: Option<String>, uri: &Uri) -> Result<Reply, Fault> {
        let query = query::Query::of(uri);
        match endpoint {
            Endpoint::Sockets => self.sockets(query).await,
            Endpoint::Socket => self.socket(&id.unwrap_or_default(), query).await,
            Endpoint::Rooms => self.rooms(query).await,
            Endpoint::Info => self.info(query).await,
            _ => {
                query.end()?;
                Ok(Reply { status: StatusCode::OK, body: Bytes::from_static(openapi::DOCUMENT.as_bytes()) })
            }
        }
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether a request names this machine by an address or as localhost. A page whose name resolves to this machine
/// (DNS rebinding) names itself.
fn names_this_machine(parts: &Parts) -> bool {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(|host| host.parse::<http::uri::Authority>().ok()) else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

async fn read_body<B>(parts: &Parts, body: B) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    // A page can't send this type to another origin without asking first, and nothing here says yes.
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Fault::new(Code::NotJson, "send Content-Type: application/json"));
    }
    let reading = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Fault::new(Code::TooLarge, format!("a body may have at most {MAX_BODY} bytes")))
        }
        // Nobody is there to read it.
        Ok(Err(_)) => Err(Fault::new(Code::BadJson, "the body ended too early")),
        Err(_) => Err(Fault::new(Code::BodyTimeout, "the body took longer than 30 s")),
    }
}

/// Reads a body. What is wrong is told with its path.
fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Fault> {
    reading::read(body).map_err(|unread| match unread {
        Unread::Syntax(error) => Fault::new(Code::BadJson, error),
        Unread::Field { at, message } if at.is_empty() && message == "must be an object" => {
            Fault::new(Code::BadField, "the body must be a JSON object")
        }
        Unread::Field { at, message } if at.is_empty() => Fault::new(Code::BadField, message),
        Unread::Field { at, message } => Fault::new(Code::BadField, message).at(at),
    })
}
