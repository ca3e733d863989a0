//! What can be set about compression.

/// How messages of WebSockets are compressed, if the client can inflate them.
///
/// ```
/// use engineio::EngineConfig;
/// use engineio::websocket::deflate::PerMessageDeflate;
///
/// let deflate = PerMessageDeflate { threshold: 4_096, ..PerMessageDeflate::default() };
/// let config = EngineConfig { per_message_deflate: Some(deflate), ..EngineConfig::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    /// Shorter messages are sent as they are; 1,024 bytes by default. So are those over 1 MiB, which would keep a thread
    /// from its other clients for too long.
    pub threshold: usize,
    /// How hard the server tries to make messages small; 1 by default, the fastest.
    pub level: CompressionLevel,
    /// Whether a message may refer to those before it, in both directions; no by default. Short messages get much
    /// smaller by this. But then each connection has its own compressor, and keeps the end of what it has received. Both count for what
    /// the client holds ([`COMPRESSOR_MEMORY`](super::COMPRESSOR_MEMORY), [`WINDOW_MEMORY`](super::WINDOW_MEMORY)), and
    /// a broadcast is compressed for each of its receivers.
    pub context_takeover: bool,
}

impl Default for PerMessageDeflate {
    fn default() -> PerMessageDeflate {
        PerMessageDeflate { threshold: 1_024, level: CompressionLevel::FASTEST, context_takeover: false }
    }
}

/// A level of compression: 1 is the fastest, and 9 makes the smallest messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// CompressionLevel 1.
    pub const FASTEST: CompressionLevel = CompressionLevel(1);

    /// A level from 1 to 9; `None` for all other numbers.
    #[must_use]
    pub fn new(level: u8) -> Option<CompressionLevel> {
        matches!(level, 1..=9).then_some(CompressionLevel(level))
    }

    pub(super) fn get(self) -> u8 {
        self.0
    }
}

/// How far back a compressed message can refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// To its own beginning: "no context takeover".
    Message,
    /// To the messages before it.
    Connection,
}

/// The window of a compressor. There are two only, so that a broadcast is compressed twice at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 32 KiB.
    Full,
    /// 512 bytes, for clients that can't inflate the other. None is smaller: DEFLATE knows 256 bytes, but zlib doesn't.
    Small,
}

impl Window {
    pub(super) fn bits(self) -> u8 {
        match self {
            Window::Full => 15,
            Window::Small => 9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_from_1_to_9() {
        let levels = [0, 1, 9, 10].map(|level| CompressionLevel::new(level).map(CompressionLevel::get));
        assert_eq!(levels, [None, Some(1), Some(9), None]);
    }
}
