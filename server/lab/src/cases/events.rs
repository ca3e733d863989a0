//! Group 9: events, and what their arguments may be.

use serde_json::{Value, json};

use super::writing::{case, docs, json as rfc_json, like_reference, ms, script, sio};
use crate::case::{Case, Source};
use crate::packet::Wire;
use crate::peer::LabPeer;

pub(super) fn cases() -> Vec<Case<LabPeer>> {
    [values(), large(), written(), received(), emitted(), odd()].into_iter().flatten().collect()
}

/// Arguments as they are sent; what comes back must mean the same.
const VALUES: [(&str, &str, &str); 26] = [
    ("9.1.1", "no argument", ""),
    ("9.1.2", "null", ",null"),
    ("9.1.3", "true and false", ",true,false"),
    ("9.1.4", "zero", ",0"),
    ("9.1.5", "a negative integer", ",-42"),
    ("9.1.6", "a fraction", ",0.5,-1.25"),
    ("9.1.7", "the largest safe integer", ",9007199254740991"),
    ("9.1.8", "the smallest safe integer", ",-9007199254740991"),
    ("9.1.9", "a very large number", ",1.7976931348623157e308"),
    ("9.1.10", "a very small number", ",5e-324,1e-7"),
    ("9.1.11", "an integer over 32 bits", ",4294967296,-2147483649"),
    ("9.1.12", "a fraction with 17 digits", ",0.30000000000000004"),
    ("9.1.13", "an empty string", ",\"\""),
    ("9.1.14", "quotes and backslashes", ",\"a\\\"b\\\\c/d\""),
    ("9.1.15", "control characters", ",\"\\u0000\\u0001\\b\\f\\n\\r\\t\\u007f\""),
    ("9.1.16", "letters of any language", ",\"é ß 日本 עברית\""),
    ("9.1.17", "emoji", ",\"😀 👩‍👩‍👧 🇩🇪\""),
    ("9.1.18", "line separators", ",\"\u{2028}\u{2029}\u{feff}\""),
    ("9.1.19", "an empty array and an empty object", ",[],{}"),
    ("9.1.20", "nested arrays", ",[[],[[1,[2]],null]]"),
    ("9.1.21", "nested objects", ",{\"a\":{\"b\":{\"c\":[{\"d\":null}]}}}"),
    ("9.1.22", "an empty key", ",{\"\":1}"),
    ("9.1.23", "keys of any kind", ",{\"a b\":1,\"é\":2,\"1\":3,\"a.b\":4,\"$c\":5}"),
    ("9.1.24", "twenty arguments", ",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20"),
    ("9.1.25", "an array as the only argument", ",[1,2,3]"),
    ("9.1.26", "digits and brackets in a string", ",\"42[\\\"x\\\"],1-/a,\""),
];

fn values() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &str)| {
        case(
            id,
            title,
            "The arguments reach the application, and come back with the same meaning.",
            sio("Sending and receiving data"),
            script!(peer => {
                let args = VALUES.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., args)| *args);
                peer.join().await?;
                let text = format!("42[\"echo\"{args}]");
                peer.echo_text(&text, &text).await?;
            }),
        )
        .echo()
    };
    VALUES.into_iter().map(one).collect()
}

fn large() -> Vec<Case<LabPeer>> {
    vec![
        case("9.2.1", "a string of 100 kB", "A long string reaches the application whole.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.echo(&[json!("0123456789".repeat(10_000))]).await?;
        }))
        .echo(),
        case("9.2.2", "an array of 1,000 numbers", "A long array reaches the application whole.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.echo(&[(0..1_000).collect::<Value>()]).await?;
        }))
        .echo(),
        case("9.2.3", "an object of 100 keys", "A large object reaches the application whole.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.echo(&[(0..100).map(|n| (format!("key {n}"), json!(n))).collect::<serde_json::Map<_, _>>().into()]).await?;
        }))
        .echo(),
        case("9.2.4", "fifty levels of arrays", "Values may be nested.", rfc_json("Parsers"), script!(peer => {
            peer.join().await?;
            let text = format!("42[\"echo\",{}{}]", "[".repeat(50), "]".repeat(50));
            peer.echo_text(&text, &text).await?;
        }))
        .echo(),
    ]
}

