//! A folder whose files are served as they are, such as a page that npm installed.
//!
//! All files are read once, at the start. A request can only name one of them, so no request reaches the file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::http::held_file::{HeldFile, full, names_etag, not_allowed};
use crate::net::files;

/// How long all files together may be, in bytes.
const MOST_BYTES: u64 = 100_000_000;

/// How many files there may be, and folders in folders.
const MOST_FILES: usize = 10_000;
const MOST_FOLDERS: usize = 32;

/// What is served for the folder itself.
const INDEX: &str = "index.html";

/// The files of a folder, in memory: see [`Builder::folder`](crate::Builder::folder).
///
/// ```no_run
/// use socketio_server::{Folder, Server};
///
/// // `/site/` is its `index.html`, `/site/js/app.js` its file `js/app.js`.
/// let builder = Server::builder().folder("/site/", Folder::read("public".as_ref())?);
/// # Ok::<(), socketio_server::FolderError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// By their path in the folder.
    files: BTreeMap<String, Entry>,
    /// How many bytes may still be read.
    left: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    file: HeldFile,
    content_type: &'static str,
    etag: HeaderValue,
}

impl Folder {
    /// Reads all files of a folder and of those in it, 100 MB at the most. It leaves out names that begin with a dot,
    /// and symbolic links.
    ///
    /// # Errors
    /// If there is no `index.html`, if a file can't be read, or if there is too much.
    pub fn read(dir: &Path) -> Result<Folder, FolderError> {
        let mut folder = Folder { files: BTreeMap::new(), left: MOST_BYTES };
        // This is checked before everything is read, which may be much if it is the wrong folder.
        let index = dir.join(INDEX);
        match fs::symlink_metadata(&index) {
            Ok(found) if found.is_file() => {}
            Ok(found) if found.is_symlink() => return Err(FolderError(index, linked())),
            _ => return Err(FolderError(index, io::ErrorKind::NotFound.into())),
        }
        folder.read_all(dir, "", MOST_FOLDERS)?;
        Ok(folder)
    }

