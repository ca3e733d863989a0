//! Plain WebSockets that echo every message, text or binary.

use socketio_server::Denied;
use socketio_server::plain::{Accepted, WebSocketRequest};

/// A handler for [`Builder::websocket`](socketio_server::Builder::websocket). It lets everyone in, on the subprotocol that
/// they offer first.
///
/// # Errors
/// None.
pub fn plain_echo(request: WebSocketRequest) -> Result<Accepted, Denied> {
    let first = request.protocols().next().map(str::to_owned);
    let accept = request.accept();
    let accept = match first {
        Some(first) => accept.protocol(&first)?,
        None => accept,
    };
    Ok(accept.run(|mut websocket| async move {
        while let Some(message) = websocket.next().await {
            // A client that reads slowly gets its answers late, but gets them.
            if websocket.ready().await.is_err() || websocket.send(message).is_err() {
                break;
            }
        }
    }))
}
