//! Where requests begin and end on a connection: the server's reading, which looks for what hyper hides, and
//! hyper's own.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::header::{ORIGIN, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

// The rule itself, which is none of the server's interface.
#[path = "../../../server/src/net/head_watch/framing/mod.rs"]
mod framing;

use framing::{Framing, escape};

/// A head as the server sees it.
#[derive(Debug)]
struct Head<'a> {
    bytes: &'a [u8],
    /// Whether it has both fields of which hyper hides one.
    ambiguous: bool,
    origin: Option<Vec<u8>>,
}

/// A connection's bytes, after one that says in what pieces they come. Each request that hyper takes for one is
/// seen by the server, with the same head; and no head with both `Transfer-Encoding` and `Content-Length` is missed.
pub fn heads(input: &[u8]) {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let heads = seen(bytes);
    let mut framing = Framing::new(true);
    let mut odd = Vec::new();
    // However they come, the same is seen of them.
    let (mut ambiguous, mut escaped) = (0, Vec::new());
    for piece in bytes.chunks(usize::from(piece).max(1)) {
        odd.clear();
        ambiguous += usize::from(framing.feed(piece, &mut odd));
        framing.answered();
        escaped.extend(escape(piece, &odd));
    }
    assert_eq!(
        ambiguous > 0,
        heads.iter().any(|head| head.ambiguous),
        "in other pieces it reads differently"
    );
    for (number, request) in taken(&escaped).iter().enumerate() {
        let head = heads.get(number).expect("what hyper takes for a head the server does too");
        let [encoding, length] =
            ["transfer-encoding", "content-length"].map(|name| has_field(head.bytes, name));
        assert_eq!(request.encoded, encoding, "another head: {head:?}");
        assert_eq!(head.ambiguous, encoding && length, "{head:?}");
        assert_eq!(head.origin, request.origin, "{head:?}");
        // Behind a request for another protocol nothing is escaped until that is answered.
        let targets = [target(head.bytes), target(&escaped_alone(head.bytes))];
        assert!(targets.contains(&Some(request.uri.clone())), "{} {head:?}", request.uri);
    }
}

/// The heads that the server sees, one byte at a time.
fn seen(bytes: &[u8]) -> Vec<Head<'_>> {
    let mut framing = Framing::new(true);
    let (mut heads, mut begin) = (Vec::new(), None);
    for at in 0..bytes.len() {
        let was_in_head = framing.in_head();
        let ambiguous = framing.feed(&bytes[at..=at], &mut Vec::new());
        framing.answered();
        if !was_in_head && framing.in_head() {
            begin = Some(at);
        }
        if framing.heads() > heads.len() {
            let begin = begin.take().expect("a head that began");
            let origin = framing.origin().map(<[u8]>::to_vec);
            heads.push(Head { bytes: &bytes[begin..=at], ambiguous, origin });
        }
        assert!(!(framing.in_head() && framing.in_body()), "in both at once");
    }
    heads
}

fn has_field(head: &[u8], name: &str) -> bool {
    let mut names =
        head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.split(|byte| *byte == b':').next());
    names.any(|field| field.eq_ignore_ascii_case(name.as_bytes()))
}

fn escaped_alone(head: &[u8]) -> Vec<u8> {
    let mut odd = Vec::new();
    Framing::default().feed(head, &mut odd);
    escape(head, &odd)
}

/// The target of a head's first line that is not empty.
fn target(head: &[u8]) -> Option<Uri> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines.find(|line| !line.trim_ascii().is_empty())?;
    Uri::try_from(line.split(|byte| *byte == b' ').nth(1)?).ok()
}

/// A request as hyper hands it on.
struct Taken {
    encoded: bool,
    uri: Uri,
    /// The last one.
    origin: Option<Vec<u8>>,
}

/// The requests that hyper makes of a connection's bytes, each with its whole body read.
fn taken(bytes: &[u8]) -> Vec<Taken> {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let taken = Taken {
            encoded: request.headers().contains_key(TRANSFER_ENCODING),
            uri: request.uri().clone(),
            origin: request
                .headers()
                .get_all(ORIGIN)
                .iter()
                .next_back()
                .map(|origin| origin.as_bytes().to_vec()),
        };
        requests.lock().expect("one thread").push(taken);
        async move {
            let _ = request.into_body().collect().await;
            let mut response = Response::new(Empty::<Bytes>::new());
            // A success would be the end of HTTP for a CONNECT.
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
            Ok::<_, Infallible>(response)
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut http = http1::Builder::new();
    http.header_read_timeout(None);
    // That it is refused in the end is as good as anything.
    let _ = runtime.block_on(http.serve_connection(TokioIo::new(Wire(bytes)), service));
    drop(runtime);
    Arc::into_inner(requests).expect("nobody else").into_inner().expect("one thread")
}

/// A connection on which these bytes come, and then the end. What is written is lost.
struct Wire<'a>(&'a [u8]);

impl AsyncRead for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.0.split_at(self.0.len().min(buf.remaining()));
        buf.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
