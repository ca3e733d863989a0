//! The inspector's page: its files, by the path each is served at. The explainer brings its own.

use bytes::Bytes;
use http::{Method, Response};
use socketio_explain::page as explainer;

use crate::http::page::page_file;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The policy sent with each of them: everything is loaded from the inspector itself, nothing inline runs, and the
/// content of sessions can't be sent elsewhere.
const POLICY: &str = "default-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// Answers a request for one of the page's files.
pub(super) fn answer(method: &Method, path: &str) -> Option<Response<Bytes>> {
    let (content_type, content) = asset(path)?;
    Some(page_file(method, content_type, Bytes::from_static(content), POLICY))
}

/// The content type and the bytes of the file at `path`, if there is one.
fn asset(path: &str) -> Option<(&'static str, &'static [u8])> {
    Some(match path {
        "/" => (HTML, include_bytes!("page/index.html")),
        "/inspect.css" => (CSS, include_bytes!("page/inspect.css")),
        "/bytes.js" => (JAVASCRIPT, include_bytes!("page/bytes.js")),
        "/dance.js" => (JAVASCRIPT, include_bytes!("page/dance.js")),
        "/detail.js" => (JAVASCRIPT, include_bytes!("page/detail.js")),
        "/drop.js" => (JAVASCRIPT, include_bytes!("page/drop.js")),
        "/filter.js" => (JAVASCRIPT, include_bytes!("page/filter.js")),
        "/heartbeat.js" => (JAVASCRIPT, include_bytes!("page/heartbeat.js")),
        "/inspect.js" => (JAVASCRIPT, include_bytes!("page/inspect.js")),
        "/journal.js" => (JAVASCRIPT, include_bytes!("page/journal.js")),
        "/lanes.js" => (JAVASCRIPT, include_bytes!("page/lanes.js")),
        "/list.js" => (JAVASCRIPT, include_bytes!("page/list.js")),
        "/model.js" => (JAVASCRIPT, include_bytes!("page/model.js")),
        "/overview.js" => (JAVASCRIPT, include_bytes!("page/overview.js")),
        "/queue.js" => (JAVASCRIPT, include_bytes!("page/queue.js")),
        "/rows.js" => (JAVASCRIPT, include_bytes!("page/rows.js")),
        "/rules.js" => (JAVASCRIPT, include_bytes!("page/rules.js")),
        "/session.js" => (JAVASCRIPT, include_bytes!("page/session.js")),
        "/source.js" => (JAVASCRIPT, include_bytes!("page/source.js")),
        "/split.js" => (JAVASCRIPT, include_bytes!("page/split.js")),
        "/words.js" => (JAVASCRIPT, include_bytes!("page/words.js")),
        "/icon.svg" => (SVG, include_bytes!("page/icon.svg")),
        _ => {
            let (content_type, content) = explainer::file(path.strip_prefix('/')?)?;
            (content_type, content.as_bytes())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        let (_, bytes) = asset(path).unwrap_or_else(|| panic!("{path} is not served"));
        std::str::from_utf8(bytes).expect("pages are UTF-8")
    }

    #[test]
    fn every_file_that_the_page_names_is_served() {
        let named = |source: &'static str, before| {
            source.split(before).skip(1).filter_map(|rest| rest.split('"').next())
        };
        let page = text("/");
        let mut queue: Vec<&str> = named(page, " src=\"").chain(named(page, " href=\"")).collect();
        queue.retain(|name| !name.starts_with('#'));
        let mut served = Vec::new();
        while let Some(name) = queue.pop() {
            if served.contains(&name) {
                continue;
            }
            let source = text(&format!("/{name}"));
            served.push(name);
            queue.extend(named(source, " from \"./"));
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/observe/inspector/page"));
        let files = files.expect("the page's folder").count() + explainer::FILES.len();
        assert_eq!(served.len() + 1, files, "all but the page itself: {served:?}");
    }

    #[test]
    fn nothing_is_inline_that_the_policy_forbids() {
        let page = text("/");
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), 1);
    }
}
