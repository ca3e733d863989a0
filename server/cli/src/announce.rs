//! What the program says on standard output once it serves: where, and on a terminal what to do next.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use socketio_server::Listener;
use tracing::Level;

use crate::logging::{self, LogFormat};
use crate::options::{App, Options};
use crate::output::Output;

/// How long the last lines may take to be written when the program ends.
const PATIENCE: Duration = Duration::from_secs(1);

/// Standard output, for the lines that say where the program serves.
pub(crate) struct Announcer {
    output: Output,
    format: LogFormat,
    /// The inspector's address, once there is one.
    inspector: Option<String>,
}

impl Announcer {
    /// # Errors
    /// If there can't be a thread for it.
    pub(crate) fn start(format: LogFormat) -> io::Result<Announcer> {
        let notices = logging::notices(format, Box::new(|| {}));
        Ok(Announcer { output: Output::to(&io::stdout(), notices)?, format, inspector: None })
    }

    /// Says that something of the server is at an address: `listening on http://127.0.0.1:3000/`.
    pub(crate) fn serves(&mut self, what: &str, url: &dyn Display) {
        let url = url.to_string();
        let message = format!("{what} on {url}");
        self.output.line(
            match self.format {
                LogFormat::Text => message + "\n",
                LogFormat::Json => logging::line(self.format, Level::INFO, &message, &[("url", &url)]),
            }
            .as_bytes(),
        );
        if what == "inspector" {
            self.inspector = Some(url);
        }
    }

    /// Says on a terminal what to do next. A program that reads finds nothing after the last place.
    pub(crate) fn hint(&self, options: &Options, listeners: &[Listener]) {
        if self.format == LogFormat::Text && io::stdout().is_terminal() {
            let url = listeners.iter().map(ToString::to_string).find(|url| url.starts_with("http"));
            self.output.line(hint(options.app, url.as_deref(), self.inspector.as_deref()).as_bytes());
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.output.finish(PATIENCE);
    }
}

/// What to do next with a server at `url`.
fn hint(app: App, url: Option<&str>, inspector: Option<&str>) -> String {
    let mut hint = String::from("\n");
    if let Some(url) = url {
        // These stand for every address, and are none themselves.
        let url = url.replace("//0.0.0.0:", "//localhost:").replace("//[::]:", "//localhost:");
        hint += &match app {
            App::Chat => {
                format!("Open {url} in two windows of a browser, and write from one to the other.\n")
            }
            App::Echo | App::Gateway | App::LaravelEcho | App::None => {
                format!("Connect with a client: io(\"{}\")\n", url.trim_end_matches('/'))
            }
        };
    }
    hint += &match inspector {
        Some(inspector) => format!("Open {inspector} to see what clients and server say to each other.\n"),
        None => "Start it with --inspect to see what clients and server say to each other.\n".to_owned(),
    };
    hint + "Ctrl-C ends it.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_says_what_can_be_opened() {
        let chat = hint(App::Chat, Some("http://127.0.0.1:3000/"), None);
        assert!(chat.contains("Open http://127.0.0.1:3000/ in two windows"), "{chat}");
        assert!(chat.contains("--inspect"), "{chat}");
        let echo = hint(App::Echo, Some("http://[::]:3000/"), Some("http://127.0.0.1:3030/"));
        assert!(echo.contains("io(\"http://localhost:3000\")"), "{echo}");
        assert!(echo.contains("Open http://127.0.0.1:3030/ to see") && !echo.contains("--inspect"), "{echo}");
        assert!(!hint(App::None, None, None).contains("http"), "a Unix socket can't be opened");
    }
}
