//! What cases are written with.

use std::time::Duration;

use crate::case::{Case, Document, Script, Source};
use crate::peer::LabPeer;

/// A script: `script!(peer => { … })`. It passes where its end is reached.
macro_rules! script {
    ($peer:ident => $body:block) => {
        |$peer| {
            Box::pin(async move {
                $body
                Ok(())
            })
        }
    };
}
pub(super) use script;

pub(super) fn case(
    id: &'static str,
    title: &'static str,
    expects: &'static str,
    source: Source,
    script: Script<LabPeer>,
) -> Case<LabPeer> {
    Case::new(id, title, expects, source, script)
}

pub(super) fn eio(section: &'static str) -> Source {
    Source::Document(Document::EngineIo4, section)
}

pub(super) fn eio3(section: &'static str) -> Source {
    Source::Document(Document::EngineIo3, section)
}

pub(super) fn sio(section: &'static str) -> Source {
    Source::Document(Document::SocketIo5, section)
}

pub(super) fn docs(section: &'static str) -> Source {
    Source::Document(Document::ClientDocs, section)
}

pub(super) fn rfc6455(section: &'static str) -> Source {
    Source::Document(Document::WebSocket, section)
}

pub(super) fn http(section: &'static str) -> Source {
    Source::Document(Document::Http, section)
}

pub(super) fn json(section: &'static str) -> Source {
    Source::Document(Document::Json, section)
}

pub(super) fn like_reference(what: &'static str) -> Source {
    Source::Reference(what)
}

/// Milliseconds.
pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
