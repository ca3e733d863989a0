//! What the yardsticks answer whoever opens a session and joins `/`.

pub const OPEN: &str = r#"0{"sid":"aaaaaaaaaaaaaaaaaaaa","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
pub const CONNECT: &str = r#"40{"sid":"bbbbbbbbbbbbbbbbbbbb"}"#;
