//! WebSockets to a server.

use std::fmt;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::Reply;
use super::stream::{Connected, Stream};
use super::target::Target;

/// The longest message of a server, in bytes.
const LONGEST: usize = 200_000_000;

/// Bytes that are read at once. Each WebSocket has that much memory for it.
const READ: usize = 16_384;

/// A WebSocket, and what the server answered when it was opened.
pub(crate) struct OpenedWebSocket {
    pub(crate) stream: WebSocketStream<Box<dyn Stream>>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum WebSocketError {
    /// The server answered with something else than 101.
    Refused(Box<Reply>),
    /// There is no connection, or no answer that can be understood.
    Failed(String),
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocketError::Refused(reply) => write!(f, "the server answered {}", reply.status),
            WebSocketError::Failed(problem) => f.write_str(problem),
        }
    }
}

impl OpenedWebSocket {
    /// Opens one.
    ///
    /// # Errors
    /// If the server refuses it, can't be reached, or takes too long.
    pub(crate) async fn open(target: &Target, query: &str) -> Result<OpenedWebSocket, WebSocketError> {
        let failed = |error: &dyn fmt::Display| WebSocketError::Failed(error.to_string());
        let Connected { stream, .. } = Connected::open(target).await.map_err(|error| failed(&error))?;
        let uri = format!("ws://{}{}", target.url.authority(), target.request_target(query));
        let mut request = uri.into_client_request().map_err(|error| failed(&error))?;
        for (name, value) in target.fields() {
            request.headers_mut().append(name, value);
        }
        let mut config = WebSocketConfig::default();
        (config.max_message_size, config.max_frame_size) = (Some(LONGEST), Some(LONGEST));
        config.read_buffer_size = READ;
        let opening = client_async_with_config(request, stream, Some(config));
        match timeout(target.timeout, opening).await {
            Err(_) => {
                Err(failed(&format_args!("no answer to a WebSocket handshake within {:?}", target.timeout)))
            }
            Ok(Ok((stream, response))) => {
                target.cookies.keep(response.headers());
                Ok(OpenedWebSocket { stream })
            }
            Ok(Err(WsError::Http(response))) => {
                let (head, body) = response.into_parts();
                Err(WebSocketError::Refused(Box::new(Reply {
                    status: head.status.as_u16(),
                    fields: head.headers,
                    body: Bytes::from(body.unwrap_or_default()),
                })))
            }
            Ok(Err(error)) => Err(failed(&error)),
        }
    }
}
