//! The listener for WebTransport, if there is to be one.

#[cfg(feature = "webtransport")]
use socketio_server::WebTransport;
use socketio_server::{Server, Tls};

use crate::announce::Announcer;
use crate::options::Options;

/// The server, which also listens where the option says.
#[cfg(feature = "webtransport")]
pub(crate) async fn listen(
    mut server: Server,
    options: &Options,
    tls: Option<&Tls>,
    announcer: &mut Announcer,
) -> Result<Server, String> {
    // The options are checked: without a certificate there is no address.
    let Some((place, tls)) = options.webtransport.zip(tls) else { return Ok(server) };
    let bind = async |address| WebTransport::bind(address, tls.clone());
    let listeners = place.each(bind, |listener| listener.address().port()).await;
    for (at, listener) in listeners.map_err(|error| format!("webtransport: {error}"))?.into_iter().enumerate()
    {
        if at == 0 {
            announcer.serves("WebTransport", &listener);
        }
        server = server.webtransport(listener);
    }
    Ok(server)
}

/// The server alone: a build without WebTransport has no such listener.
#[cfg(not(feature = "webtransport"))]
pub(crate) async fn listen(
    server: Server,
    options: &Options,
    _: Option<&Tls>,
    _: &mut Announcer,
) -> Result<Server, String> {
    match options.webtransport {
        Some(_) => {
            Err("webtransport: this program was built without it; build it with --features webtransport"
                .into())
        }
        None => Ok(server),
    }
}
