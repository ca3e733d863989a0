//! The chat's page: its files, which are beside this one, by the path each is served at.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Method, Response};
use socketio_server::page_file;

/// The policy sent with every file of the chat: scripts, styles and pictures come from this server alone,
/// nothing inline runs, and connections go to this server, by HTTP or by WebSocket (`'self'` does
/// not cover `ws:` in every browser).
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// What the page says of its endpoint.
const ENDPOINT: &str = "data-endpoint=\"socket.io/\"";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Answers requests for the chat's files: an argument for [`Builder::pages`](socketio_server::Builder::pages).
///
/// `endpoint` is the path of the Socket.IO endpoint, such as `/socket.io/`. The page looks for it below its own
/// address, so that a proxy can serve both under a prefix. Its packets lead to the explainer of the inspector at
/// `inspector`, if there is one: a URL such as `http://127.0.0.1:3030/`. Only pages on this machine are told, which alone
/// can open it.
pub fn chat_pages(
    endpoint: &str,
    inspector: Option<&str>,
) -> impl Fn(&Method, &str, &HeaderMap) -> Option<Response<Bytes>> + Send + Sync + 'static {
    let page = Bytes::from(page_for(endpoint, None));
    let with_inspector = inspector.map(|_| Bytes::from(page_for(endpoint, inspector)));
    move |method, path, headers| {
        let (content_type, content) = asset(path)?;
        let content = match &with_inspector {
            _ if path != "/" => Bytes::from_static(content),
            Some(told) if is_of_this_machine(headers) => told.clone(),
            _ => page.clone(),
        };
        Some(page_file(method, content_type, content, POLICY))
    }
}

/// The page, which says where its client finds the endpoint, and where the inspector is.
fn page_for(endpoint: &str, inspector: Option<&str>) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let mut attributes = format!("data-endpoint=\"{}\"", escaped(endpoint.trim_start_matches('/')));
    if let Some(inspector) = inspector {
        attributes += &format!(" data-inspector=\"{}\"", escaped(inspector));
    }
    include_str!("chat.html").replace(ENDPOINT, &attributes)
}

/// Whether the page was asked for by a name of this machine that no other machine has.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost")
            || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    })
}

/// The content type and the bytes of a file.
type Asset = (&'static str, &'static [u8]);

/// The content type and the bytes of the file at `path`, if there is one.
fn asset(path: &str) -> Option<Asset> {
    Some(match path {
        "/" => (HTML, include_bytes!("chat.html")),
        "/chat.css" => (CSS, include_bytes!("chat.css")),
        "/chat.js" => (JAVASCRIPT, include_bytes!("chat.js")),
        "/client.js" => (JAVASCRIPT, include_bytes!("client.js")),
        "/conversations.js" => (JAVASCRIPT, include_bytes!("conversations.js")),
        "/program.js" => (JAVASCRIPT, include_bytes!("program.js")),
        "/question.js" => (JAVASCRIPT, include_bytes!("question.js")),
        "/sidebar.js" => (JAVASCRIPT, include_bytes!("sidebar.js")),
        "/text.js" => (JAVASCRIPT, include_bytes!("text.js")),
        "/view.js" => (JAVASCRIPT, include_bytes!("view.js")),
        "/wire.js" => (JAVASCRIPT, include_bytes!("wire.js")),
        "/icon.svg" => (SVG, include_bytes!("icon.svg")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

    use super::*;

    fn text(path: &str) -> &'static str {
        let (_, bytes) = asset(path).unwrap_or_else(|| panic!("{path} is not served"));
        std::str::from_utf8(bytes).expect("pages are UTF-8")
    }

    /// What is between `before` and the next `"`, everywhere in `source`.
    fn references<'a>(source: &'a str, before: &str) -> Vec<&'a str> {
        source.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_file_that_the_page_names_is_served() {
        let page = text("/");
        let mut queue = references(page, "src=\"");
        queue.extend(references(page, "href=\"").into_iter().filter(|href| !href.starts_with('#')));
        let mut scripts = 0;
        while let Some(reference) = queue.pop() {
            // Relative, for a proxy may serve the page under a prefix.
            let path = &format!("/{}", reference.trim_start_matches("./"));
            let (content_type, _) = asset(path).unwrap_or_else(|| panic!("{reference} is not served"));
            if content_type == JAVASCRIPT {
                scripts += 1;
                queue.extend(references(text(path), " \"./"));
            }
        }
        assert!(scripts >= 9, "only {scripts} scripts found");
    }

    #[test]
    fn nothing_is_inline_that_the_policy_forbids() {
        let page = text("/");
        assert!(!page.contains(" style=") && !page.contains("<style"));
        assert!(!page.contains(" onclick=") && !page.contains("javascript:"));
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn a_file_comes_with_its_type_and_the_policy_and_a_head_without_its_bytes() {
        let pages = chat_pages("/socket.io/", None);
        let get = pages(&Method::GET, "/client.js", &HeaderMap::new()).expect("the client is served");
        assert_eq!(get.headers()[CONTENT_TYPE], JAVASCRIPT);
        assert_eq!(get.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(get.headers()[CONTENT_LENGTH], get.body().len().to_string());
        let head = pages(&Method::HEAD, "/client.js", &HeaderMap::new()).expect("the client is served");
        assert_eq!((head.headers(), head.body().len()), (get.headers(), 0));
    }

    #[test]
    fn the_page_says_where_its_endpoint_is() {
        assert!(page_for("/socket.io/", None).contains(ENDPOINT), "as it is written in the page");
        let page = page_for("/a/\"b<&", None);
        assert!(page.contains("data-endpoint=\"a/&quot;b&lt;&amp;\"") && !page.contains(ENDPOINT));
    }

    #[test]
    fn only_a_page_of_this_machine_is_told_where_the_inspector_is() {
        let pages = chat_pages("/socket.io/", Some("http://127.0.0.1:3030/"));
        let told = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a host"));
            let page = pages(&Method::GET, "/", &headers).expect("the page is served");
            let page = String::from_utf8(page.body().to_vec()).expect("UTF-8");
            page.contains("data-inspector=\"http://127.0.0.1:3030/\"")
        };
        for host in ["localhost:3000", "LOCALHOST", "127.0.0.1:3000", "[::1]:3000"] {
            assert!(told(host), "{host}");
        }
        for host in ["chat.example", "192.0.2.1:3000", "localhost.example", "127.0.0.1.example"] {
            assert!(!told(host), "{host}");
        }
    }

    #[test]
    fn the_files_can_only_be_read() {
        let post = chat_pages("/socket.io/", None)(&Method::POST, "/", &HeaderMap::new())
            .expect("there is such a page");
        assert_eq!(
            (post.status(), post.headers()[ALLOW].as_bytes()),
            (StatusCode::METHOD_NOT_ALLOWED, &b"GET, HEAD"[..])
        );
    }

    #[test]
    fn nothing_else_is_served() {
        for path in ["", "/chat.html", "/mod.rs", "/../mod.rs", "/chat.js/"] {
            assert!(asset(path).is_none(), "{path} is served");
        }
    }
}
