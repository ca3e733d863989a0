//! What all clients know.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use socketio_load::Schedule;
use tokio_rustls::rustls::client::Resumption;

use super::figures::Figures;
use crate::dial::Target;
use crate::options::Bench;

/// How long the clients may take to leave.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);

/// What is to be done, where, and what is counted.
pub(super) struct Plan {
    pub(super) options: Bench,
    pub(super) target: Target,
    pub(super) schedule: Schedule,
    /// The text of each message.
    pub(super) text: String,
    pub(super) figures: Figures,
}

impl Plan {
    /// # Errors
    /// If there is no such server, or its name can't be looked up.
    pub(super) async fn of(options: Bench) -> Result<Plan, Box<dyn Error>> {
        let mut target = Target::new(&options.target)?;
        // Clients would wait for each other's look-ups of the same name.
        let found: io::Result<Vec<_>> =
            tokio::net::lookup_host((&*target.url.host, target.url.port)).await.map(Iterator::collect);
        target.addresses = found.map_err(|error| format!("{}: {error}", target.url.authority()))?;
        if let Some(tls) = &mut target.tls {
            // Each client is another machine, and has no session of an earlier one.
            Arc::make_mut(tls).resumption = Resumption::disabled();
        }
        let (schedule, text) = (Schedule::new(options.rate), "x".repeat(options.size));
        Ok(Plan { target, schedule, text, figures: Figures::default(), options })
    }
}
