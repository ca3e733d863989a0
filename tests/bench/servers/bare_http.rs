//! Two bare requests: hyper with canned answers, for the rows by polling. A GET is answered at once with as
//! many messages as its `t` asks for, `COUNT-SIZE`, which servers of Socket.IO ignore; a POST's body is read.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const OPEN: &str = r#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
const CONNECT: &str = r#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("an address");
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    // One run asks for one kind of answer.
    let canned: Arc<OnceLock<Bytes>> = Arc::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let canned = canned.clone();
        let service = service_fn(move |request| answer(request, canned.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    canned: Arc<OnceLock<Bytes>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::POST {
        let _ = request.into_body().collect().await;
        return Ok(Response::new(Full::from("ok")));
    }
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name));
    let body = match (parameter("sid="), parameter("t=")) {
        (None, _) => Bytes::from_static(OPEN.as_bytes()),
        (Some(_), None) => Bytes::from_static(CONNECT.as_bytes()),
        (Some(_), Some(asked)) => canned.get_or_init(|| can(asked)).clone(),
    };
    Ok(Response::builder()
        .header("content-type", "text/plain; charset=UTF-8")
        .header("cache-control", "no-store")
        .body(Full::new(body))
        .expect("a response"))
}

fn can(asked: &str) -> Bytes {
    let (count, size) = asked.split_once('-').expect("COUNT-SIZE");
    let (count, size): (usize, usize) = (count.parse().expect("a count"), size.parse().expect("a size"));
    let mut body = String::new();
    for number in 0..count {
        let separator = if number == 0 { "" } else { "\u{1e}" };
        let _ = write!(body, r#"{separator}42["message-back","{}"]"#, "x".repeat(size));
    }
    body.into()
}
