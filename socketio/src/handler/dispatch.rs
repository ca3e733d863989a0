//! What an event passes through on its way to its handler.
//!
//! ```text
//!   event ──► listeners ──► middlewares ──► handler: the socket's own, or its namespace's, or the parent's
//!             on_any          │ refused
//!                             └──► on_error          │ none ──► on_other
//!                                                    │ none of these, or its arguments don't fit
//!                                                    └──► on_unhandled
//! ```

use std::sync::Arc;
use std::task::Poll;

use crate::ack::sender::AckSender;
use crate::args::Args;
use crate::args::event::Event;
use crate::handler::listener::EventDirection;
use crate::handler::task::{Task, guarded};
use crate::handler::unhandled::Unhandled;
use crate::handler::{EventError, EventHandler, EventMiddleware, Handlers, Listener, Table, WrongArgs};
use crate::log::Excerpt;
use crate::packet;
use crate::socket::Socket;

impl Socket {
    /// Shows an event to observers and listeners, and passes it to its handler. Ready if the handler has finished.
    pub(crate) fn start_event(&self, event: packet::Event) -> Poll<()> {
        let cost = event.cost();
        let ended = move |socket: &Socket| socket.event_ended(cost);
        let packet::Event { name, args, id } = event;
        let ack = AckSender::new(self, id);
        let (mut watched, mut keeps) = (false, false);
        for handlers in self.handler_tables() {
            watched |= handlers.watches(EventDirection::Incoming);
            keeps |= handlers.takes_unhandled();
        }
        if !watched {
            return self.run(&name, || self.handle(&name, args, ack, keeps), ended);
        }
        let event = Event::new(name.clone(), args);
        self.show(EventDirection::Incoming, &event);
        let checked: Task = Box::pin(self.clone().check(self.event_middlewares(), event, ack, keeps));
        self.run(&name, || Some(checked), ended)
    }

    async fn check(self, middlewares: Vec<EventMiddleware>, event: Event, ack: AckSender, keeps: bool) {
        for middleware in middlewares {
            if let Err(error) = middleware(self.clone(), event.clone()).await {
                return self.refused(event, error).await;
            }
        }
        let (name, args) = event.into_parts();
        if let Some(task) = self.handle(&name, args, ack, keeps) {
            task.await;
        }
    }

    async fn refused(self, event: Event, error: EventError) {
        match self.find_handler(|table| table.error.clone()) {
            Some(handler) => handler(self, event, error).await,
            None => tracing::debug!(
                namespace = %Excerpt(self.namespace_name()),
                event = %Excerpt(event.name()),
                error = %Excerpt(&error.to_string()),
                "a middleware refused an event"
            ),
        }
    }

    /// Calls the handler of an event, and returns what is left to do, if anything. The handler takes the arguments,
    /// so `keeps` makes a copy to show if they don't fit.
    fn handle(&self, name: &str, args: Args, ack: AckSender, keeps: bool) -> Option<Task> {
        let Some(handler) = self.find_event_handler(name) else {
            return match self.find_handler(|table| table.other.clone()) {
                Some(handler) => Some(handler(self.clone(), Event::new(name.to_owned(), args), ack)),
                None => self.unhandled(name, Some(args), ack, Unhandled::NoHandler),
            };
        };
        let kept = keeps.then(|| args.clone());
        match handler(self.clone(), args, ack) {
            Ok(task) => task,
            Err(WrongArgs { error, ack }) => self.unhandled(name, kept, ack, Unhandled::Args(error)),
        }
    }

    /// Notes an event that no handler takes, and calls `on_unhandled`. Returns what is left to do, if anything.
    /// `args` is `None` only if the application has no `on_unhandled`, since they are kept for nothing else.
    #[cold]
    fn unhandled(&self, name: &str, args: Option<Args>, ack: AckSender, why: Unhandled) -> Option<Task> {
        let handler = self.find_handler(|table| table.unhandled.clone());
        let waits = ack.is_wanted() && handler.is_none();
        self.namespace().unhandled_events().note(self.namespace_name(), name, &why, waits);
        let event = Event::new(name.to_owned(), args?);
        Some(handler?(self.clone(), event, ack, why))
    }

