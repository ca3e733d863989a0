//! Where requests begin and end.

use super::*;

/// The bytes at once, and byte by byte.
fn ambiguous(bytes: &str) -> bool {
    let whole = Framing::default().feed(bytes.as_bytes(), &mut Vec::new());
    let mut framing = Framing::default();
    let split = bytes.as_bytes().iter().filter(|byte| framing.feed(&[**byte], &mut Vec::new())).count() > 0;
    assert_eq!(whole, split, "{bytes:?}");
    whole
}

const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

// proves: protocol/ambiguous-requests
#[test]
fn both_fields_are_seen_in_either_order() {
    assert!(ambiguous(BOTH));
    assert!(ambiguous("POST / HTTP/1.1\r\ntransfer-encoding:chunked\r\nCONTENT-LENGTH: x\r\n\r\n"));
    assert!(ambiguous("POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 3\n\n"));
}

#[test]
fn one_of_them_is_fine() {
    assert!(!ambiguous("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"));
    assert!(!ambiguous("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    assert!(!ambiguous(
        "GET /?Transfer-Encoding: HTTP/1.1\r\nContent-Length: 0\r\nX: transfer-encoding: a\r\n\r\n"
    ));
}

#[test]
fn a_body_is_not_read_as_a_head() {
    let length = BOTH.len();
    assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}")));
    let chunk =
        format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{length:x};x=y\r\n{BOTH}\r\n0\r\n\r\n");
    assert!(!ambiguous(&chunk));
    assert!(ambiguous(&format!("{chunk}{BOTH}")), "and what follows it is");
    let trailers = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n";
    assert!(!ambiguous(trailers));
    assert!(ambiguous(&format!("{trailers}\r\n{BOTH}")));
}

// proves: protocol/ambiguous-requests
#[test]
fn a_number_may_be_as_long_as_its_line() {
    let zeros = "0".repeat(60);
    let length = format!("POST / HTTP/1.1\r\nContent-Length: {zeros}{}\r\n\r\n", BOTH.len());
    assert!(!ambiguous(&format!("{length}{BOTH}")), "it is a body");
    assert!(ambiguous(&format!("{length}{BOTH}{BOTH}")));
    let space = " ".repeat(60);
    assert!(ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length:{space}2\r\n\r\nab{BOTH}")));
    let chunk = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}2\r\nab\r\n0\r\n\r\n");
    assert!(ambiguous(&format!("{chunk}{BOTH}")));
}

#[test]
fn a_line_of_a_trailer_ends_with_both_cr_and_lf() {
    let chunk = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    assert!(!ambiguous(&format!("{chunk}A: b\n\r\n{BOTH}")), "hyper reads it as a trailer");
    assert!(ambiguous(&format!("{chunk}A: b\n\r\n\r\n{BOTH}")));
}

#[test]
fn long_lines_don_t_matter_to_the_next() {
    let long = format!(
        "GET /{} HTTP/1.1\r\nCookie: {}\r\nContent-Length: 1\r\n\r\n",
        "a".repeat(999),
        "b".repeat(999)
    );
    assert!(!ambiguous(&format!("{long}x")));
    assert!(ambiguous(&format!("{long}x{BOTH}")));
}

#[test]
fn what_can_not_be_framed_is_left_to_hyper() {
    for length in ["x", "+1", "", "1, 1", "18446744073709551616"] {
        assert!(!ambiguous(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{BOTH}")));
    }
    let twice = "Content-Length: 1\r\nContent-Length: 2\r\n";
    assert!(!ambiguous(&format!("POST / HTTP/1.1\r\n{twice}\r\n{BOTH}")));
    assert!(!ambiguous(&format!(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{BOTH}"
    )));
}

/// The bytes as hyper gets them: at once, and byte by byte.
fn escaped(bytes: &str) -> String {
    let mut odd = Vec::new();
    Framing::default().feed(bytes.as_bytes(), &mut odd);
    let whole = escape(bytes.as_bytes(), &odd);
    let mut framing = Framing::default();
    let split = bytes.as_bytes().chunks(1).flat_map(|byte| {
        let mut odd = Vec::new();
        framing.feed(byte, &mut odd);
        escape(byte, &odd)
    });
    assert!(whole.iter().copied().eq(split), "{bytes:?}");
    String::from_utf8(whole).unwrap()
}

// proves: protocol/odd-targets
#[test]
fn a_target_is_escaped_where_it_is_no_uri() {
    assert_eq!(
        escaped("\r\nGET /<a>?b=\"`\"{} HTTP/1.1\r\nX: \"<>`\"\r\n\r\nGET /\" HTTP/1.1\r\n\r\n"),
        "\r\nGET /%3Ca%3E?b=%22%60%22{} HTTP/1.1\r\nX: \"<>`\"\r\n\r\nGET /%22 HTTP/1.1\r\n\r\n"
    );
    for same in [
        "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /\" HT",
        "\"GET\" /a \"HTTP\"\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET /\" HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(escaped(same), same);
    }
}

#[test]
fn what_follows_an_upgrade_is_http_again_once_that_is_answered() {
    let mut framing = Framing::default();
    let mut odd = Vec::new();
    framing.feed(b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", &mut odd);
    framing.answered();
    framing.feed(b"GET /\" HTTP/1.1\r\n\r\n", &mut odd);
    assert_eq!(odd, [5]);
}

#[test]
fn the_origin_is_the_last_heads() {
    let mut framing = Framing::new(true);
    let head = b"GET / HTTP/1.1\r\nOrigin: http://a.example \r\n\r\n";
    head.chunks(7).for_each(|piece| assert!(!framing.feed(piece, &mut Vec::new())));
    assert_eq!(framing.origin(), Some(&b"http://a.example"[..]));
    framing.feed(b"GET / HTTP/1.1\r\n", &mut Vec::new());
    assert_eq!(framing.origin(), None);
}
