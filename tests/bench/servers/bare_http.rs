//! Two bare requests: hyper with canned answers, for the rows by polling. A GET is answered at once, a POST's
//! body is read.

mod canned;
mod payloads;

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        let _ = request.into_body().collect().await;
        return Ok(payloads::accepted());
    }
    Ok(payloads::payload(match payloads::parameter(&request, "sid=") {
        None => Bytes::from_static(canned::OPEN.as_bytes()),
        Some(_) => payloads::asked(&request),
    }))
}
