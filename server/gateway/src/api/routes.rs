//! The paths of the API, and their methods.

use http::Method;

use super::fault::{Code, Fault};

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Emit,
    Batch,
    Join,
    Leave,
    Disconnect,
    Sockets,
    Socket,
    Rooms,
    Info,
    OpenApi,
}

/// Every path, as the OpenAPI document writes it.
pub(super) const ROUTES: [(&str, Method, Endpoint); 10] = [
    ("/api/emit", Method::POST, Endpoint::Emit),
    ("/api/batch", Method::POST, Endpoint::Batch),
    ("/api/join", Method::POST, Endpoint::Join),
    ("/api/leave", Method::POST, Endpoint::Leave),
    ("/api/disconnect", Method::POST, Endpoint::Disconnect),
    ("/api/sockets", Method::GET, Endpoint::Sockets),
    ("/api/sockets/{id}", Method::GET, Endpoint::Socket),
    ("/api/rooms", Method::GET, Endpoint::Rooms),
    ("/api/info", Method::GET, Endpoint::Info),
    ("/api/openapi.json", Method::GET, Endpoint::OpenApi),
];

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    /// The socket's id in the path.
    pub(super) id: Option<String>,
}

pub(super) fn find(method: &Method, path: &str) -> Result<Route, Fault> {
    let mut matching = ROUTES.iter().filter(|(pattern, ..)| fits(pattern, path)).peekable();
    if matching.peek().is_none() {
        return Err(Fault::new(Code::UnknownPath, "there is no such path: see /api/openapi.json"));
    }
    let Some((pattern, _, endpoint)) = matching.find(|(_, allowed, _)| allowed == method) else {
        return Err(Fault::new(Code::MethodNotAllowed, format!("this path only has {}", methods(path))));
    };
    let id = pattern.strip_suffix("{id}").and_then(|start| path.strip_prefix(start)).map(decoded);
    Ok(Route { endpoint: *endpoint, id })
}

/// The methods of a path, for `Allow`.
pub(super) fn methods(path: &str) -> String {
    let methods: Vec<_> = ROUTES
        .iter()
        .filter(|(pattern, ..)| fits(pattern, path))
        .map(|(_, method, _)| method.as_str())
        .collect();
    methods.join(", ")
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix("{id}") {
        Some(start) => path.strip_prefix(start).is_some_and(|id| !id.is_empty() && !id.contains('/')),
        None => pattern == path,
    }
}

/// A part of a path without its percent-encoding. Here a `+` is a plus.
pub(super) fn decoded(text: &str) -> String {
    let query = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(query.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_endpoint() {
        for (pattern, method, endpoint) in &ROUTES {
            let found = find(method, &pattern.replace("{id}", "a%2Fb+c")).unwrap();
            assert_eq!(found.endpoint, *endpoint);
            assert_eq!(found.id.as_deref(), pattern.contains("{id}").then_some("a/b+c"));
        }
        for path in ["/", "/api", "/api/sockets/", "/api/sockets/a/b", "/api/emit/", "/API/emit"] {
            assert_eq!(find(&Method::GET, path).unwrap_err().code, Code::UnknownPath, "{path}");
        }
        for (method, path) in
            [(Method::GET, "/api/emit"), (Method::DELETE, "/api/sockets/x"), (Method::HEAD, "/api/info")]
        {
            assert_eq!(find(&method, path).unwrap_err().code, Code::MethodNotAllowed, "{method} {path}");
        }
        assert_eq!(methods("/api/rooms"), "GET");
    }
}
