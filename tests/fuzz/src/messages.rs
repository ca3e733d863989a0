//! Socket.IO packets, by way of a client that is in a namespace with a handler for anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use engineio::{
    Application as _, Attached, CloseReason, HandshakeRequest, Headers, Layer as _, Mailbox, Message, Opened,
    Revision, Sid, Transport,
};
use socketio::{Args, Io, IoConfig, Parser, Socket};

use crate::Choices;

/// Messages of the default parser: text, and binary for attachments.
pub fn attachments(input: &[u8]) {
    messages(input, Parser::Default, "0");
}

/// Messages of MessagePack.
pub fn msgpack(input: &[u8]) {
    messages(input, Parser::MsgPack, "\u{82}\u{a4}type\0\u{a3}nsp\u{a1}/");
}

fn messages(input: &[u8], parser: Parser, connect: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _entered = runtime.enter();
    let binary = !matches!(parser, Parser::Default);
    let io = Io::with_config(IoConfig { parser, max_backlog: 2000, ..IoConfig::default() });
    // The server catches what handlers panic with, so they can't assert.
    let changed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&changed);
    io.on("e", move |socket: Socket, args: Args| {
        // What was read can be written again.
        let again = Args::new(&args).map(|again| (again.len(), again.attachments().len()));
        let same = again.is_ok_and(|again| again == (args.len(), args.attachments().len()));
        seen.fetch_or(!same, Ordering::Relaxed);
        let _ = socket.emit("e", &args);
        async { args }
    });

    let mut choices = Choices(input);
    let start = choices.byte();
    let revision = if start & 1 > 0 { Revision::V3 } else { Revision::V4 };
    let now = Instant::now();
    let (mailbox, driver) = Mailbox::new(100_000).split();
    let mut client = io.open(opened(revision, &mailbox), now);
    let connect = if binary {
        Message::Binary(connect.chars().map(|c| c as u8).collect::<Vec<u8>>().into())
    } else {
        Message::Text(connect.to_owned().into())
    };
    if start & 2 > 0 {
        client.message(connect, now);
    }
    while !choices.is_empty() && !mailbox.is_closed() {
        let kind = choices.byte();
        let bytes = choices.bytes();
        let message = match std::str::from_utf8(bytes) {
            Ok(text) if kind & 1 > 0 => Message::Text(text.to_owned().into()),
            _ => Message::Binary(Bytes::copy_from_slice(bytes)),
        };
        client.message(message, now);
        client.poll(now + Duration::from_secs(u64::from(kind >> 4)));
    }
    driver.shut();
    client.closed(CloseReason::TransportClose);
    drop(client);
    assert_eq!((io.session_count(), io.of("/").socket_count()), (0, 0), "something is left");
    assert!(!changed.load(Ordering::Relaxed), "arguments change when they are written");
}

/// A session that has just opened.
pub fn opened(revision: Revision, mailbox: &Arc<Mailbox>) -> Opened {
    let handshake = HandshakeRequest {
        time: SystemTime::UNIX_EPOCH,
        address: None,
        secure: false,
        url: "/socket.io/?EIO=4&transport=polling".into(),
        headers: Headers::default(),
        attached: Attached::default(),
    };
    Opened {
        sid: Sid::generate(),
        revision,
        transport: Transport::Polling,
        mailbox: Arc::clone(mailbox),
        handshake,
        observers: engineio::observe::Observers::default(),
    }
}
