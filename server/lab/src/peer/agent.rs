//! What a script has the agent do, and what the application saw.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LabPeer, Result};
use crate::packet::Wire;
use crate::verdict::{Unmet, Verdict};

impl LabPeer {
    /// Has the agent carry out a command, by the event `do` in the main namespace.
    pub async fn act(&mut self, command: Value) -> Result {
        self.act_in("/", command).await
    }

    /// The same in another namespace.
    pub async fn act_in(&mut self, nsp: &str, command: Value) -> Result {
        self.send(LabPeer::command(nsp, &command)).await
    }

    /// The packet that has the agent carry out a command.
    #[must_use]
    pub fn command(nsp: &str, command: &Value) -> Wire {
        let mut event = vec![json!("do")];
        event.extend(command.as_array().cloned().unwrap_or_default());
        let place = if nsp == "/" { String::new() } else { format!("{nsp},") };
        Wire::Text(format!("42{place}{}", Value::Array(event)))
    }

    /// What the application saw of this kind, the earliest that no script has asked for.
    pub async fn saw(&mut self, what: &str) -> Result<Vec<Value>> {
        let within = self.patience;
        self.saw_within(what, within).await
    }

    /// The same in a time.
    pub async fn saw_within(&mut self, what: &str, time: Duration) -> Result<Vec<Value>> {
        let found = self
            .wait(time, |peer| {
                let wanted = [what, "unsupported"];
                let at = peer.observations.iter().position(|seen| wanted.contains(&&*seen.saw))?;
                peer.observations.remove(at)
            })
            .await;
        match found {
            Some(seen) if seen.saw != what => {
                let lacks = Value::Array(seen.args).to_string();
                Err(Unmet::fail("an agent that can do so", lacks).rather(Verdict::Unsupported))
            }
            Some(seen) => Ok(seen.args),
            None => Err(Unmet::fail(format!("the application sees `{what}`"), self.instead_seen())),
        }
    }

    /// The application may see nothing of this kind for a time.
    pub async fn saw_none(&mut self, what: &str, time: Duration) -> Result {
        match self.saw_within(what, time).await {
            Err(unmet) if unmet.verdict == Verdict::Fail => Ok(()),
            Err(unmet) => Err(unmet),
            Ok(args) => {
                Err(Unmet::fail(format!("the application sees no `{what}`"), Value::Array(args).to_string()))
            }
        }
    }

    /// The application must see an event of this name. Returns its arguments.
    pub async fn saw_event(&mut self, name: &str) -> Result<Vec<Value>> {
        let mut args = self.saw("event").await?;
        if args.first().and_then(Value::as_str) != Some(name) {
            let seen = Value::Array(args).to_string();
            return Err(Unmet::fail(format!("the application sees the event `{name}`"), seen));
        }
        args.remove(0);
        Ok(args)
    }

    fn instead_seen(&self) -> String {
        match self.observations.back() {
            Some(last) => format!("it saw `{}` {}", last.saw, Value::Array(last.args.clone())),
            None => "it reported nothing".to_owned(),
        }
    }
}
