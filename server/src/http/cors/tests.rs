use super::*;

fn request(headers: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn parts(headers: &HeaderMap) -> Parts {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.headers = headers.clone();
    parts
}

fn refuses(cors: &Cors, headers: &HeaderMap) -> bool {
    cors.judge(&parts(headers)).refused
}

fn preflight(cors: &Cors, headers: &HeaderMap) -> Response<Bytes> {
    cors.preflight(cors.judge(&parts(headers)), headers)
}

/// The headers as sorted `name: value` lines.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn granted(cors: &Cors, origin: &[(&'static str, &str)]) -> Vec<String> {
    let mut response = HeaderMap::new();
    cors.grant(cors.judge(&parts(&request(origin))), &mut response);
    lines(&response)
}

fn listed() -> Cors {
    Cors::new(["https://a.example", "http://b.example:8080"]).unwrap()
}

// proves: protocol/allowlist
#[test]
fn any_origin_is_a_star_and_does_not_vary() {
    let cors = Cors::new(["*"]).unwrap();
    assert_eq!(cors, Cors::any());
    for origin in ["https://a.example", "null"] {
        assert!(!refuses(&cors, &request(&[("origin", origin)])));
        assert_eq!(granted(&cors, &[("origin", origin)]), ["access-control-allow-origin: *"]);
    }
}

// proves: features/cors, protocol/allowlist
#[test]
fn a_listed_origin_is_named_and_the_answer_varies() {
    let headers = [("origin", "http://b.example:8080")];
    assert!(!refuses(&listed(), &request(&headers)));
    assert_eq!(
        granted(&listed(), &headers),
        ["access-control-allow-origin: http://b.example:8080", "vary: Origin"]
    );
    let with_credentials = listed().credentials().unwrap();
    assert_eq!(
        granted(&with_credentials, &headers),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: http://b.example:8080",
            "vary: Origin"
        ]
    );
}

// proves: features/cors, protocol/allowlist
#[test]
fn a_foreign_origin_is_refused_and_granted_nothing() {
    let cors = listed().credentials().unwrap();
    for origin in [
        "https://evil.example",
        "http://a.example",
        "https://a.example.evil.example",
        "https://a.example:444",
        "https://A.example",
        "https://a.example/",
        "null",
        "",
        "https://a.example, https://evil.example",
    ] {
        let headers = [("origin", origin), ("host", "chat.example")];
        assert!(refuses(&cors, &request(&headers)), "{origin}");
        assert_eq!(granted(&cors, &headers), ["vary: Origin"], "{origin}");
    }
}

// proves: protocol/two-origins
#[test]
fn two_origins_are_refused() {
    let headers = [("origin", "https://a.example"), ("origin", "https://a.example")];
    assert!(refuses(&listed(), &request(&headers)));
    assert_eq!(granted(&listed(), &headers), ["vary: Origin"]);
}

// proves: protocol/two-origins
#[test]
fn an_origin_of_other_bytes_than_text_is_refused() {
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, HeaderValue::from_bytes(b"http://\xff").unwrap());
    assert!(refuses(&listed(), &headers));
}

// proves: protocol/own-origin
#[test]
fn an_absent_origin_passes() {
    assert!(!refuses(&listed(), &request(&[("host", "chat.example")])));
    assert_eq!(granted(&listed(), &[]), ["vary: Origin"]);
}

// proves: protocol/own-origin
#[test]
fn the_servers_own_origin_passes() {
    for (origin, host) in [
        ("http://chat.example:3000", "chat.example:3000"),
        ("http://chat.example", "chat.example"),
        ("http://chat.example:80", "chat.example"),
        ("https://chat.example", "chat.example:443"),
        ("https://Chat.example", "chat.EXAMPLE"),
        ("http://[::1]:3000", "[::1]:3000"),
    ] {
        assert!(!refuses(&listed(), &request(&[("origin", origin), ("host", host)])), "{origin} {host}");
    }
    for (origin, host) in [
        ("http://chat.example:3001", "chat.example:3000"),
        ("http://chat.example:443", "chat.example"),
        ("ftp://chat.example", "chat.example"),
        ("chat.example", "chat.example"),
        ("http://", ""),
    ] {
        assert!(refuses(&listed(), &request(&[("origin", origin), ("host", host)])), "{origin} {host}");
    }
}

#[test]
fn a_preflight_echoes_the_headers_asked_for() {
    let headers = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-a, content-type"),
    ];
    let response = preflight(&listed(), &request(&headers));
    assert_eq!(response.status(), 204);
    assert!(response.body().is_empty());
    assert_eq!(
        lines(response.headers()),
        [
            "access-control-allow-headers: x-a, content-type",
            "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
            "access-control-allow-origin: https://a.example",
            "vary: Access-Control-Request-Headers",
            "vary: Origin",
        ]
    );
    assert_eq!(
        lines(preflight(&Cors::any(), &request(&headers)).headers()),
        [
            "access-control-allow-headers: x-a, content-type",
            "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
            "access-control-allow-origin: *",
            "vary: Access-Control-Request-Headers",
        ]
    );
}

// proves: protocol/allowlist
#[test]
fn a_foreign_preflight_is_answered_without_permission() {
    let headers = [("origin", "https://evil.example"), ("access-control-request-headers", "x-a")];
    let response = preflight(&listed().credentials().unwrap(), &request(&headers));
    assert_eq!(response.status(), 204);
    assert_eq!(lines(response.headers()), ["vary: Access-Control-Request-Headers", "vary: Origin"]);
}

