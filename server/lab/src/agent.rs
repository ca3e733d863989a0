//! What an agent says of its client, and which cases fit it.

use engineio::Revision;
use serde::Serialize;

use crate::case::{About, CaseTransport, Needs};
use crate::verdict::{Unmet, Verdict};
use crate::wire::head::Head;

/// The words of `lacks`, and what a client can't do that lacks it. docs/lab/agents.md has the same.
pub const LACKS: [(&str, &str); 18] = [
    ("polling", "use HTTP long polling"),
    ("websocket", "begin with a WebSocket"),
    ("upgrade", "move from polling to a WebSocket"),
    ("path", "connect to another path"),
    ("query", "send parameters of the application's own"),
    ("headers", "set header fields"),
    ("auth", "send `auth`"),
    ("auth-function", "ask a function for `auth` at each connection"),
    ("timeout", "limit how long the handshake takes"),
    ("reconnection", "reconnect by itself"),
    ("buffer", "keep what is emitted while disconnected, and send it later"),
    ("multiplex", "join several namespaces in one session, or another one later"),
    ("ack", "acknowledge an event of the server"),
    ("ack-timeout", "report that an acknowledgement didn't come"),
    ("volatile", "emit an event that is dropped if it can't be sent at once"),
    ("retries", "send an unacknowledged event again"),
    ("recovery", "recover its state after a short disconnection"),
    ("msgpack", "speak MessagePack"),
];

/// The words of `saw`.
pub const SAW: [&str; 9] = [
    "connect",
    "connect_error",
    "disconnect",
    "event",
    "ack",
    "ack_timeout",
    "error",
    "crash",
    "unsupported",
];

/// What is known of the client under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Its name, such as `socket.io-client 4.8.4`.
    pub name: String,
    /// 3 or 4.
    #[serde(serialize_with = "number")]
    pub revision: Revision,
    /// What it can do.
    pub level: Needs,
    /// What it says that it lacks: words of [`LACKS`].
    pub lacks: Vec<String>,
}

impl Agent {
    /// The agent that asks for its next case.
    ///
    /// # Errors
    /// If it doesn't name itself, or uses a word that doesn't exist: which, in words.
    pub(crate) fn of_request(head: &Head) -> Result<Agent, String> {
        const KNOWN: [&str; 4] = ["agent", "eio", "level", "lacks"];
        if let Some((unknown, _)) = head.parameters().find(|(name, _)| !KNOWN.contains(&&**name)) {
            return Err(format!("there is no parameter `{unknown}`: {}", KNOWN.join(", ")));
        }
        match head.query("agent").filter(|name| !name.is_empty()) {
            Some(name) => Agent::read(head, name, Revision::V4, Needs::Driven),
            None => Err("name the agent: /next?agent=NAME".to_owned()),
        }
    }

    /// The client that names its case in its URL. It may have parameters of its own.
    ///
    /// # Errors
    /// If it uses a word that doesn't exist.
    pub(crate) fn of_client(head: &Head) -> Result<Agent, String> {
        let name = head.query("agent").unwrap_or_else(|| "unnamed".to_owned());
        let is_older = head.query("EIO").as_deref() == Some("3");
        Agent::read(head, name, if is_older { Revision::V3 } else { Revision::V4 }, Needs::Echo)
    }

    fn read(head: &Head, name: String, revision: Revision, level: Needs) -> Result<Agent, String> {
        let revision = match head.query("eio").as_deref() {
            None => revision,
            Some("3") => Revision::V3,
            Some("4") => Revision::V4,
            Some(other) => return Err(format!("`eio` is 3 or 4, and not `{other}`")),
        };
        let levels = [Needs::Passive, Needs::Echo, Needs::Driven];
        let level = match head.query("level") {
            None => level,
            Some(given) => *levels
                .iter()
                .find(|level| level.as_str() == given)
                .ok_or_else(|| format!("`level` is passive, echo or driven, and not `{given}`"))?,
        };
        let lacks = head.query("lacks").unwrap_or_default();
        let lacks: Vec<String> =
            lacks.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let words = LACKS.map(|(word, _)| word);
        match lacks.iter().find(|word| !words.contains(&word.as_str())) {
            Some(unknown) => Err(format!("`lacks` has no word `{unknown}`: {}", words.join(", "))),
            None => Ok(Agent { name, revision, level, lacks }),
        }
    }

