//! Files that are served out of memory: the client's, and those of a folder.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::http::compression::Encoding;

/// A file, and its compressed forms, each made when it is first asked for.
#[derive(Clone, Debug)]
pub(crate) struct HeldFile {
    plain: Bytes,
    compressed: [OnceLock<Option<Bytes>>; Encoding::ALL.len()],
}

impl HeldFile {
    pub(crate) fn new(plain: Bytes) -> HeldFile {
        HeldFile { plain, compressed: Default::default() }
    }

    /// The file in the form that a client likes best.
    pub(crate) fn accepted(&self, request: &HeaderMap) -> (&Bytes, Option<Encoding>) {
        let encoding = Encoding::accepted(request);
        let form = Encoding::ALL.iter().zip(&self.compressed).find(|(known, _)| Some(**known) == encoding);
        let compressed = form.and_then(|(encoding, form)| {
            let bytes = form.get_or_init(|| encoding.compress(&self.plain)).as_ref()?;
            Some((bytes, Some(*encoding)))
        });
        compressed.unwrap_or((&self.plain, None))
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