/// The same event, written in other ways.
const WRITTEN: [(&str, &str, &str, &str); 6] = [
    ("9.3.1", "spaces in JSON", "42[ \"echo\" ,\t{ \"a\" : 1 }\n]", "42[\"echo\",{\"a\":1}]"),
    ("9.3.2", "an escaped name", "42[\"\\u0065cho\",1]", "42[\"echo\",1]"),
    ("9.3.3", "escaped characters", "42[\"echo\",\"\\u00e9\\ud83d\\ude00\\/\"]", "42[\"echo\",\"é😀/\"]"),
    ("9.3.4", "numbers with exponents", "42[\"echo\",1E2,1e+2,1.0]", "42[\"echo\",100,100,1]"),
    ("9.3.5", "a negative zero", "42[\"echo\",-0]", "42[\"echo\",0]"),
    ("9.3.6", "the main namespace by its name", "42/,[\"echo\",1]", "42[\"echo\",1]"),
];

fn written() -> Vec<Case<LabPeer>> {
    let one = |(id, title, ..): (&'static str, &'static str, &str, &str)| {
        let made = case(
            id,
            title,
            "What counts is the meaning of JSON, not how it is written.",
            rfc_json("JSON Grammar"),
            script!(peer => {
                let found = WRITTEN.iter().find(|(id, ..)| *id == peer.id);
                let (sent, expected) = found.map_or(("", ""), |(.., sent, expected)| (*sent, *expected));
                peer.join().await?;
                peer.echo_text(sent, expected).await?;
            }),
        )
        .echo();
        // What a client makes of these is not settled.
        if matches!(id, "9.3.5" | "9.3.6") { made.should() } else { made }
    };
    WRITTEN.into_iter().map(one).collect()
}

fn received() -> Vec<Case<LabPeer>> {
    vec![
        case("9.4.1", "receives events in order", "Fifty events reach the application in the order in which they were sent.", sio("Introduction"), script!(peer => {
            peer.join().await?;
            // Each in a payload of its own, or in one: the order is the same.
            for chunk in 0..5 {
                let packets: Vec<Wire> = (1..=10).map(|n| Wire::Text(format!("42[\"echo\",{}]", chunk * 10 + n))).collect();
                peer.send_all(&packets).await?;
            }
            for n in 1..=50 {
                peer.expect(&format!("42[\"echo\",{n}]")).await?;
            }
        }))
        .echo(),
        case("9.4.2", "receives each event once", "One event is handled once.", sio("Introduction"), script!(peer => {
            peer.join().await?;
            peer.alive().await?;
            peer.silence_for(ms(400)).await?;
        }))
        .echo(),
        case("9.4.3", "ignores an event that nobody listens to", "An event without a listener is ignored.", docs("socket.on(eventName, callback)"), script!(peer => {
            peer.join().await?;
            peer.send("42[\"nobody listens\",1]").await?;
            peer.alive().await?;
        }))
        .echo(),
        case("9.4.4", "receives an event with a name of any letters", "An event's name is any string.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.send("42[\"é 😀\",1]").await?;
            peer.saw_event("é 😀").await?;
        }))
        .options(json!({"on": ["é 😀"]})),
        case("9.4.5", "receives an event with an empty name", "An event's name may be empty.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.send("42[\"\",1]").await?;
            peer.saw_event("").await?;
        }))
        .options(json!({"on": [""]}))
        .should(),
        case("9.4.6", "receives an event called message", "`message` is a name like others.", sio("Sending and receiving data"), script!(peer => {
            peer.join().await?;
            peer.send("42[\"message\",\"hi\"]").await?;
            let args = peer.saw_event("message").await?;
            peer.check_same("the arguments", &json!(["hi"]), &Value::from(args))?;
        }))
        .options(json!({"on": ["message"]})),
        case("9.4.7", "keeps an object with `_placeholder` in a plain event", "In an event without attachments, `_placeholder` is a key like others.", like_reference("it looks for placeholders in binary events only"), script!(peer => {
            peer.join().await?;
            peer.echo(&[json!({"_placeholder": true, "num": 0})]).await?;
        }))
        .echo()
        .should(),
    ]
}

