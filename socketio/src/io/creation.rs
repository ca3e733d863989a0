//! Namespaces while they are being created: listeners run, and nobody else has them.

use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::namespace::Namespace;

/// The namespaces that are being created, each by a thread that calls the listeners.
#[derive(Default)]
pub(super) struct Creations {
    running: Mutex<Vec<Creation>>,
    ended: Condvar,
}

struct Creation {
    namespace: Namespace,
    by: ThreadId,
    /// It was closed meanwhile.
    is_closed: bool,
}

impl Creations {
    /// Finds a namespace, or begins to create it. It waits while another thread creates it, unless a listener asks: two
    /// of them could wait for each other. A listener gets it as far as it is.
    ///
    /// Says whether it is new. Then [`end`](Creations::end) has to be called.
    pub(super) fn begin<E>(
        &self,
        name: &str,
        find: impl Fn() -> Option<Namespace>,
        new: impl FnOnce() -> Result<Namespace, E>,
    ) -> Result<(Namespace, bool), E> {
        let own = thread::current().id();
        let mut running = self.running.lock();
        loop {
            if let Some(namespace) = find() {
                return Ok((namespace, false));
            }
            let Some(creation) = named(&running, name) else { break };
            if running.iter().any(|creation| creation.by == own) {
                return Ok((creation.namespace.clone(), false));
            }
            self.ended.wait(&mut running);
        }
        let namespace = new()?;
        running.push(Creation { namespace: namespace.clone(), by: own, is_closed: false });
        Ok((namespace, true))
    }

    /// Ends a creation. `outcome` learns whether the namespace was closed meanwhile, and nobody can close or look for it
    /// until that returns.
    pub(super) fn end(&self, namespace: &Namespace, outcome: impl FnOnce(bool)) {
        let mut running = self.running.lock();
        let is_closed = named(&running, namespace.name()).is_some_and(|creation| creation.is_closed);
        running.retain(|creation| creation.namespace != *namespace);
        outcome(is_closed);
        drop(running);
        self.ended.notify_all();
    }

    /// The namespace of that name, for a listener.
    pub(super) fn find(&self, name: &str) -> Option<Namespace> {
        let own = thread::current().id();
        let running = self.running.lock();
        running.iter().find(|creation| creation.by == own)?;
        named(&running, name).map(|creation| creation.namespace.clone())
    }

    /// Notes that a namespace is closed, if it is one of these.
    pub(super) fn close(&self, namespace: &Namespace) {
        for creation in &mut *self.running.lock() {
            creation.is_closed |= creation.namespace == *namespace;
        }
    }
}

