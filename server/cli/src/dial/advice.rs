//! What to try when a server opens no session, by the options of `connect` and `check`.

use engineio::client::ServerRefusal;

/// What a refusal usually means.
pub(crate) fn advice(refusal: &ServerRefusal, path: &str) -> Option<String> {
    Some(match (refusal.status, refusal.code) {
        (_, Some(5)) => "the server does not speak this revision: try the other one with --eio".to_owned(),
        (_, Some(_)) => return None,
        (301 | 302 | 303 | 307 | 308, None) => {
            "the server redirects, and clients don't follow that: connect to where it leads".to_owned()
        }
        (401 | 403, None) => {
            "the server, or a proxy before it, wants to know who is asking: add a header field with --header"
                .to_owned()
        }
        (404, None) => {
            format!("there is nothing at {path}: is that the path of the server (--path), and of the proxy?")
        }
        (502..=504, None) => "the proxy can't reach the server".to_owned(),
        _ => return None,
    })
}

/// The same for an answer of 200 that opens no session.
pub(crate) fn not_opened(body: &[u8], path: &str) -> String {
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && body[digits..].starts_with(b":0{") {
        // As revision 3 frames its packets.
        "the server speaks revision 3, as socket.io 1 and 2 do: add --eio 3".to_owned()
    } else {
        format!(
            "that is not Engine.IO: is {path} the path of the server (--path), and does a proxy pass it on unchanged?"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_depends_on_the_answer() {
        let refused = |status, code| {
            let refusal = ServerRefusal { status, code, message: String::new() };
            advice(&refusal, "/socket.io/").unwrap_or_default()
        };
        for (status, code, part) in [
            (400, Some(5), "--eio"),
            (404, None, "--path"),
            (302, None, "redirects"),
            (401, None, "--header"),
            (502, None, "can't reach the server"),
        ] {
            assert!(refused(status, code).contains(part), "{status} {code:?}");
        }
        assert_eq!(refused(400, Some(1)), "");
        assert!(not_opened(br#"96:0{"sid":"a"}"#, "/").contains("--eio 3"));
        for body in ["<html>", "", "12", "0{}"] {
            assert!(not_opened(body.as_bytes(), "/x/").contains("is /x/ the path"), "{body}");
        }
    }
}