// proves: features/cors, protocol/credentials
#[test]
fn credentials_for_every_origin_are_refused() {
    assert_eq!(Cors::any().credentials(), Err(CorsError::CredentialsForAny));
}

#[test]
fn origins_are_stored_as_a_browser_sends_them() {
    for (given, sent) in [
        ("HTTPS://Example.COM", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[::1]", "http://[::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
    ] {
        assert!(!refuses(&Cors::new([given]).unwrap(), &request(&[("origin", sent)])), "{given}");
    }
}

// proves: protocol/two-origins
#[test]
fn what_no_browser_sends_is_no_origin() {
    for text in [
        "example.com",
        "https://",
        "://a",
        "https://example.com/",
        "https://example.com/app",
        "https://user@example.com",
        "https://*",
        "https://example.com:",
        "https://example.com:0",
        "https://example.com:080",
        "https://example.com:70000",
        "https://exa mple.com",
        "https://a\r\nx: y",
        "https://bücher.example",
        "https://[::1",
        "https://[zz]",
    ] {
        assert_eq!(Cors::new([text]), Err(CorsError::Invalid(text.to_owned())));
    }
    assert_eq!(Cors::new([""]), Err(CorsError::Empty));
    assert_eq!(Cors::new(["https://a.example", "*"]), Err(CorsError::AnyAmongOthers));
    assert_eq!(Cors::new([] as [&str; 0]), Err(CorsError::NoOrigin));
}

#[test]
fn a_pattern_names_the_origin_itself() {
    let cors = Cors::new(["https://*.example.com"]).unwrap().credentials().unwrap();
    let headers = [("origin", "https://a.example.com")];
    assert_eq!(
        granted(&cors, &headers),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://a.example.com",
            "vary: Origin"
        ]
    );
    assert!(refuses(&cors, &request(&[("origin", "https://example.com")])));
}

// proves: protocol/opaque-origins
#[test]
fn pages_from_no_host_are_let_in_by_name_and_never_with_credentials_for_null() {
    let cors = Cors::new(["file://", "app://.", "null"]).unwrap();
    for origin in ["file://", "app://.", "null"] {
        let allowed = format!("access-control-allow-origin: {origin}");
        assert!(!refuses(&cors, &request(&[("origin", origin), ("host", "chat.example")])), "{origin}");
        assert_eq!(granted(&cors, &[("origin", origin)]), [&allowed, "vary: Origin"]);
    }
    for origin in ["file:///", "app://", "https://evil.example"] {
        assert!(refuses(&cors, &request(&[("origin", origin), ("host", "chat.example")])), "{origin}");
    }
    assert_eq!(cors.credentials(), Err(CorsError::CredentialsForNull));
    assert!(Cors::new(["file://", "app://."]).unwrap().credentials().is_ok());
}

// proves: protocol/origin-patterns
#[test]
fn the_applications_rule_sees_origin_and_request_and_null_without_credentials_alone() {
    let any = Cors::by(|_, _| true);
    assert!(!refuses(&any, &request(&[("origin", "null")])));
    assert!(refuses(&any.credentials().unwrap(), &request(&[("origin", "null")])));
    let cors =
        Cors::by(|origin, request| origin.ends_with(".example") && request.headers.contains_key("x-known"));
    let known = |origin| request(&[("origin", origin), ("x-known", "1")]);
    assert!(!refuses(&cors, &known("https://a.example")));
    assert!(refuses(&cors, &request(&[("origin", "https://a.example")])));
    assert!(refuses(&cors, &known("https://a.test")));
    assert!(refuses(&cors, &known("null")));
    assert!(refuses(&cors, &request(&[("origin", "https://a.example"), ("origin", "https://a.example")])));
    // Nor is it asked where there is no origin, or the server's own.
    assert!(!refuses(&cors, &request(&[])));
    assert!(!refuses(&cors, &request(&[("origin", "http://chat.test"), ("host", "chat.test")])));
    assert_eq!(
        granted(&cors, &[("origin", "https://a.example"), ("x-known", "1")]),
        ["access-control-allow-origin: https://a.example", "vary: Origin"]
    );
    assert!(cors.clone().credentials().is_ok());
    assert_eq!(cors, cors.clone());
    assert_ne!(cors, Cors::by(|_, _| true));
}

#[test]
fn a_preflight_tells_what_was_set() {
    let cors = listed()
        .methods([Method::GET, Method::POST])
        .max_age(Duration::from_millis(3_600_900))
        .allowed_headers(["X-Token", "content-type"])
        .and_then(|cors| cors.exposed_headers(["x-a", "x-b"]))
        .unwrap();
    let headers = [("origin", "https://a.example"), ("access-control-request-headers", "x-token, x-other")];
    assert_eq!(
        lines(preflight(&cors, &request(&headers)).headers()),
        [
            "access-control-allow-headers: X-Token,content-type",
            "access-control-allow-methods: GET,POST",
            "access-control-allow-origin: https://a.example",
            "access-control-expose-headers: x-a,x-b",
            "access-control-max-age: 3600",
            "vary: Origin",
        ]
    );
    // The other answers tell what concerns them.
    assert_eq!(
        granted(&cors, &headers),
        [
            "access-control-allow-origin: https://a.example",
            "access-control-expose-headers: x-a,x-b",
            "vary: Origin"
        ]
    );
}

#[test]
fn nothing_but_names_gets_into_a_header() {
    for name in ["", "a b", "a,b", "a\r\nx: y", "é"] {
        let error = CorsError::HeaderName(name.to_owned());
        assert_eq!(listed().allowed_headers([name]), Err(error.clone()));
        assert_eq!(listed().exposed_headers([name]), Err(error));
    }
}
