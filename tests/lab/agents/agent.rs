//! The agent of rust_socketio 0.6, blocking. It needs no HTTP client: the lab closes the connection when it is asked to.
use std::io::{Read as _, Write as _};
use std::{env, iter, net::TcpStream, time::Duration};
use rust_socketio::{ClientBuilder, Event, Payload, RawClient, TransportType};
use serde_json::{Value, json};

fn http(method: &str, path: &str, body: &str) -> Value {
    let (host, length, mut answer) = (env::var("LAB").expect("LAB").replace("http://", ""), body.len(), String::new());
    let mut stream = TcpStream::connect(&host).expect("the lab");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").expect("a request");
    stream.read_to_string(&mut answer).expect("an answer");
    serde_json::from_str(answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)).unwrap_or_default()
}

fn saw(run: &str, what: &str, args: &[Value]) {
    http("POST", "/saw", &json!({"run": run, "saw": what, "args": args}).to_string());
}
fn texts(payload: Payload) -> Vec<Value> { if let Payload::Text(args) = payload { args } else { Vec::new() } }
fn act(run: &str, client: &RawClient, command: &[Value]) {
    let text = |at: usize| command.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |at: usize| command.get(at).and_then(Value::as_u64).unwrap_or_default();
    let bytes = |length: u64| Payload::from((0..length).map(|n| n as u8).collect::<Vec<u8>>());
    let (told, asked, time) = (run.to_owned(), json!(text(2)), Duration::from_millis(number(1)));
    // It gives the answer's arguments as one array.
    let answered = move |answer: Payload, _: RawClient| saw(&told, "ack", &[vec![asked.clone()], texts(answer).pop().and_then(|all| all.as_array().cloned()).unwrap_or_default()].concat());
    drop(match &*text(0) {
        "emit" => client.emit(text(1), Payload::Text(command[2..].to_vec())),
        "emit-binary" => client.emit(text(1), bytes(number(2))),
        "emit-ack" => client.emit_with_ack(text(2), Payload::Text(command[3..].to_vec()), time, answered),
        "emit-ack-binary" => client.emit_with_ack(text(2), bytes(number(3)), time, answered),
        "disconnect" if command.len() == 1 => client.disconnect(),
        other => Ok(saw(run, "unsupported", &[json!(other)])),
    });
}

fn connect(task: Value) {
    let (run, options, text) = (task["run"].to_string().replace('"', ""), &task["options"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
    let transport = if options["upgrade"] == true { TransportType::Any } else if options["transports"][0] == "polling" { TransportType::Polling } else { TransportType::Websocket };
    let told = |what: &'static str| { let run = run.clone(); move |payload, _: RawClient| saw(&run, what, &texts(payload)) };
    let (heard, on) = (run.clone(), options["on"].as_array().cloned().unwrap_or_default());
    let query = |(name, value)| format!("{name}={}&", text(value).bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
    let query: String = options["query"].as_object().into_iter().flatten().map(query).collect();
    let mut builder = ClientBuilder::new(format!("{}{}?{query}", text(&task["url"]), text(&options["path"]))).namespace(text(&task["namespace"])).transport_type(transport).reconnect(options["reconnection"] == true)
        .reconnect_delay(options["reconnectionDelay"].as_u64().unwrap_or(100), options["reconnectionDelayMax"].as_u64().unwrap_or(1000))
        .on(Event::Connect, told("connect")).on(Event::Close, told("disconnect")).on(Event::Error, told("connect_error"))
        .on_any(move |event, payload, client| match event.as_str() {
            "echo" => drop(client.emit("echo", payload)),
            "do" => act(&heard, &client, &texts(payload)),
            name if on.contains(&json!(name)) => saw(&heard, "event", &[vec![json!(name)], texts(payload)].concat()),
            _ => {}
        });
    for (name, value) in options["extraHeaders"].as_object().into_iter().flatten() { builder = builder.opening_header(name.clone(), text(value)); }
    if let Some(auth) = options.get("auth") { builder = builder.auth(auth.clone()); }
    if let Err(error) = builder.connect() { saw(&run, "connect_error", &[json!(error.to_string())]); }
}

fn main() {
    let next = "/next?agent=rust_socketio%200.6&lacks=ack,buffer,multiplex,recovery,retries,volatile,ack-timeout,auth-function,msgpack";
    iter::repeat_with(|| http("GET", next, "")).take_while(|task| task["run"].is_string()).for_each(connect);
}
