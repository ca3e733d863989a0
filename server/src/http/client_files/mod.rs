//! The official JavaScript client under the Socket.IO path: `/socket.io/socket.io.js` and its siblings.
//!
//! The files come from the `dist` folder of npm's `socket.io-client`, and are read once. A request can only
//! name one of [`NAMES`], so no request reaches the file system.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use crate::http::held_file::{HeldFile, full, names_etag, not_allowed};
use crate::net::files;

/// The names that are served, those of the reference server.
const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The longest of these files that is read, in bytes.
const LONGEST_FILE: u64 = 100_000_000;

const HINT: &str = "This server was started without this file of the JavaScript client.\n\
    Install the client with `npm install socket.io-client`,\n\
    and start the server with `--client-dir node_modules/socket.io-client/dist`.\n";

/// The files of one version of the JavaScript client, in memory.
///
/// ```no_run
/// use std::path::Path;
/// use socketio::Io;
/// use socketio_server::{ClientFiles, Server};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// let files = ClientFiles::read(Path::new("node_modules/socket.io-client/dist"))?;
/// println!("version {}", files.version());
/// let server = Server::builder().client_files(files).socketio("/socket.io/", Io::new()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientFiles {
    version: String,
    etag: HeaderValue,
    files: Vec<(&'static str, HeldFile)>,
}

impl ClientFiles {
    /// Reads the files from `dir`, the `dist` folder of an installed `socket.io-client`, and their version from
    /// the `package.json` next to that folder. Only `socket.io.js` has to exist, since older versions have
    /// fewer files.
    ///
    /// # Errors
    /// If `dir` has no `socket.io.js`, or a file or the version can't be read.
    pub fn read(dir: &Path) -> Result<ClientFiles, ClientFilesError> {
        let mut files = Vec::new();
        for name in NAMES {
            let path = dir.join(name);
            match files::read_regular(&path, LONGEST_FILE) {
                Ok(content) => files.push((name, HeldFile::new(Bytes::from(content)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ClientFilesError::Read(path, error)),
            }
        }
        if !files.iter().any(|(name, _)| *name == NAMES[0]) {
            return Err(ClientFilesError::NoClient(dir.to_owned()));
        }
        let version = package_version(dir)?;
        let etag = HeaderValue::try_from(format!("\"{version}\"")).ok();
        let etag = etag.filter(|_| !version.contains('"'));
        let etag = etag.ok_or_else(|| ClientFilesError::Version(package_path(dir)))?;
        Ok(ClientFiles { version, etag, files })
    }

    /// The version of the client, such as `4.8.4`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn get(&self, name: &str) -> Option<&HeldFile> {
        self.files.iter().find(|(known, _)| *known == name).map(|(_, file)| file)
    }
}

/// Answers a request for `name`, which is the part of the request's path after the Socket.IO path, as it was sent.
/// `None` if that is not the name of a client file.
///
/// Without the file, the answer is a 404 that says where to get it.
pub(crate) fn answer(
    files: Option<&ClientFiles>,
    method: &Method,
    name: &str,
    request: &HeaderMap,
) -> Option<Response<Bytes>> {
    if !NAMES.contains(&name) {
        return None;
    }
    let found = files.and_then(|files| Some((files, files.get(name)?)));
    Some(match found {
        _ if method != Method::GET && method != Method::HEAD => not_allowed(),
        None => full(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            method,
            &Bytes::from_static(HINT.as_bytes()),
        ),
        Some((files, file)) => {
            let mut response = if names_etag(request, &files.etag) {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                response
            } else {
                let (content, encoding) = file.accepted(request);
                let mut response = full(StatusCode::OK, content_type(name), method, content);
                if let Some(encoding) = encoding {
                    response.headers_mut().insert(CONTENT_ENCODING, encoding.header());
                }
                response
            };
            let headers = response.headers_mut();
            headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
            headers.insert(ETAG, files.etag.clone());
            response
        }
    })
}

fn content_type(name: &str) -> &'static str {
    if name.ends_with(".map") {
        "application/json; charset=utf-8"
    } else {
        "application/javascript; charset=utf-8"
    }
}

fn package_path(dir: &Path) -> PathBuf {
    dir.join("..").join("package.json")
}

fn package_version(dir: &Path) -> Result<String, ClientFilesError> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let path = package_path(dir);
    match files::read_regular(&path, LONGEST_FILE) {
        Ok(text) => match serde_json::from_slice::<Package>(&text) {
            Ok(package) => Ok(package.version),
            Err(_) => Err(ClientFilesError::Version(path)),
        },
        Err(error) => Err(ClientFilesError::Read(path, error)),
    }
}

/// Why the client's files can't be served.
///
/// ```
/// use std::path::Path;
/// use socketio_server::{ClientFiles, ClientFilesError};
///
/// let error = ClientFiles::read(Path::new("/nowhere")).unwrap_err();
/// assert!(matches!(error, ClientFilesError::NoClient(_)));
/// println!("{error}"); // says where to get the files
/// ```
#[derive(Debug)]
pub enum ClientFilesError {
    /// The folder doesn't exist, or has no `socket.io.js`.
    NoClient(PathBuf),
    /// A file can't be read, or the `package.json` is missing.
    Read(PathBuf, io::Error),
    /// The `package.json` has no version.
    Version(PathBuf),
}

impl fmt::Display for ClientFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientFilesError::NoClient(dir) => write!(
                f,
                "no socket.io.js in {}: the client's folder is node_modules/socket.io-client/dist after `npm install socket.io-client`",
                dir.display()
            ),
            ClientFilesError::Read(path, error) => write!(f, "can't read {}: {error}", path.display()),
            ClientFilesError::Version(path) => {
                write!(f, "{} has no version of the client", path.display())
            }
        }
    }
}

impl std::error::Error for ClientFilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClientFilesError::Read(_, error) => Some(error),
            ClientFilesError::NoClient(_) | ClientFilesError::Version(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