    /// How a case is run with this agent.
    ///
    /// # Errors
    /// Why it can't be.
    pub fn transport(&self, about: &About) -> Result<CaseTransport, Unmet> {
        let lacks = |what: &str| self.lacks.iter().any(|lacking| lacking == what);
        if !about.revisions.contains(&self.revision) {
            return Err(Unmet::fail(
                format!("a client of Engine.IO {}", about.revisions[0].number()),
                format!("this client speaks Engine.IO {}", self.revision.number()),
            )
            .rather(Verdict::NotRun));
        }
        if self.level < about.needs {
            return Err(Unmet::fail(
                format!("an agent of the level `{}`", about.needs),
                format!("the level of this one is `{}`", self.level),
            )
            .rather(Verdict::NotRun));
        }
        let needed: &[&str] = match about.transport {
            CaseTransport::Any => &[],
            CaseTransport::Polling => &["polling"],
            CaseTransport::WebSocket => &["websocket"],
            // One that can't begin with a WebSocket may move to one.
            CaseTransport::Upgrade => &["polling", "upgrade"],
        };
        if let Some(lacking) = about.features.iter().chain(needed).find(|what| lacks(what)) {
            let says = "the agent says that its client lacks it";
            return Err(
                Unmet::fail(format!("a client that has `{lacking}`"), says).rather(Verdict::Unsupported)
            );
        }
        Ok(match about.transport {
            CaseTransport::Any if lacks("websocket") => CaseTransport::Polling,
            CaseTransport::Any => CaseTransport::WebSocket,
            other => other,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn number<S: serde::Serializer>(revision: &Revision, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(revision.number())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn asks(query: &str) -> Result<Agent, String> {
        Agent::of_request(&Head { target: format!("/next?{query}"), ..Head::default() })
    }

    #[test]
    fn a_word_that_does_not_exist_is_told_with_those_that_do() {
        let agent = asks("agent=a+b&eio=3&level=echo&lacks=polling,ack").unwrap();
        assert_eq!((&*agent.name, agent.revision, agent.level), ("a b", Revision::V3, Needs::Echo));
        assert_eq!(agent.lacks, ["polling", "ack"]);
        for (query, problem) in [
            ("agent=a&lack=polling", "there is no parameter `lack`: agent, eio, level, lacks"),
            ("agent=a&lacks=poling", "`lacks` has no word `poling`: polling, websocket, "),
            ("agent=a&lacks=ack,Polling", "`lacks` has no word `Polling`: "),
            ("agent=a&level=bogus", "`level` is passive, echo or driven, and not `bogus`"),
            ("agent=a&eio=5", "`eio` is 3 or 4, and not `5`"),
            ("agent=", "name the agent: /next?agent=NAME"),
            ("eio=4", "name the agent: /next?agent=NAME"),
        ] {
            let told = asks(query).unwrap_err();
            assert!(told.starts_with(problem), "{query}: {told}");
        }
    }

    #[test]
    fn a_client_has_parameters_of_its_own() {
        let client = |query: &str| {
            Agent::of_client(&Head { target: format!("/socket.io/?case=1.1.1&{query}"), ..Head::default() })
        };
        let agent = client("EIO=3&transport=polling&t=abc&token=x").unwrap();
        assert_eq!((&*agent.name, agent.revision, agent.level), ("unnamed", Revision::V3, Needs::Echo));
        assert_eq!(client("EIO=4&eio=3").unwrap().revision, Revision::V3);
        assert!(client("EIO=5").is_ok(), "that is what a case looks at");
        assert!(client("EIO=4&lacks=poling").is_err());
    }

    #[test]
    fn why_a_case_is_not_run_is_what_the_agent_has_said() {
        let cases = crate::cases::for_clients();
        let tells = |id: &str, query: &str| {
            let case = cases.iter().find(|case| case.about.id == id).unwrap();
            asks(&format!("agent=a&{query}")).unwrap().transport(&case.about).unwrap_err()
        };
        let newer = tells("1.4.9", "eio=4");
        assert_eq!((newer.verdict, &*newer.seen), (Verdict::NotRun, "this client speaks Engine.IO 4"));
        let passive = tells("9.1.1", "level=passive");
        assert_eq!(
            (passive.verdict, &*passive.seen),
            (Verdict::NotRun, "the level of this one is `passive`")
        );
        let lacking = tells("7.1.1", "lacks=reconnection");
        assert_eq!(lacking.verdict, Verdict::Unsupported);
        assert_eq!(lacking.expected, "a client that has `reconnection`");
    }

    #[test]
    fn each_word_excuses_from_cases_and_each_case_has_words_that_exist() {
        let transports = ["polling", "websocket", "upgrade"];
        let cases = crate::cases::for_clients();
        let used: BTreeSet<&str> =
            cases.iter().flat_map(|case| case.about.features.iter().copied()).chain(transports).collect();
        assert_eq!(used, LACKS.iter().map(|(word, _)| *word).collect());
        for case in &cases {
            let reconnects = case.about.options["reconnection"] == true;
            assert_eq!(case.about.features.contains(&"reconnection"), reconnects, "{}", case.about.id);
        }
    }

    /// A table of docs/lab/agents.md: its rows between this head and the next empty line.
    fn table(head: &str) -> Vec<String> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lab/agents.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, rest) = page.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
        rest.lines().skip(2).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn the_guide_has_the_words_of_the_code() {
        let rows: Vec<String> = LACKS.iter().map(|(word, what)| format!("| `{word}` | {what} |")).collect();
        assert_eq!(table("| word in `lacks` | the client can't |"), rows);
        let saw = table("| `saw` | `args` |").join("\n");
        let words = saw.lines().flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'));
        let words: Vec<&str> = words.filter(|word| !word.trim_matches([' ', ',']).is_empty()).collect();
        assert_eq!(words, SAW);
    }
}
