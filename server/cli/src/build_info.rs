//! `version`: what this program is, and how it was built.

use std::env::consts::{ARCH, OS};

use serde_json::{Value, json};

/// The commit that it was built from, which whoever builds it says: `BUILD_COMMIT=$(git rev-parse HEAD) cargo build`.
const COMMIT: Option<&str> = option_env!("BUILD_COMMIT");

fn features() -> Vec<&'static str> {
    let all = [
        ("gateway", cfg!(feature = "gateway")),
        ("jemalloc", cfg!(feature = "jemalloc")),
        ("lab", cfg!(feature = "lab")),
        ("redis", cfg!(feature = "redis")),
        ("webtransport", cfg!(feature = "webtransport")),
    ];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

fn json() -> Value {
    json!({
        "name": "socketio-server",
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "target": format!("{ARCH}-{OS}"),
        "static": cfg!(target_feature = "crt-static"),
        "optimised": !cfg!(debug_assertions),
        "features": features(),
    })
}

/// What `version` prints.
pub(crate) fn text(as_json: bool) -> String {
    if as_json {
        return format!("{}\n", json());
    }
    let commit = COMMIT.map(|commit| format!("commit {commit}, ")).unwrap_or_default();
    let linked = if cfg!(target_feature = "crt-static") { "static" } else { "dynamic" };
    format!(
        "socketio-server {}\n{commit}{ARCH}-{OS}, {linked}, features: {}\n",
        env!("CARGO_PKG_VERSION"),
        features().join(", "),
    )
}