    /// Calls the listeners for an event. If one panics, the event goes on.
    pub(crate) fn show(&self, direction: EventDirection, event: &Event) {
        let mut listeners: Vec<Listener> = Vec::new();
        for handlers in self.handler_tables() {
            handlers.look(|table| listeners.extend(table.listeners.of(direction)));
        }
        for listener in listeners {
            if guarded(|| listener(self, event)).is_err() {
                tracing::error!(namespace = %Excerpt(self.namespace_name()), "a catch-all listener panicked");
            }
        }
    }

    fn event_middlewares(&self) -> Vec<EventMiddleware> {
        let mut middlewares = Vec::new();
        for handlers in self.handler_tables() {
            handlers.look(|table| middlewares.extend_from_slice(&table.event_middlewares));
        }
        middlewares
    }

    /// The socket's own handler, else its namespace's, else the parent's.
    fn find_event_handler(&self, name: &str) -> Option<EventHandler> {
        let own = self.handlers().and_then(|handlers| handlers.event(name));
        own.or_else(|| self.namespace().handler_tables().rev().find_map(|handlers| handlers.event(name)))
    }

    /// Finds a handler: the socket's own, else its namespace's, else the parent's.
    pub(crate) fn find_handler<R>(&self, find: impl Fn(&Table) -> Option<R>) -> Option<R> {
        let own = self.handlers().and_then(|handlers| handlers.look(&find));
        own.or_else(|| self.namespace().find_handler(find))
    }

    /// The handlers for an event of this socket: the parent's, the namespace's, its own.
    fn handler_tables(&self) -> impl Iterator<Item = &Arc<Handlers>> {
        self.namespace().handler_tables().chain(self.handlers())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, Weak};

    use serde_json::{Value, json};
    use tokio::sync::Notify;

    use super::*;
    use crate::ListenerHandle;
    use crate::io::Io;
    use crate::testing::Peer;

    type Seen = Arc<Mutex<Vec<String>>>;

    fn take(seen: &Seen) -> Vec<String> {
        std::mem::take(&mut seen.lock().unwrap())
    }

