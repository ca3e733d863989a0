//! The JavaScript client's files over HTTP.

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
        assert!(error.ends_with("package.json has no version of the client"), "{error}");
    }
    let package = Package::new("v-file", "{}", &["socket.io.js"]);
    fs::remove_file(package.0.join("package.json")).unwrap();
    let error = ClientFiles::read(&package.dist()).unwrap_err().to_string();
    assert!(error.starts_with("can't read") && error.contains("package.json"), "{error}");
}
