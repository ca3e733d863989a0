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

/// Answers a request for `name`, which is the part of the request's path after the Socket.IO path, as it
/// was sent. `None` if that is not the name of a client file, and so not a question for this module.
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
                write!(f, "{} does not say the version of the client", path.display())
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
mod tests {
    use std::fs;

    use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};

    use super::*;

    fn files() -> ClientFiles {
        ClientFiles {
            version: "4.8.4".to_owned(),
            etag: HeaderValue::from_static("\"4.8.4\""),
            files: vec![
                ("socket.io.js", HeldFile::new(Bytes::from("io"))),
                ("socket.io.js.map", HeldFile::new(Bytes::from("{}".repeat(100)))),
            ],
        }
    }

    fn get(name: &str, if_none_match: &[&str]) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        for value in if_none_match {
            headers.append(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        }
        answer(Some(&files()), &Method::GET, name, &headers).unwrap()
    }

    /// A folder as npm makes it, removed with the test.
    struct Package(PathBuf);

    impl Package {
        fn new(test: &str, package_json: &str, names: &[&str]) -> Package {
            let root = std::env::temp_dir().join(format!("client-files-{test}-{}", std::process::id()));
            fs::create_dir_all(root.join("dist")).unwrap();
            fs::write(root.join("package.json"), package_json).unwrap();
            for name in names {
                fs::write(root.join("dist").join(name), format!("// {name}")).unwrap();
            }
            Package(root)
        }

        fn dist(&self) -> PathBuf {
            self.0.join("dist")
        }
    }

    impl Drop for Package {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    // proves: features/serve-client, protocol/client-files
    #[test]
    fn a_file_has_the_references_headers() {
        let response = get("socket.io.js", &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/javascript; charset=utf-8");
        assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=0");
        assert_eq!(response.headers()[ETAG], "\"4.8.4\"");
        assert_eq!(response.headers()[CONTENT_LENGTH], "2");
        assert_eq!(response.headers()[VARY], "Accept-Encoding");
        assert_eq!(response.headers().len(), 5);
        assert_eq!(response.body(), "io");
        assert_eq!(get("socket.io.js.map", &[]).headers()[CONTENT_TYPE], "application/json; charset=utf-8");
    }

    // proves: features/serve-client, protocol/client-files
    #[test]
    fn a_known_etag_is_not_sent_again() {
        for known in [
            &["\"4.8.4\""][..],
            &["W/\"4.8.4\""],
            &["\"4.8.3\", W/\"4.8.4\""],
            &["\"4.8.3\"", "\"4.8.4\""],
            &["*"],
        ] {
            let response = get("socket.io.js", known);
            assert_eq!(response.status(), 304, "{known:?}");
            assert!(response.body().is_empty());
            assert_eq!(response.headers()[ETAG], "\"4.8.4\"");
            assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=0");
            assert_eq!(response.headers()[VARY], "Accept-Encoding");
            assert_eq!(response.headers().len(), 3);
        }
        for other in ["\"4.8.3\"", "4.8.4", "W/W/\"4.8.4\"", "", "\"*\""] {
            assert_eq!(get("socket.io.js", &[other]).status(), 200, "{other:?}");
        }
    }

    // proves: features/serve-client, protocol/vary
    #[test]
    fn a_file_is_compressed_once_as_the_client_prefers() {
        let files = files();
        let get = |accept| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
            answer(Some(&files), &Method::GET, "socket.io.js.map", &headers).unwrap()
        };
        for (accept, encoding) in
            [("gzip, deflate, br", "br"), ("gzip, deflate", "gzip"), ("deflate, br;q=0.9", "deflate")]
        {
            let response = get(accept);
            assert_eq!(response.headers()[CONTENT_ENCODING], encoding);
            assert_eq!(response.headers()[CONTENT_LENGTH], response.body().len().to_string());
            assert_eq!(response.headers()[ETAG], "\"4.8.4\"");
            assert!(response.body().len() < 40, "{encoding}: {}", response.body().len());
            // The same bytes, not equal ones.
            assert_eq!(get(accept).body().as_ptr(), response.body().as_ptr());
        }
        assert_eq!(get("identity").headers().get(CONTENT_ENCODING), None);
        assert_eq!(get("identity").body().len(), 200);
    }

    #[test]
    fn a_file_that_compression_would_not_shorten_is_sent_as_it_is() {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("br"))]);
        let response = answer(Some(&files()), &Method::GET, "socket.io.js", &headers).unwrap();
        assert_eq!((response.headers().get(CONTENT_ENCODING), &response.body()[..]), (None, &b"io"[..]));
    }

    #[test]
    fn head_has_the_length_and_no_body() {
        let response = answer(Some(&files()), &Method::HEAD, "socket.io.js", &HeaderMap::new()).unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_LENGTH], "2");
        assert!(response.body().is_empty());
    }

    // proves: protocol/client-files
    #[test]
    fn only_get_and_head_are_allowed() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let response = answer(Some(&files()), &method, "socket.io.js", &HeaderMap::new()).unwrap();
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers()[ALLOW], "GET, HEAD");
        }
    }

    #[test]
    fn a_name_off_the_list_is_no_client_file() {
        for name in [
            "",
            "package.json",
            "../package.json",
            "%2e%2e/package.json",
            "socket.io.js/../../x",
            "socket.io.js/",
            "./socket.io.js",
            "socket.io.js%00",
            "SOCKET.IO.JS",
            "socket.io.msgpack.js",
        ] {
            assert!(answer(Some(&files()), &Method::GET, name, &HeaderMap::new()).is_none(), "{name}");
        }
    }

    // proves: protocol/client-files
    #[test]
    fn a_missing_file_is_a_404_with_a_hint() {
        for files in [None, Some(&files())] {
            let response = answer(files, &Method::GET, "socket.io.min.js", &HeaderMap::new()).unwrap();
            assert_eq!(response.status(), 404);
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
            let text = std::str::from_utf8(response.body()).unwrap();
            assert!(text.contains("--client-dir"), "{text}");
        }
    }

    // proves: features/serve-client
    #[test]
    fn a_folder_of_npm_is_read_whole() {
        let package = Package::new("whole", r#"{"name":"socket.io-client","version":"4.8.4"}"#, &NAMES);
        let files = ClientFiles::read(&package.dist()).unwrap();
        assert_eq!(files.version(), "4.8.4");
        for name in NAMES {
            let response = answer(Some(&files), &Method::GET, name, &HeaderMap::new()).unwrap();
            assert_eq!(response.body(), &format!("// {name}"));
            assert_eq!(response.headers()[ETAG], "\"4.8.4\"");
        }
    }

    // proves: protocol/client-files
    #[test]
    fn an_older_client_has_fewer_files() {
        let package = Package::new("older", r#"{"version":"2.5.0"}"#, &["socket.io.js"]);
        assert_eq!(ClientFiles::read(&package.dist()).unwrap().version(), "2.5.0");
    }

    #[test]
    fn a_folder_without_the_client_is_named() {
        let package = Package::new("none", r#"{"version":"4.8.4"}"#, &["other.js"]);
        for dir in [package.dist(), package.0.join("nowhere")] {
            let error = ClientFiles::read(&dir).unwrap_err().to_string();
            assert!(error.starts_with(&format!("no socket.io.js in {}", dir.display())), "{error}");
        }
    }

    #[test]
    fn a_version_that_is_not_there_is_named() {
        for (test, package_json) in [
            ("v-none", "{}"),
            ("v-text", "no json"),
            ("v-quote", r#"{"version":"4\"8"}"#),
            ("v-lf", r#"{"version":"4\n8"}"#),
        ] {
            let package = Package::new(test, package_json, &["socket.io.js"]);
            let error = ClientFiles::read(&package.dist()).unwrap_err().to_string();
            assert!(error.ends_with("package.json does not say the version of the client"), "{error}");
        }
        let package = Package::new("v-file", "{}", &["socket.io.js"]);
        fs::remove_file(package.0.join("package.json")).unwrap();
        let error = ClientFiles::read(&package.dist()).unwrap_err().to_string();
        assert!(error.starts_with("can't read") && error.contains("package.json"), "{error}");
    }
}