    /// A listener that notes what it sees after a prefix.
    fn noting(seen: &Seen, prefix: &'static str) -> impl Fn(&Socket, &Event) + Send + Sync + 'static {
        let seen = Arc::clone(seen);
        move |_, event| {
            seen.lock().unwrap().push(format!("{prefix} {} [{}]", event.name(), event.args().json()));
        }
    }

    fn joined(io: &Io) -> (Peer, Socket) {
        let peer = Peer::join(io);
        let socket = io.sockets().into_iter().find(|socket| std::ptr::eq(socket.link(), peer.client.link()));
        (peer, socket.unwrap())
    }

    // proves: features/catch-all-listeners
    #[tokio::test]
    async fn listeners_see_what_comes_in_before_its_handler_and_change_nothing() {
        let (io, seen) = (Io::new(), Seen::default());
        let handled = Arc::clone(&seen);
        io.on_sync("e", move |_, n: i32| {
            handled.lock().unwrap().push("handler".to_owned());
            n
        });
        let (mut peer, socket) = joined(&io);
        let _ = (io.on_any(noting(&seen, "second")), io.prepend_any(noting(&seen, "first")));
        let _ = (socket.on_any(noting(&seen, "fourth")), socket.prepend_any(noting(&seen, "third")));
        peer.send(r#"21["e",1]"#);
        let events = ["first e [1]", "second e [1]", "third e [1]", "fourth e [1]", "handler"];
        assert_eq!(take(&seen), events);
        assert_eq!(peer.next(), "31[1]");
        peer.send(r#"2["nobody handles this"]"#);
        assert_eq!(take(&seen).len(), 4);
        // Another socket's listeners see nothing.
        let (mut other, _) = joined(&io);
        other.send(r#"2["e",2]"#);
        assert_eq!(take(&seen), ["first e [2]", "second e [2]", "handler"]);
    }

    // proves: features/catch-all-listeners
    #[tokio::test]
    async fn a_listener_can_be_removed() {
        let (io, seen) = (Io::new(), Seen::default());
        let (mut peer, socket) = joined(&io);
        let handles: [ListenerHandle; 4] = [
            io.on_any(noting(&seen, "in")),
            socket.on_any(noting(&seen, "in")),
            io.on_any_outgoing(noting(&seen, "out")),
            socket.on_any_outgoing(noting(&seen, "out")),
        ];
        let kept = io.on_any(noting(&seen, "kept"));
        for handle in handles {
            handle.remove();
        }
        peer.send(r#"2["e"]"#);
        socket.emit("e", ()).unwrap();
        assert_eq!(take(&seen), ["kept e []"]);
        drop(kept);
        peer.send(r#"2["e"]"#);
        assert_eq!(take(&seen), ["kept e []"], "dropping the handle removes nothing");
    }

    // proves: features/catch-all-listeners, features/connection-events, features/wish/event-middleware
    #[tokio::test]
    async fn listeners_see_what_goes_out_once_for_each_receiver() {
        let (io, seen) = (Io::new(), Seen::default());
        let (mut peer, socket) = joined(&io);
        let (mut other, other_socket) = joined(&io);
        let _ = io.on_any_outgoing(noting(&seen, "all"));
        let _ = socket.on_any_outgoing(noting(&seen, "one"));
        io.emit("news", (1, "x")).unwrap();
        let mut events = take(&seen);
        events.sort();
        let news = |prefix| format!(r#"{prefix} news [1,"x"]"#);
        assert_eq!(events, [news("all"), news("all"), news("one")]);
        assert_eq!((peer.next(), other.next()), (r#"2["news",1,"x"]"#.into(), r#"2["news",1,"x"]"#.into()));

        socket.emit("one", json!({"a": null})).unwrap();
        drop(socket.emit_with_ack::<()>("asked", ()));
        assert_eq!(
            take(&seen),
            [r#"all one [{"a":null}]"#, r#"one one [{"a":null}]"#, "all asked []", "one asked []"]
        );
        // What is not sent is not seen: lost events, events to who has left, acknowledgements.
        io.on_sync("e", |_, ()| 1);
        peer.send(r#"21["e"]"#);
        other.send("1");
        assert!(other_socket.emit("late", ()).is_err());
        socket.volatile().emit("lost", ()).unwrap();
        io.volatile().emit("lost", ()).unwrap();
        assert!(take(&seen).is_empty());
    }

    #[tokio::test]
    async fn a_listener_may_do_anything_and_a_panic_in_it_ends_nothing() {
        let (io, seen) = (Io::new(), Seen::default());
        let (mut peer, socket) = joined(&io);
        let handle = io.clone();
        let _ = io.on_any_outgoing(move |socket, event| {
            // No lock is held.
            socket.join(event.name()).unwrap();
            handle.on_sync("x", |_, ()| ());
            panic!("on purpose");
        });
        let _ = io.on_any(|_, _| panic!("on purpose"));
        let _ = io.on_any(noting(&seen, "in"));
        io.emit("room", ()).unwrap();
        peer.send(r#"2["e"]"#);
        assert_eq!((socket.rooms().len(), socket.is_connected()), (1, true));
        assert_eq!(take(&seen), ["in e []"]);
    }

    // proves: features/event-middleware, features/wish/event-middleware, features/wish/limits
    #[tokio::test]
    async fn middlewares_see_events_in_order_and_the_first_error_keeps_the_event_from_its_handler() {
        let (io, seen) = (Io::new(), Seen::default());
        let [handled, refused, later] = std::array::from_fn(|_| Arc::clone(&seen));
        io.on_sync("e", move |_, value: Value| handled.lock().unwrap().push(format!("handled {value}")))
            .event_middleware(|_, event| async move {
                match event.args().read::<i32>()? {
                    1 => Err("one is refused".into()),
                    _ => Ok(()),
                }
            })
            .on_error(move |_, event: Event, error: EventError| {
                refused.lock().unwrap().push(format!("{} refused: {error}", event.name()));
                async {}
            });
        let (mut peer, socket) = joined(&io);
        socket.middleware(move |_, event| {
            later.lock().unwrap().push(format!("socket's: {}", event.args().json()));
            async { Ok(()) }
        });
        peer.send(r#"21["e",1]"#);
        assert_eq!(take(&seen), ["e refused: one is refused"]);
        peer.send(r#"2["e",2]"#);
        assert_eq!(take(&seen), ["socket's: 2", "handled 2"]);
        peer.send(r#"2["e","x"]"#);
        assert_eq!(
            take(&seen),
            [r#"e refused: argument 0: invalid type: string "x", expected i32"#],
            "any error will do"
        );
        assert!(peer.take().is_empty(), "a refused event is not acknowledged");
        socket.on_error(|socket, _, _| async move { socket.emit("refused", ()) });
        peer.send(r#"2["e",1]"#);
        assert_eq!(peer.next(), r#"2["refused"]"#);
    }

    // proves: features/event-middleware
    #[tokio::test]
    async fn a_middleware_may_take_its_time() {
        let io = Io::new();
        let permit = Arc::new(Notify::new());
        let wait = Arc::clone(&permit);
        io.on("e", |_, n: i32| async move { n }).event_middleware(move |_, event| {
            let wait = Arc::clone(&wait);
            async move {
                if event.args().read::<i32>()? == 1 {
                    wait.notified().await;
                }
                Ok(())
            }
        });
        let (mut peer, _) = joined(&io);
        peer.send(r#"21["e",1]"#);
        peer.send(r#"22["e",2]"#);
        assert_eq!(peer.next(), "32[2]", "others overtake it");
        permit.notify_one();
        assert_eq!(peer.receive().await, ["31[1]"]);
    }

    // proves: features/handlers
    #[tokio::test]
    async fn a_sockets_handler_takes_the_place_of_the_namespaces() {
        let io = Io::new();
        io.on_sync("e", |_, ()| "namespace");
        let (mut peer, socket) = joined(&io);
        let (mut other, _) = joined(&io);
        let ask = |peer: &mut Peer| {
            peer.send(r#"21["e"]"#);
            peer.next()
        };
        socket.on("e", |_, ()| async { "socket" });
        assert_eq!(
            (ask(&mut peer), ask(&mut other)),
            (r#"31["socket"]"#.into(), r#"31["namespace"]"#.into())
        );
        assert!(socket.off("e") && !socket.off("e"));
        assert_eq!(ask(&mut peer), r#"31["namespace"]"#);
        socket.once("e", |_, ()| async { "once" });
        assert_eq!((ask(&mut peer), ask(&mut peer)), (r#"31["once"]"#.into(), r#"31["namespace"]"#.into()));
        socket.on_with_ack("e", |_, (), ack| async move { ack.send("later") });
        assert_eq!(ask(&mut peer), r#"31["later"]"#);
        socket.on_sync("e", |_, ()| "sync");
        assert_eq!(ask(&mut peer), r#"31["sync"]"#);
    }

    // proves: features/handlers
    #[tokio::test]
    async fn at_the_end_a_sockets_handlers_run_before_the_namespaces_and_are_dropped() {
        let (io, seen) = (Io::new(), Seen::default());
        let note = |what: &'static str| {
            let seen = Arc::clone(&seen);
            move |_: Socket, _| {
                seen.lock().unwrap().push(what.to_owned());
                async {}
            }
        };
        io.on_disconnecting(note("disconnecting")).on_disconnect(note("disconnect"));
        let (mut peer, socket) = joined(&io);
        socket.on_disconnecting(note("own disconnecting"));
        socket.on_disconnect(note("own disconnect"));
        let owner = socket.clone();
        let kept = Arc::new(());
        let weak: Weak<()> = Arc::downgrade(&kept);
        let permit = Arc::new(Notify::new());
        let wait = Arc::clone(&permit);
        socket.middleware(move |_, _| {
            let wait = Arc::clone(&wait);
            async move {
                wait.notified().await;
                Ok(())
            }
        });
        // It owns the socket that owns it.
        let handled = Arc::clone(&seen);
        socket.on_sync("e", move |_, ()| {
            let _ = (&owner, &kept);
            handled.lock().unwrap().push("e".to_owned());
        });
        peer.send(r#"2["e"]"#);
        peer.send("1");
        drop(socket);
        assert!(weak.upgrade().is_some(), "an event of it still runs");
        permit.notify_one();
        while weak.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
        let ends = ["own disconnecting", "disconnecting", "own disconnect", "disconnect", "e"];
        assert_eq!(take(&seen), ends);
    }

    // proves: features/socket-data
    #[tokio::test]
    async fn data_is_json_that_is_kept_with_the_socket() {
        let io = Io::new();
        let (_peer, socket) = joined(&io);
        assert_eq!(socket.data::<Value>().unwrap(), json!({}));
        socket.set_data("name", "alice").unwrap();
        socket.set_data("roles", ["admin"]).unwrap();
        socket.set_data("name", Some("bob")).unwrap();
        assert_eq!(socket.data::<Value>().unwrap(), json!({"name": "bob", "roles": ["admin"]}));
        #[derive(serde::Deserialize)]
        struct Data {
            name: String,
        }
        assert_eq!(socket.data::<Data>().unwrap().name, "bob");
        assert!(socket.data::<Vec<i32>>().is_err());
    }
}
