//! `socketio-server replay`: sends what the clients of a journal sent, and says where the answers differ.
//!
//! Each session of the journal has its own task. Before a step it waits for what the client had received by
//! then, since what the client did may depend on that. Otherwise it keeps the client's pace, or, with `--fast`,
//! doesn't pause. Heartbeats are not compared: the server sets their pace, so they are answered as they come.

mod compare;
mod fetch;
mod peer;
mod script;
mod settings;

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use socketio_explain::journal::{self, ReadError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::output;
use crate::tasks::with_its_panic;
use compare::{Heard, Ids};
use script::Script;
pub(crate) use settings::Replay;

/// Why nothing could be replayed.
#[derive(Debug)]
pub(crate) enum ReplayError {
    Journal(PathBuf, ReadError),
    /// It has no requests.
    Nothing(PathBuf),
    Connect(String, std::io::Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Journal(path, error) => write!(f, "the journal {}: {error}", path.display()),
            ReplayError::Nothing(path) => write!(f, "the journal {} has no requests", path.display()),
            ReplayError::Connect(host, error) => write!(f, "{host}: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {}

impl Replay {
    /// Replays the journal. Says whether the answers were the same.
    pub(crate) async fn run(self) -> Result<bool, ReplayError> {
        let (header, records) = read(&self.journal)?;
        if header.redacted {
            output::complain(
                "auth and cookies are not in this journal; record it with --trace-secrets if they matter\n",
            );
        }
        if let Some(cut) = records.iter().find(|record| record.left_out.is_some()) {
            output::complain(&format!(
                "bytes were left out of this journal, first in record {}: what is sent and compared there is incomplete\n",
                cut.n
            ));
        }
        let scripts = Script::of(&records);
        let first = scripts.iter().filter_map(Script::begins).min_by(f64::total_cmp);
        let first = first.ok_or_else(|| ReplayError::Nothing(self.journal.clone()))?;
        let probe = tokio::net::TcpStream::connect(&self.against).await;
        drop(probe.map_err(|error| ReplayError::Connect(self.against.clone(), error))?);

        let began = Instant::now();
        let mut playing = JoinSet::new();
        for (at, script) in scripts.iter().cloned().enumerate() {
            let replay = self.clone();
            playing.spawn(async move { (at, peer::play(script, replay, began, first).await) });
        }
        let mut heard: Vec<Heard> = scripts.iter().map(|_| Heard::default()).collect();
        while let Some(played) = playing.join_next().await {
            if let Some((at, played)) = with_its_panic(played) {
                heard[at] = played;
            }
        }
        Ok(report(&scripts, &heard))
    }
}

fn read(path: &Path) -> Result<(journal::Header, Vec<journal::Record>), ReplayError> {
    let wrong = |error| ReplayError::Journal(path.to_owned(), error);
    let file = File::open(path).map_err(|error| wrong(ReadError::Io(error)))?;
    journal::read(BufReader::new(file)).map_err(wrong)
}

/// Prints where the answers differ. Says whether they don't.
fn report(scripts: &[Script], heard: &[Heard]) -> bool {
    let (recorded, replayed) = (Ids::of(scripts.iter().map(|script| &script.heard)), Ids::of(heard));
    let (mut different, mut answers) = (0, 0);
    for (script, heard) in scripts.iter().zip(heard) {
        answers += script.heard.statuses.len() + script.heard.packets.len();
        let name = script.session.map_or("requests without a session".to_owned(), |n| format!("session {n}"));
        let differences = compare::differences(&script.heard, &recorded, heard, &replayed);
        different += differences.len();
        for difference in &differences {
            output::print(&format!("{name}: {difference}\n"));
        }
    }
    let sessions = scripts.iter().filter(|script| script.session.is_some()).count();
    let counts = [(sessions, "session"), (answers, "answer"), (different, "difference")];
    let counts = counts.map(|(count, what)| output::counted(count, what));
    output::print(&format!("{}\n", counts.join(", ")));
    different == 0
}
