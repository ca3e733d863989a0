//! What is read from the bytes and words that are given.

use super::*;

fn read(text: &str) -> ReadInput {
    ReadInput::read(text.as_bytes(), None, &Settings::default()).expect("input")
}

#[test]
fn the_form_is_guessed() {
    let messages = |form, messages: &[&[u8]]| {
        ReadInput::Messages(form, messages.iter().map(|message| message.to_vec()).collect())
    };
    for (input, form, expected) in [
        ("42[\"chat\"]", Form::Text, &[&b"42[\"chat\"]"[..]][..]),
        // White space that belongs to the JSON.
        ("\n42[\"chat\",\n1]\r\n", Form::Text, &[b"42[\"chat\",\n1]"]),
        // Also hexadecimal, and legal as it is.
        ("40", Form::Text, &[b"40"]),
        (
            "451-[\"e\",{\"_placeholder\":true,\"num\":0}]\r\nbAQID",
            Form::Written,
            &[b"451-[\"e\",{\"_placeholder\":true,\"num\":0}]", b"bAQID"],
        ),
        ("2\\x1e40", Form::Written, &[b"2\x1e40"]),
        ("42[\"␞\"]", Form::Text, &["42[\"␞\"]".as_bytes()]),
        ("2␞40", Form::Written, &[b"2\x1e40"]),
        ("8182000000003430", Form::Hex, &[b"\x81\x82\0\0\0\x0040"]),
        ("3430", Form::Hex, &[b"40"]),
        ("2probe", Form::Text, &[b"2probe"]),
        ("2[\"e\"]", Form::Text, &[b"2[\"e\"]"]),
        ("34302f 61:64:6d696e2c", Form::Hex, &[b"40/admin,"]),
        ("81:82 0000\n00003430", Form::Hex, &[b"\x81\x82\0\0\0\x0040"]),
        // Illegal in every form.
        ("c1 80 00 00 00 00", Form::Hex, &[b"\xc1\x80\0\0\0\0"]),
        ("42[\"chat\"", Form::Text, &[b"42[\"chat\""]),
        ("hello", Form::Text, &[b"hello"]),
        ("hello you", Form::Text, &[b"hello you"]),
        ("", Form::Text, &[b""]),
        ("NDAvYWRtaW4s", Form::Base64, &[b"40/admin,"]),
    ] {
        assert_eq!(read(input), messages(form, expected), "{input}");
    }
}

#[test]
fn a_form_that_is_given_is_kept() {
    let read = |text: &[u8], form| ReadInput::read(text, Some(form), &Settings::default());
    let one = |form, bytes: &[u8]| ReadInput::Messages(form, vec![bytes.to_vec()]);
    assert_eq!(read(b"0a:FF 1e\n", Form::Hex).expect("hex"), one(Form::Hex, &[0x0a, 0xff, 0x1e]));
    assert_eq!(read(b" 40", Form::Text).expect("text"), one(Form::Text, b" 40"));
    for text in ["AQ\n", "AQ=="] {
        assert_eq!(read(text.as_bytes(), Form::Base64).expect("base64"), one(Form::Base64, &[1]));
    }
    assert_eq!(read(b"-_8", Form::Base64).expect("base64"), one(Form::Base64, &[0xfb, 0xff]));
    assert!(matches!(read(b"0a1", Form::Hex), Err(InputError::Hex)));
    assert!(matches!(read(b"xx", Form::Hex), Err(InputError::Hex)));
    assert!(matches!(read(b"!", Form::Base64), Err(InputError::Base64)));
    assert!(matches!(read(b"40", Form::Journal), Err(InputError::Journal(_))));
}

#[test]
fn lines_of_a_journal_are_explained_with_their_places() {
    let line = r#"{"n":7,"time":7,"session":2,"direction":"in","raw":"42{}","kind":"body"}"#;
    let found = input(line.as_bytes(), &Settings::default()).expect("a record");
    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!(json["form"], "journal");
    let message = &json["messages"][0];
    assert_eq!(
        (&message["record"], &message["session"], &message["sender"]),
        (&7.into(), &2.into(), &"client".into())
    );
    assert_eq!(message["broken"]["rule"]["id"], "NOT_AN_ARRAY");
    let error = input(format!("{line}\n{{").as_bytes(), &Settings::default()).expect_err("half a line");
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn an_explanation_can_be_sent_as_json() {
    let binary = input(b"82 80 00000000", &Settings { socketio: false, ..Settings::default() });
    let json = serde_json::to_value(binary.expect("a frame")).expect("JSON");
    assert_eq!(
        json["messages"][0],
        serde_json::json!({
            "kind": "frames",
            "revision": 4,
            "bytes": { "base64": "goAAAAAA" },
            "parts": [
                {
                    "range": { "start": 0, "end": 1 },
                    "level": "frame",
                    "meaning": "opcode 2: a binary message, final frame",
                    "section": "RFC 6455, section 5.2"
                },
                {
                    "range": { "start": 1, "end": 2 },
                    "level": "frame",
                    "meaning": "masked, 0 bytes",
                    "section": "RFC 6455, section 5.2"
                },
                {
                    "range": { "start": 2, "end": 6 },
                    "level": "frame",
                    "meaning": "masking key; the payload is shown unmasked",
                    "section": "RFC 6455, section 5.3"
                }
            ],
            "broken": null,
            "notes": []
        })
    );
}
