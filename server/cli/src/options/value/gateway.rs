//! Which webhooks are sent.

use super::{Form, Reader};

/// The hooks that the gateway knows. A build without it knows them as well.
const HOOKS: [&str; 7] =
    ["connect", "event", "connected", "disconnected", "node_started", "room_occupied", "room_vacated"];

/// How many of them are sent unless they are left out.
const USUAL_HOOKS: usize = 5;

/// What is given adds to the usual hooks: whoever asks for one more must not lose the one that asks who may join.
pub(crate) const WEBHOOK_HOOKS: Reader<Vec<String>> = Reader::new("HOOK|no-HOOK", Form::List, |words| {
    let mut hooks = HOOKS[..USUAL_HOOKS].to_vec();
    for word in words {
        let name = word.strip_prefix("no-").unwrap_or(word);
        let Some(hook) = HOOKS.iter().find(|hook| **hook == name) else {
            return Err(format!("{word:?} is not one of {}, with or without no- in front", HOOKS.join(", ")));
        };
        hooks.retain(|other| other != hook);
        if !word.starts_with("no-") {
            hooks.push(hook);
        }
    }
    Ok(hooks.into_iter().map(str::to_owned).collect())
});