fn named<'a>(running: &'a [Creation], name: &str) -> Option<&'a Creation> {
    running.iter().find(|creation| creation.namespace.name() == name)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, Once, mpsc};
    use std::thread;
    use std::time::Duration;

    use crate::io::Io;
    use crate::io::config::IoConfig;
    use crate::namespace::Namespace;
    use crate::testing::Peer;

    /// Does something that would go on for ever if a thread waited for itself, or two for each other.
    fn comes_to_an_end(work: impl FnOnce() + Send + 'static) {
        let (ends, ended) = mpsc::channel();
        let working = thread::spawn(move || {
            let _ends: mpsc::Sender<()> = ends;
            work();
        });
        let waited = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(waited, Err(mpsc::RecvTimeoutError::Disconnected), "it doesn't end");
        working.join().expect("it does what it should");
    }

    // proves: features/namespaces
    #[tokio::test]
    async fn nobody_finds_a_namespace_before_its_listeners_have_run() {
        let io = Io::new();
        let (weak, calls) = (io.clone(), Arc::new(AtomicUsize::new(0)));
        let (called, runtime) = (Arc::clone(&calls), tokio::runtime::Handle::current());
        io.on_new_namespace(move |namespace| {
            called.fetch_add(1, Ordering::Relaxed);
            // A client comes before the middleware.
            thread::scope(|scope| {
                scope.spawn(|| {
                    let _within = runtime.enter();
                    assert!(weak.namespace("/x").is_none() && weak.enter("/x").is_none());
                    assert_eq!(weak.namespaces().len(), 1);
                    let mut peer = Peer::open(&weak);
                    peer.send("0/x,");
                    assert_eq!(peer.next(), r#"4/x,{"message":"Invalid namespace"}"#);
                });
            });
            let _ = namespace.middleware(|_| async { Err("not you".into()) });
        });
        let namespace = io.of("/x");
        assert_eq!((calls.load(Ordering::Relaxed), io.namespace("/x")), (1, Some(namespace)));
        let mut peer = Peer::open(&io);
        peer.send("0/x,");
        assert_eq!(peer.next(), r#"4/x,{"message":"not you"}"#);
    }

    #[test]
    fn whoever_asks_for_a_namespace_meanwhile_gets_it_when_its_listeners_have_run() {
        for _ in 0..100 {
            let (io, start) = (Io::new(), Barrier::new(4));
            let (done, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
            let (told, called) = (Arc::clone(&done), Arc::clone(&calls));
            io.on_new_namespace(move |_| {
                called.fetch_add(1, Ordering::Relaxed);
                (0..100).for_each(|_| thread::yield_now());
                told.store(true, Ordering::Release);
            });
            let parent = io.of_pattern("^/n").unwrap();
            thread::scope(|scope| {
                for number in 0..4 {
                    let (io, parent, start, done) = (&io, &parent, &start, &done);
                    scope.spawn(move || {
                        start.wait();
                        let namespace = match number % 2 {
                            0 => io.of("/n"),
                            _ => io.enter_child("/n", parent).ok().unwrap(),
                        };
                        assert!(done.load(Ordering::Acquire));
                        assert_eq!(io.namespace("/n"), Some(namespace));
                    });
                }
            });
            assert_eq!(calls.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn a_listener_gets_the_namespace_itself_and_others() {
        let io = Io::new();
        let handle = io.clone();
        io.on_new_namespace(move |namespace| {
            assert_eq!(handle.of(namespace.name()), *namespace);
            assert_eq!(handle.namespace(namespace.name()).as_ref(), Some(namespace));
            if namespace.name() == "/a" {
                assert_eq!(handle.of("/b"), handle.of("/b"));
            }
        });
        let creating = io.clone();
        comes_to_an_end(move || drop(creating.of("/a")));
        assert!(io.namespace("/a").is_some() && io.namespace("/b").is_some());
    }

    #[test]
    fn listeners_that_ask_for_each_others_namespaces_do_not_wait_for_each_other() {
        let (io, both) = (Io::new(), Barrier::new(2));
        let (handle, parent) = (io.clone(), io.of_pattern("^/[ab]$").unwrap());
        io.on_new_namespace(move |namespace| {
            both.wait();
            let other = if namespace.name() == "/a" { "/b" } else { "/a" };
            // Also if it has been looked for before the other thread had begun.
            let found = [handle.of(other), handle.enter_child(other, &parent).ok().unwrap()];
            assert_eq!(found.each_ref().map(Namespace::name), [other; 2]);
            both.wait();
        });
        let creating = io.clone();
        comes_to_an_end(move || {
            thread::scope(|scope| {
                for name in ["/a", "/b"] {
                    let io = &creating;
                    scope.spawn(move || drop(io.of(name)));
                }
            });
        });
        assert_eq!(io.namespaces().len(), 3);
    }

    #[test]
    fn a_listener_that_is_added_meanwhile_is_told_too() {
        let (io, calls) = (Io::new(), Arc::new(AtomicUsize::new(0)));
        let (handle, called, once) = (io.clone(), Arc::clone(&calls), Once::new());
        io.on_new_namespace(move |_| {
            let called = Arc::clone(&called);
            once.call_once(|| {
                handle.on_new_namespace(move |_| {
                    called.fetch_add(1, Ordering::Relaxed);
                });
            });
        });
        let _ = io.of("/x");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_namespace_that_a_listener_closes_is_not_there_and_one_whose_listener_panics_can_be_created_again() {
        let io = Io::with_config(IoConfig { max_dynamic_namespaces: 1, ..IoConfig::default() });
        let calls = AtomicUsize::new(0);
        io.on_new_namespace(move |namespace| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => namespace.close(),
            1 => panic!("on purpose"),
            _ => {}
        });
        let parent = io.of_pattern("^/n").unwrap();
        assert!(io.enter_child("/n", &parent).is_ok());
        assert!(io.namespace("/n").is_none());
        assert!(catch_unwind(AssertUnwindSafe(|| io.enter_child("/n", &parent).is_ok())).is_err());
        assert!(io.namespace("/n").is_none());
        // Neither counts any more.
        assert!(io.enter_child("/n", &parent).is_ok() && io.namespace("/n").is_some());
        assert!(io.enter_child("/n2", &parent).is_err());
    }
}
