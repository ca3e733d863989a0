//! The chat's events as clients send and get them.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use engineio::observe::Observers;
use engineio::{
    Application, Attached, CloseReason, Frame, HandshakeRequest, Headers, Layer, Mailbox, MailboxReceiver,
    Message, Opened, Revision, Sid, Transport,
};
use socketio::{Client, Io, IoConfig};
use socketio_adapter_contract::Loopback;

use super::chat;

/// Somebody in the chat. Packets are written as Socket.IO's text.
struct Guest {
    client: Client,
    driver: MailboxReceiver,
    id: String,
    handle: String,
    welcome: String,
}

impl Guest {
    fn enter(io: &Io) -> Guest {
        let (mailbox, driver) = Mailbox::new(1_000_000).split();
        let handshake = HandshakeRequest {
            time: SystemTime::now(),
            address: None,
            secure: false,
            url: "/socket.io/?EIO=4&transport=polling".into(),
            headers: Headers::new(std::iter::empty()),
            attached: Attached::default(),
        };
        let opened = Opened {
            sid: Sid::generate(),
            revision: Revision::V4,
            transport: Transport::Polling,
            mailbox,
            handshake,
            observers: Observers::default(),
        };
        let client = io.open(opened, Instant::now());
        let mut guest =
            Guest { client, driver, id: String::new(), handle: String::new(), welcome: String::new() };
        guest.send("0");
        let got = guest.got();
        let [connected, welcome] = &got[..] else { panic!("got {got:?}") };
        guest.id = between(connected, r#""sid":""#, "\"");
        guest.handle = between(welcome, r#""you":""#, "\"");
        guest.welcome.clone_from(welcome);
        guest
    }

    fn send(&mut self, packet: &str) {
        self.client.message(Message::Text(packet.into()), Instant::now());
    }

    /// Sends an event that wants an acknowledgement, which is the last thing that comes of it.
    fn call(&mut self, event: &str) -> String {
        self.send(&format!("27{event}"));
        let answer = self.got().pop().unwrap_or_default();
        answer.strip_prefix("37").unwrap_or_else(|| panic!("{event} got {answer}")).to_owned()
    }

    /// What came since.
    fn got(&mut self) -> Vec<String> {
        let mut frames = VecDeque::new();
        self.driver.take(&mut frames);
        self.driver.written(frames.iter().map(Frame::cost).sum());
        frames.iter().map(|frame| String::from_utf8_lossy(&frame.packet()[1..]).into_owned()).collect()
    }

    fn leave(mut self) {
        self.driver.shut();
        self.client.closed(CloseReason::TransportClose);
    }
}

/// What came until now is no matter.
fn forget(guests: &mut [&mut Guest]) {
    for guest in guests {
        guest.got();
    }
}

fn between(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split(end).next().unwrap_or_default().to_owned()
}

fn opened() -> Io {
    let io = Io::new();
    chat(&io);
    io
}

const DONE: &str = r#"[{"ok":true}]"#;

#[tokio::test]
async fn a_guest_is_welcomed_with_a_name_and_with_who_is_online() {
    let io = opened();
    let mut ada = Guest::enter(&io);
    ada.call(r#"["name","Ada"]"#);
    let mut guest = Guest::enter(&io);
    assert!(guest.handle.starts_with("guest-"));
    // The same is written once more for a client that comes back.
    guest.send("1");
    guest.got();
    guest.send("0");
    let welcome = &guest.got()[1];
    assert!(welcome.ends_with(r#","online":["Ada"]}]"#), "{welcome}");
}

#[tokio::test]
async fn a_message_goes_to_everyone_else() {
    let io = opened();
    let (mut a, mut b, mut c) = (Guest::enter(&io), Guest::enter(&io), Guest::enter(&io));
    assert_eq!(a.call(r#"["message","hello"]"#), DONE);
    let heard = format!(r#"2["message",{{"from":"{}","text":"hello"}}]"#, a.handle);
    assert_eq!((b.got(), c.got()), (vec![heard.clone()], vec![heard]));
    assert!(a.got().is_empty());
}

#[tokio::test]
async fn an_event_without_an_id_is_not_acknowledged() {
    let io = opened();
    let (mut a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    a.send(r#"2["message","hello"]"#);
    assert_eq!((a.got().len(), b.got().len()), (0, 1));
}

#[tokio::test]
async fn a_name_is_told_to_everyone() {
    let io = opened();
    let (mut a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    a.send(r#"27["name"," Ada "]"#);
    let online = format!(r#"2["online",{{"name":"Ada","was":"{}"}}]"#, a.handle);
    assert_eq!(a.got(), [online.as_str(), r#"37[{"ok":true,"name":"Ada"}]"#]);
    assert_eq!(b.got(), [online]);
    a.call(r#"["name","Ada"]"#);
    assert!(b.got().is_empty(), "nothing has changed");
}

#[tokio::test]
async fn a_refusal_says_why_to_a_program_and_to_a_person() {
    let io = opened();
    let (mut a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    a.call(r#"["name","Ada"]"#);
    b.got();
    for (event, code, message) in [
        (r#"["name","ada"]"#, "taken", "“ada” is taken."),
        (r#"["name",""]"#, "empty", "A name needs at least one character."),
        (r#"["message"," "]"#, "empty", "There is nothing to send."),
        (r#"["direct","Eve","hi"]"#, "unknown-name", "Nobody here is called “Eve”."),
        (r#"["room","tea","hi"]"#, "not-joined", "You are not in #tea."),
        (r#"["leave","tea"]"#, "not-joined", "You are not in #tea."),
    ] {
        let refusal = format!(r#"[{{"ok":false,"code":"{code}","message":"{message}"}}]"#);
        assert_eq!(b.call(event), refusal, "{event}");
    }
    assert!(a.got().is_empty(), "nobody else hears of it");
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_too_much_is_refused_until_time_has_passed() {
    let io = opened();
    let (mut a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    for _ in 0..100 {
        assert_eq!(a.call(r#"["message","again"]"#), DONE);
    }
    let refused = r#"[{"ok":false,"code":"too-fast","message":"That was too much at once. Wait a moment, then send it again."}]"#;
    for event in [
        r#"["message","again"]"#,
        r#"["name","Ada"]"#,
        r#"["join","tea"]"#,
        r#"["leave","tea"]"#,
        r#"["room","tea","hi"]"#,
        r#"["direct","Ben","hi"]"#,
    ] {
        assert_eq!(a.call(event), refused, "{event}");
    }
    assert_eq!(b.got().len(), 100);
    assert_eq!(b.call(r#"["message","and I?"]"#), DONE);
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(a.call(r#"["message","now"]"#), DONE);
    assert_eq!(a.call(r#"["message","again"]"#), refused);
}

#[tokio::test]
async fn a_direct_message_goes_to_one_alone_and_to_guests_too() {
    let io = opened();
    let (mut a, mut b, mut c) = (Guest::enter(&io), Guest::enter(&io), Guest::enter(&io));
    a.call(r#"["name","Ada"]"#);
    forget(&mut [&mut b, &mut c]);
    assert_eq!(b.call(r#"["direct","ADA","psst"]"#), r#"[{"ok":true,"to":"Ada"}]"#);
    assert_eq!(a.got(), [format!(r#"2["direct",{{"from":"{}","text":"psst"}}]"#, b.handle)]);
    a.call(&format!(r#"["direct","{}","yes?"]"#, b.handle));
    assert_eq!(b.got(), [r#"2["direct",{"from":"Ada","text":"yes?"}]"#]);
    assert!(c.got().is_empty());
}

#[tokio::test]
async fn a_room_hears_who_enters_writes_and_leaves_and_nobody_else_does() {
    let io = opened();
    let (mut a, mut b, mut c) = (Guest::enter(&io), Guest::enter(&io), Guest::enter(&io));
    a.call(r#"["name","Ada"]"#);
    b.call(r#"["name","Ben"]"#);
    forget(&mut [&mut a, &mut b, &mut c]);

    assert_eq!(a.call(r##"["join","#Tea"]"##), r#"[{"ok":true,"room":"tea","members":["Ada"]}]"#);
    assert_eq!(b.call(r#"["join","tea"]"#), r#"[{"ok":true,"room":"tea","members":["Ada","Ben"]}]"#);
    assert_eq!(a.got(), [r#"2["joined",{"room":"tea","name":"Ben"}]"#]);
    b.call(r#"["join","tea"]"#);
    assert!(a.got().is_empty(), "one enters once");

    assert_eq!(b.call(r#"["room","tea","milk?"]"#), DONE);
    assert_eq!(a.got(), [r#"2["room",{"room":"tea","from":"Ben","text":"milk?"}]"#]);
    assert!(b.got().is_empty());

    assert_eq!(b.call(r#"["leave","tea"]"#), r#"[{"ok":true,"room":"tea"}]"#);
    assert_eq!(a.got(), [r#"2["left",{"room":"tea","name":"Ben"}]"#]);
    a.call(r#"["room","tea","gone?"]"#);
    assert!(b.got().is_empty() && c.got().is_empty());
}

#[tokio::test]
async fn a_room_with_the_id_of_a_socket_hears_nothing_of_it() {
    let io = opened();
    let (mut a, mut b, mut spy) = (Guest::enter(&io), Guest::enter(&io), Guest::enter(&io));
    let room = format!(r#"["join","{}"]"#, a.id);
    assert!(spy.call(&room).starts_with(r#"[{"ok":true"#));
    b.call(&format!(r#"["direct","{}","secret"]"#, a.handle));
    assert_eq!(a.got().len(), 1);
    assert!(spy.got().is_empty());
}

#[tokio::test]
async fn who_leaves_is_gone_from_the_list_and_from_rooms_and_the_name_is_free() {
    let io = opened();
    let (mut a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    a.call(r#"["name","Ada"]"#);
    a.call(r#"["join","tea"]"#);
    b.call(r#"["join","tea"]"#);
    b.got();
    a.leave();
    assert_eq!(b.got(), [r#"2["left",{"room":"tea","name":"Ada"}]"#, r#"2["offline",{"name":"Ada"}]"#]);
    assert_eq!(b.call(r#"["name","Ada"]"#), r#"[{"ok":true,"name":"Ada"}]"#);
}

#[tokio::test]
async fn a_guest_leaves_unseen() {
    let io = opened();
    let (a, mut b) = (Guest::enter(&io), Guest::enter(&io));
    a.leave();
    assert!(b.got().is_empty());
}

/// Two servers of one cluster that know each other.
async fn two_servers() -> [Io; 2] {
    let one = Loopback::default();
    let two = one.another();
    let servers = [one, two].map(|adapter| Io::with_adapter(IoConfig::default(), adapter));
    servers.iter().for_each(|io| drop(chat(io)));
    settled().await;
    servers
}

/// What servers tell each other has arrived.
async fn settled() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn people_of_all_servers_see_each_other() {
    let [one, two] = two_servers().await;
    let mut ada = Guest::enter(&one);
    ada.call(r#"["name","Ada"]"#);
    ada.call(r#"["join","tea"]"#);
    settled().await;
    let mut ben = Guest::enter(&two);
    assert!(ben.welcome.ends_with(r#""online":["Ada"]}]"#), "{}", ben.welcome);
    for (name, code) in [("ADA", "taken"), ("Аda", "taken"), (&*ada.handle, "reserved")] {
        assert!(
            ben.call(&format!(r#"["name","{name}"]"#)).contains(&format!(r#""code":"{code}""#)),
            "{name}"
        );
    }
    ben.call(r#"["name","Ben"]"#);
    assert_eq!(ben.call(r#"["join","tea"]"#), r#"[{"ok":true,"room":"tea","members":["Ada","Ben"]}]"#);
    settled().await;
    ada.got();
    assert_eq!(ben.call(r#"["direct","ada","psst"]"#), r#"[{"ok":true,"to":"Ada"}]"#);
    settled().await;
    assert_eq!(ada.got(), [r#"2["direct",{"from":"Ben","text":"psst"}]"#]);
    assert_eq!(ada.call(r#"["direct","ben","yes?"]"#), r#"[{"ok":true,"to":"Ben"}]"#);
    // One that starts later learns of those who are here, and who leaves is gone everywhere.
    ada.call(r#"["leave","tea"]"#);
    settled().await;
    assert!(ben.call(r#"["join","tea"]"#).ends_with(r#""members":["Ben"]}]"#));
    ada.leave();
    settled().await;
    assert!(Guest::enter(&two).welcome.ends_with(r#""online":["Ben"]}]"#));
    assert_eq!(ben.call(r#"["name","Ada"]"#), r#"[{"ok":true,"name":"Ada"}]"#);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_later_learns_who_is_here_and_guests_have_names_of_their_own() {
    let adapter = Loopback::default();
    let one = Io::with_adapter(IoConfig::default(), adapter.clone());
    chat(&one);
    let (mut ada, guest) = (Guest::enter(&one), Guest::enter(&one));
    ada.call(r#"["name","Ada"]"#);
    let two = Io::with_adapter(IoConfig::default(), adapter.another());
    chat(&two);
    settled().await;
    let mut late = Guest::enter(&two);
    assert!(late.welcome.ends_with(r#""online":["Ada"]}]"#), "{}", late.welcome);
    assert_ne!(late.handle, guest.handle);
    assert!(late.call(&format!(r#"["direct","{}","hello"]"#, guest.handle)).contains(r#""ok":true"#));
}

#[tokio::test(start_paused = true)]
async fn the_people_of_a_server_that_falls_silent_are_gone_after_a_while() {
    let adapter = Loopback::default();
    let io = Io::with_adapter(IoConfig::default(), adapter.clone());
    chat(&io);
    let mut ben = Guest::enter(&io);
    ben.call(r#"["join","tea"]"#);
    // It says this once, and nothing more.
    let silent = Io::with_adapter(IoConfig::default(), adapter.another());
    let ada = serde_json::json!({ "name": "Ada", "online": true, "rooms": ["tea"], "plain": false });
    settled().await;
    silent.server_side_emit("chat:person", ("silent", "id", ada)).unwrap();
    settled().await;
    ben.got();
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(ben.got().is_empty());
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(ben.got(), [r#"2["left",{"room":"tea","name":"Ada"}]"#, r#"2["offline",{"name":"Ada"}]"#]);
    assert!(ben.call(r#"["name","Ada"]"#).contains(r#""ok":true"#));
}