    fn read_all(&mut self, dir: &Path, prefix: &str, deeper: usize) -> Result<(), FolderError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| FolderError(path, error)
        };
        for entry in fs::read_dir(dir).map_err(at(dir))? {
            let entry = entry.map_err(at(dir))?;
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(at(&path))?;
            if kind.is_dir() {
                let deeper = deeper.checked_sub(1).ok_or_else(|| at(&path)(too_much("folders")))?;
                self.read_all(&path, &format!("{name}/"), deeper)?;
            } else if kind.is_file() {
                let bytes = files::read_regular(&path, self.left).map_err(at(&path))?;
                self.left -= bytes.len() as u64;
                if self.files.len() == MOST_FILES {
                    return Err(at(&path)(too_much("files")));
                }
                self.files.insert(name.clone(), Entry::new(&name, bytes));
            }
        }
        Ok(())
    }

    /// Answers a request for a file of the folder that is served at `at`, which has no slash at its end. `None` if
    /// there is no such file.
    pub(crate) fn answer(
        &self,
        at: &str,
        method: &Method,
        path: &str,
        request: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        let name = match path.strip_prefix(at)? {
            "" => return Some(redirect(at)),
            "/" => INDEX,
            name => name.strip_prefix('/')?,
        };
        let Entry { file, content_type, etag } = self.files.get(name)?;
        if method != Method::GET && method != Method::HEAD {
            return Some(not_allowed());
        }
        let mut response = if names_etag(request, etag) {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let (content, encoding) = file.accepted(request);
            let mut response = full(StatusCode::OK, content_type, method, content);
            if let Some(encoding) = encoding {
                response.headers_mut().insert(CONTENT_ENCODING, encoding.header());
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, etag.clone());
        for (name, value) in [
            (VARY, "Accept-Encoding"),
            (CACHE_CONTROL, "no-cache"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            // Another page could make its users click on a page that they don't see.
            (CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }
}

/// The page's links are relative to the folder, so the folder's path has to end with a slash. The location is
/// relative too, since a proxy may have removed a prefix.
fn redirect(at: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let last = at.rsplit('/').next().unwrap_or_default();
    if let Ok(location) = HeaderValue::try_from(format!("{last}/")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

impl Entry {
    fn new(name: &str, bytes: Vec<u8>) -> Entry {
        let digest = sha1_smol::Sha1::from(&bytes).digest();
        let etag = HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Entry { file: HeldFile::new(Bytes::from(bytes)), content_type: content_type(name), etag }
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/vnd.microsoft.icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn linked() -> io::Error {
    let text = "it is a symbolic link, and these are not served: put the file itself there";
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn too_much(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("there are too many {what} in this folder"))
}

/// Why a folder can't be served: a file of it, and what is wrong with it.
///
/// ```
/// let error = socketio_server::Folder::read("/nowhere".as_ref()).expect_err("it is not there");
/// assert_eq!(error.to_string(), "no index.html in /nowhere: give the folder that holds it");
/// ```
#[derive(Debug)]
pub struct FolderError(PathBuf, io::Error);

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1.kind() {
            io::ErrorKind::NotFound if self.0.ends_with(INDEX) => write!(
                f,
                "no {INDEX} in {}: give the folder that holds it",
                self.0.parent().unwrap_or(&self.0).display()
            ),
            _ => write!(f, "can't read {}: {}", self.0.display(), self.1),
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.1)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, IF_NONE_MATCH};

    use super::*;

    /// A folder with these files, removed with the test.
    struct Files(PathBuf);

    impl Files {
        fn new(test: &str, files: &[(&str, &str)]) -> Files {
            let root = std::env::temp_dir().join(format!("folder-{test}-{}", std::process::id()));
            for (name, text) in files {
                let path = root.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Files(root)
        }

        fn page(test: &str) -> Files {
            let page =
                [("index.html", "<p>"), ("js/app.js", &"1;".repeat(100)), ("img/a.svg", "<svg>"), ("x", "?")];
            Files::new(test, &[&page[..], &[(".secret", "no"), (".git/config", "no")]].concat())
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn get(folder: &Folder, path: &str, headers: &[(http::HeaderName, &str)]) -> Option<Response<Bytes>> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        folder.answer("/a/admin", &Method::GET, path, &headers.collect())
    }

    #[test]
    fn each_file_is_served_with_its_type_under_the_folders_path() {
        let files = Files::page("types");
        let folder = Folder::read(&files.0).unwrap();
        for (path, kind, text) in [
            ("/a/admin/", "text/html; charset=utf-8", "<p>"),
            ("/a/admin/index.html", "text/html; charset=utf-8", "<p>"),
            ("/a/admin/js/app.js", "text/javascript; charset=utf-8", &"1;".repeat(100)),
            ("/a/admin/img/a.svg", "image/svg+xml", "<svg>"),
            ("/a/admin/x", "application/octet-stream", "?"),
        ] {
            let response = get(&folder, path, &[]).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((response.status().as_u16(), &response.body()[..]), (200, text.as_bytes()), "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], kind, "{path}");
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "frame-ancestors 'none'");
            assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
        let redirect = get(&folder, "/a/admin", &[]).unwrap();
        assert_eq!(
            (redirect.status().as_u16(), &redirect.headers()[LOCATION]),
            (308, &"admin/".parse().unwrap())
        );
    }

    #[test]
    fn nothing_else_is_served() {
        let files = Files::page("nothing-else");
        std::os::unix::fs::symlink("/etc/passwd", files.0.join("passwd")).unwrap();
        std::os::unix::fs::symlink("/etc", files.0.join("etc")).unwrap();
        let folder = Folder::read(&files.0).unwrap();
        for path in [
            "/",
            "/a",
            "/a/adminx",
            "/a/admin/js",
            "/a/admin/js/",
            "/a/admin//index.html",
            "/a/admin/.secret",
            "/a/admin/.git/config",
            "/a/admin/../index.html",
            "/a/admin/js/../index.html",
            "/a/admin/%2e%2e/x",
            "/a/admin/passwd",
            "/a/admin/etc/passwd",
            "/a/admin/INDEX.HTML",
        ] {
            assert!(get(&folder, path, &[]).is_none(), "{path}");
        }
        let post = folder.answer("/a/admin", &Method::POST, "/a/admin/", &HeaderMap::new()).unwrap();
        assert_eq!(post.status(), 405);
    }

    #[test]
    fn a_file_is_sent_again_only_if_it_changed_and_compressed() {
        let files = Files::page("again");
        let folder = Folder::read(&files.0).unwrap();
        let first = get(&folder, "/a/admin/js/app.js", &[(ACCEPT_ENCODING, "gzip")]).unwrap();
        assert_eq!(first.headers()[CONTENT_ENCODING], "gzip");
        assert!(first.body().len() < 200);
        let etag = first.headers()[ETAG].to_str().unwrap();
        let again = get(&folder, "/a/admin/js/app.js", &[(IF_NONE_MATCH, etag)]).unwrap();
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        assert_eq!(get(&folder, "/a/admin/", &[(IF_NONE_MATCH, etag)]).unwrap().status(), 200);
    }

    #[test]
    fn a_folder_without_a_page_is_named() {
        let files = Files::new("no-page", &[("app.js", "")]);
        for dir in [files.0.clone(), files.0.join("nowhere")] {
            let error = Folder::read(&dir).unwrap_err().to_string();
            assert_eq!(error, format!("no index.html in {}: give the folder that holds it", dir.display()));
        }
    }

    #[test]
    fn a_page_that_is_a_link_is_named() {
        let files = Files::new("linked", &[("app.html", "<p>")]);
        std::os::unix::fs::symlink("app.html", files.0.join(INDEX)).unwrap();
        let error = Folder::read(&files.0).unwrap_err().to_string();
        let index = files.0.join(INDEX);
        let expected = "it is a symbolic link, and these are not served: put the file itself there";
        assert_eq!(error, format!("can't read {}: {expected}", index.display()));
    }
}
