//! A real server whose journal is kept, for a conversation that a page shows.

use std::io::{self, Write};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engineio::EngineConfig;
use engineio::observe::{Observation, Observer, What};
use socketio::Io;
use socketio_server::journal::{self, Journal, JournalConfig, Record};
use socketio_server::{Builder, Server};
use socketio_server_cli::apps;
use socketio_tests::{Aliases, TestServer};

/// A server, and everything that passes between it and its clients.
pub(super) struct Stage {
    server: TestServer,
    journal: Arc<Journal>,
    written: Written,
    polls: Arc<Polls>,
}

/// How many GETs the server has seen.
#[derive(Default)]
struct Polls(AtomicUsize);

impl Observer for Polls {
    fn observe(&self, observation: &Observation<'_>) {
        if matches!(observation.what, What::Request(request) if request.method == "GET") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A conversation.
pub(super) struct Story {
    /// The name of its diagram's file.
    pub(super) name: &'static str,
    /// What happens in it, in a sentence.
    pub(super) title: &'static str,
    /// Whose the sessions are, in the order in which they began. One name may stand twice.
    pub(super) sessions: &'static [&'static str],
    pub(super) records: Vec<Record>,
    /// How many arrows at the beginning are left out, since other pages have them.
    pub(super) untold: usize,
    /// The arrows with which its steps begin, where two clients do the same side by side.
    pub(super) steps: &'static [usize],
}

/// A file in memory.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nothing has panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stage {
    /// The echo application, with these settings.
    pub(super) async fn echo(config: EngineConfig, socketio: socketio::IoConfig) -> Stage {
        let io = Io::with_config(socketio);
        apps::echo(&io);
        Stage::start(Server::builder().config(config).socketio("/socket.io/", io)).await
    }

    /// Any server.
    pub(super) async fn start(builder: Builder) -> Stage {
        let written = Written::default();
        // Nobody's secrets are shown, and what they look like belongs to the story.
        let options = JournalConfig { secrets: true, ..JournalConfig::default() };
        let journal = Journal::lines(Box::new(written.clone()), options).expect("memory");
        let polls = Arc::new(Polls::default());
        let builder = builder.observer(journal.clone()).observer(polls.clone());
        Stage { server: TestServer::start(builder).await, journal, written, polls }
    }

    /// Waits until the server has seen so many GETs.
    pub(super) async fn polled(&self, times: usize) {
        while self.polls.0.load(Ordering::Relaxed) < times {
            tokio::task::yield_now().await;
        }
    }

    /// What has happened up to now.
    pub(super) fn told(
        &self,
        name: &'static str,
        title: &'static str,
        sessions: &'static [&'static str],
    ) -> Story {
        self.journal.finish();
        let journal = self.written.0.lock().expect("nothing has panicked").clone();
        let journal = Aliases::default().settle(&String::from_utf8(journal).expect("UTF-8"));
        let (_, records) = journal::read(journal.as_bytes()).expect("a journal");
        Story { name, title, sessions, records, untold: 0, steps: &[] }
    }
}

impl Story {
    /// Who took part, each once.
    pub(super) fn clients(&self) -> Vec<&'static str> {
        let mut clients = Vec::new();
        for client in self.sessions {
            if !clients.contains(client) {
                clients.push(*client);
            }
        }
        // Who was refused has no session.
        if clients.is_empty() { vec!["client"] } else { clients }
    }

    /// The same without its first arrows.
    pub(super) fn from(self, arrow: usize) -> Story {
        Story { untold: arrow - 1, ..self }
    }

    /// Two clients that do the same: within a step, what one does is beside what the other does.
    pub(super) fn side_by_side(self, steps: &'static [usize]) -> Story {
        Story { steps, ..self }
    }
}

impl Deref for Stage {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}
