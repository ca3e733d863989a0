//! Files that are served from memory: the client's, and those of a folder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::runtime::Handle;

use crate::http::compression::Encoding;

/// Files up to this many bytes are compressed on the thread that serves them, which takes some milliseconds.
const AT_ONCE: usize = 500_000;

/// A file, and its compressed forms, each made when it is first asked for.
#[derive(Clone, Debug)]
pub(crate) struct HeldFile {
    plain: Bytes,
    compressed: [Arc<Compressed>; Encoding::ALL.len()],
}

/// One compressed form of a file.
#[derive(Debug, Default)]
struct Compressed {
    begun: AtomicBool,
    /// `None` if it is no shorter than the file.
    bytes: OnceLock<Option<Bytes>>,
}

impl HeldFile {
    pub(crate) fn new(plain: Bytes) -> HeldFile {
        HeldFile { plain, compressed: Default::default() }
    }

    /// The file in the form that a client prefers. A long file is sent as it is until that form is made.
    pub(crate) fn accepted(&self, request: &HeaderMap) -> (&Bytes, Option<Encoding>) {
        let encoding = Encoding::accepted(request);
        let form = Encoding::ALL.iter().zip(&self.compressed).find(|(known, _)| Some(**known) == encoding);
        let compressed = form.and_then(|(encoding, form)| {
            let bytes = form.get(*encoding, &self.plain)?.as_ref()?;
            Some((bytes, Some(*encoding)))
        });
        compressed.unwrap_or((&self.plain, None))
    }
}

impl Compressed {
    /// The form, if it is made.
    fn get(self: &Arc<Self>, encoding: Encoding, plain: &Bytes) -> Option<&Option<Bytes>> {
        if plain.len() <= AT_ONCE {
            return Some(self.bytes.get_or_init(|| encoding.compress(plain)));
        }
        // The request that starts the compression gets the file as it is, however soon that ends.
        let made = self.bytes.get();
        if made.is_none()
            && let Ok(runtime) = Handle::try_current()
            && !self.begun.swap(true, Ordering::Relaxed)
        {
            let (form, plain) = (Arc::clone(self), plain.clone());
            runtime.spawn_blocking(move || form.bytes.set(encoding.compress(&plain)));
        }
        made
    }
}

/// A response with a body, or for HEAD with the headers of one.
pub(crate) fn full(
    status: StatusCode,
    content_type: &'static str,
    method: &Method,
    content: &Bytes,
) -> Response<Bytes> {
    let body = if method == Method::HEAD { Bytes::new() } else { content.clone() };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(content.len()));
    response
}

pub(crate) fn not_allowed() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Whether `If-None-Match` has the tag: a list of tags or `*`, compared weakly (RFC 9110, section 13.1.2).
pub(crate) fn names_etag(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let listed =
        request.get_all(IF_NONE_MATCH).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    listed.map(<[u8]>::trim_ascii).any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;

    use super::*;

    #[tokio::test]
    async fn a_long_file_is_sent_as_it_is_until_it_is_compressed() {
        let request = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
        let short = HeldFile::new(vec![b'x'; AT_ONCE].into());
        assert_eq!(short.accepted(&request).1, Some(Encoding::Gzip));

        let long = HeldFile::new(vec![b'x'; AT_ONCE + 1].into());
        let (bytes, encoding) = long.accepted(&request);
        assert_eq!((bytes.len(), encoding), (AT_ONCE + 1, None));
        // A clone is the same file.
        let clone = long.clone();
        while clone.accepted(&request).1.is_none() {
            tokio::task::yield_now().await;
        }
        let (bytes, encoding) = long.accepted(&request);
        assert!(bytes.len() < AT_ONCE / 100 && encoding == Some(Encoding::Gzip));
    }
}