/// What the application emits, and what is sent.
const EMITTED: [(&str, &str, &str); 6] = [
    ("9.5.1", "emits an event without arguments", "[\"emit\",\"lonely\"]"),
    (
        "9.5.2",
        "emits an event with several arguments",
        "[\"emit\",\"several\",1,\"two\",[3],{\"four\":4},null]",
    ),
    ("9.5.3", "emits an event with a name of any letters", "[\"emit\",\"é 😀\",1]"),
    ("9.5.4", "emits an event with quotes in its name", "[\"emit\",\"a\\\"b\\\\c\",1]"),
    ("9.5.5", "emits null", "[\"emit\",\"nothing\",null]"),
    ("9.5.6", "emits an array as one argument", "[\"emit\",\"list\",[1,2]]"),
];

fn emitted() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &str)| {
        case(id, title, "What the application emits is sent as an array of the name and the arguments.", sio("Sending and receiving data"), script!(peer => {
            let command = EMITTED.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., command)| *command);
            let command: Value = serde_json::from_str(command).unwrap_or_default();
            peer.join().await?;
            peer.act(command.clone()).await?;
            let wanted = Value::from(command.as_array().map_or(&[][..], |list| &list[1..]));
            peer.expect(&format!("42{wanted}")).await?;
        }))
        .driven()
    };
    let mut all: Vec<_> = EMITTED.into_iter().map(one).collect();
    all.push(
        case("9.5.7", "emits in order", "Events are sent in the order in which the application emits them.", sio("Introduction"), script!(peer => {
            peer.join().await?;
            let commands: Vec<Wire> = (1..=20).map(|n| LabPeer::command("/", &json!(["emit", "n", n]))).collect();
            peer.send_all(&commands).await?;
            for n in 1..=20 {
                peer.expect(&format!("42[\"n\",{n}]")).await?;
            }
        }))
        .driven(),
    );
    all
}

/// Events that a server shouldn't send.
const ODD: [(&str, &str, &str); 8] = [
    (
        "9.6.1",
        "takes the key `__proto__`",
        "42[\"nobody\",{\"__proto__\":{\"polluted\":true},\"constructor\":{\"prototype\":1}}]",
    ),
    ("9.6.2", "takes half a surrogate pair", "42[\"nobody\",\"\\ud800\"]"),
    ("9.6.3", "takes the reserved name `connect`", "42[\"connect\"]"),
    ("9.6.4", "takes the reserved name `disconnect`", "42[\"disconnect\",\"x\"]"),
    ("9.6.5", "takes the reserved name `connect_error`", "42[\"connect_error\",{\"message\":\"x\"}]"),
    ("9.6.6", "takes the name `error`", "42[\"error\",\"x\"]"),
    ("9.6.7", "takes a key twice", "42[\"nobody\",{\"a\":1,\"a\":2}]"),
    ("9.6.8", "takes the name of a method", "42[\"constructor\",1]"),
];

fn odd() -> Vec<Case<LabPeer>> {
    let one = |(id, title, _): (&'static str, &'static str, &str)| {
        case(
            id,
            title,
            "The client works on, or ends the session: it doesn't crash or hang.",
            Source::Safety,
            script!(peer => {
                let text = ODD.iter().find(|(id, ..)| *id == peer.id).map_or("", |(.., text)| *text);
                peer.join().await?;
                peer.send(text).await?;
                peer.ends_or_works().await?;
            }),
        )
        .echo()
        .robust()
    };
    ODD.into_iter().map(one).collect()
}
