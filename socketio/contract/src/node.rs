//! A node of the cluster.

use socketio::{Adapter, Io, IoConfig};

use crate::client::TestClient;

/// A node, and its client in `/`.
pub(crate) struct Node {
    pub(crate) io: Io,
    pub(crate) client: TestClient,
}

impl Node {
    pub(crate) fn start(adapter: impl Adapter) -> Node {
        let io = Io::with_adapter(IoConfig::default(), adapter);
        let client = TestClient::join(&io);
        Node { io, client }
    }
}
