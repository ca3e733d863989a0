//! The chat's page: the files that stand beside this one, compiled in, by the path each is served at.

/// The policy sent with every file: scripts, styles and pictures come from this server alone,
/// nothing inline runs, and connections go to this server, by HTTP or by WebSocket (`'self'` does
/// not cover `ws:` in every browser).
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The content type and the bytes of the file at `path`, if there is one.
pub(crate) fn asset(path: &str) -> Option<(&'static str, &'static [u8])> {
    Some(match path {
        "/" => (HTML, include_bytes!("chat.html")),
        "/chat.css" => (CSS, include_bytes!("chat.css")),
        "/chat.js" => (JAVASCRIPT, include_bytes!("chat.js")),
        "/client.js" => (JAVASCRIPT, include_bytes!("client.js")),
        "/conversations.js" => (JAVASCRIPT, include_bytes!("conversations.js")),
        "/question.js" => (JAVASCRIPT, include_bytes!("question.js")),
        "/sidebar.js" => (JAVASCRIPT, include_bytes!("sidebar.js")),
        "/view.js" => (JAVASCRIPT, include_bytes!("view.js")),
        "/wire.js" => (JAVASCRIPT, include_bytes!("wire.js")),
        "/icon.svg" => (SVG, include_bytes!("icon.svg")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> &'static str {
        let (_, bytes) = asset(path).unwrap_or_else(|| panic!("{path} is not served"));
        std::str::from_utf8(bytes).expect("pages are UTF-8")
    }

    /// What stands between `before` and the next `"`, everywhere in `source`.
    fn references<'a>(source: &'a str, before: &str) -> Vec<&'a str> {
        source.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[test]
    fn every_file_that_the_page_names_is_served() {
        let page = text("/");
        let mut queue = references(page, "src=\"");
        queue.extend(references(page, "href=\"").into_iter().filter(|href| !href.starts_with('#')));
        let mut scripts = 0;
        while let Some(path) = queue.pop() {
            let (content_type, _) = asset(path).unwrap_or_else(|| panic!("{path} is not served"));
            if content_type == JAVASCRIPT {
                scripts += 1;
                queue.extend(references(text(path), "from \".").into_iter());
            }
        }
        assert!(scripts >= 7, "only {scripts} scripts found");
    }

    #[test]
    fn nothing_is_inline_that_the_policy_forbids() {
        let page = text("/");
        assert!(!page.contains(" style=") && !page.contains("<style"));
        assert!(!page.contains(" onclick=") && !page.contains("javascript:"));
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn nothing_else_is_served() {
        for path in ["", "/chat.html", "/mod.rs", "/../mod.rs", "/chat.js/"] {
            assert!(asset(path).is_none(), "{path} is served");
        }
    }
}
