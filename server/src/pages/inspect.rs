//! The inspector's page: its files, by the path each is served at.

use super::{Asset, CSS, HTML, JAVASCRIPT, SVG};

/// The policy sent with each of them: everything comes from the inspector itself, nothing inline runs, and
/// what sessions carry goes nowhere.
pub(super) const POLICY: &str = "default-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// The content type and the bytes of the file at `path`, if there is one.
pub(super) fn asset(path: &str) -> Option<Asset> {
    Some(match path {
        "/" => (HTML, include_bytes!("inspect/index.html")),
        "/inspect.css" => (CSS, include_bytes!("inspect/inspect.css")),
        "/bytes.js" => (JAVASCRIPT, include_bytes!("inspect/bytes.js")),
        "/dance.js" => (JAVASCRIPT, include_bytes!("inspect/dance.js")),
        "/detail.js" => (JAVASCRIPT, include_bytes!("inspect/detail.js")),
        "/dom.js" => (JAVASCRIPT, include_bytes!("inspect/dom.js")),
        "/drop.js" => (JAVASCRIPT, include_bytes!("inspect/drop.js")),
        "/filter.js" => (JAVASCRIPT, include_bytes!("inspect/filter.js")),
        "/heartbeat.js" => (JAVASCRIPT, include_bytes!("inspect/heartbeat.js")),
        "/inspect.js" => (JAVASCRIPT, include_bytes!("inspect/inspect.js")),
        "/journal.js" => (JAVASCRIPT, include_bytes!("inspect/journal.js")),
        "/lanes.js" => (JAVASCRIPT, include_bytes!("inspect/lanes.js")),
        "/list.js" => (JAVASCRIPT, include_bytes!("inspect/list.js")),
        "/model.js" => (JAVASCRIPT, include_bytes!("inspect/model.js")),
        "/overview.js" => (JAVASCRIPT, include_bytes!("inspect/overview.js")),
        "/queue.js" => (JAVASCRIPT, include_bytes!("inspect/queue.js")),
        "/rows.js" => (JAVASCRIPT, include_bytes!("inspect/rows.js")),
        "/rules.js" => (JAVASCRIPT, include_bytes!("inspect/rules.js")),
        "/session.js" => (JAVASCRIPT, include_bytes!("inspect/session.js")),
        "/source.js" => (JAVASCRIPT, include_bytes!("inspect/source.js")),
        "/split.js" => (JAVASCRIPT, include_bytes!("inspect/split.js")),
        "/words.js" => (JAVASCRIPT, include_bytes!("inspect/words.js")),
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
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/pages/inspect"));
        let files = files.expect("the page's folder").count();
        assert_eq!(served.len(), files, "all but the page itself, and the icon: {served:?}");
    }

    #[test]
    fn nothing_is_inline_that_the_policy_forbids() {
        let page = text("/");
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick="));
        assert_eq!(page.matches("<script").count(), 1);
    }
}
