//! The head and body of a request, read from a connection.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use super::stream::ReadHalf;

/// The longest head.
const HEAD: usize = 64 << 10;

/// The longest body.
const BODY: usize = 32 << 20;

/// The most header fields.
const FIELDS: usize = 128;

/// A request's head.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// `GET`, `POST` or another.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// The fields, as sent.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The parameters of the query, decoded.
    pub fn parameters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes())
    }

    /// A parameter of the query.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        self.parameters().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// A field's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it asks for a WebSocket.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
    }
}

/// Why a connection brings no further request.
#[derive(Debug)]
pub(crate) enum NoRequest {
    /// The client closed it, in order.
    Closed,
    /// The client cut it off.
    Reset,
    /// It isn't HTTP.
    Wrong(String),
}

/// Reads the next request. `buffer` keeps what was read beyond it.
pub(crate) async fn read(from: &mut ReadHalf, buffer: &mut BytesMut) -> Result<(Head, Bytes), NoRequest> {
    let head = loop {
        if let Some((head, length)) = parse(buffer)? {
            buffer.advance(length);
            break head;
        }
        if buffer.len() > HEAD {
            return Err(NoRequest::Wrong("the head of a request is too long".to_owned()));
        }
        more(from, buffer).await?;
    };
    let chunked = head.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if chunked {
        chunks(from, buffer).await?
    } else {
        let length = head.header("content-length").map_or(Ok(0), |length| length.trim().parse::<usize>());
        let length = length.map_err(|_| NoRequest::Wrong("Content-Length is not a number".to_owned()))?;
        take(from, buffer, length).await?
    };
    Ok((head, body))
}

async fn more(from: &mut ReadHalf, buffer: &mut BytesMut) -> Result<(), NoRequest> {
    match from.read_buf(buffer).await {
        Ok(0) => Err(NoRequest::Closed),
        Ok(_) => Ok(()),
        Err(_) => Err(NoRequest::Reset),
    }
}

async fn take(from: &mut ReadHalf, buffer: &mut BytesMut, length: usize) -> Result<Bytes, NoRequest> {
    if length > BODY {
        return Err(NoRequest::Wrong(format!("a body of {length} bytes is more than the lab reads")));
    }
    while buffer.len() < length {
        more(from, buffer).await?;
    }
    Ok(buffer.split_to(length).freeze())
}

async fn chunks(from: &mut ReadHalf, buffer: &mut BytesMut) -> Result<Bytes, NoRequest> {
    let mut body = BytesMut::new();
    loop {
        let size = loop {
            let wrong = |_| NoRequest::Wrong("a chunk's size is not a number".to_owned());
            match httparse::parse_chunk_size(buffer).map_err(wrong)? {
                httparse::Status::Complete((length, size)) => {
                    buffer.advance(length);
                    break usize::try_from(size).unwrap_or(usize::MAX);
                }
                httparse::Status::Partial => more(from, buffer).await?,
            }
        };
        if body.len().saturating_add(size) > BODY {
            return Err(NoRequest::Wrong("the body is more than the lab reads".to_owned()));
        }
        body.extend_from_slice(&take(from, buffer, size).await?);
        take(from, buffer, 2).await?;
        if size == 0 {
            return Ok(body.freeze());
        }
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(Head, usize)>, NoRequest> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(buffer) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let head = Head {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
                headers: request
                    .headers
                    .iter()
                    .map(|field| (field.name.to_owned(), text(field.value)))
                    .collect(),
            };
            Ok(Some((head, length)))
        }
        Err(error) => Err(NoRequest::Wrong(format!("a request that is not HTTP: {error}"))),
    }
}
