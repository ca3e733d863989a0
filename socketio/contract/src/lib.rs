//! What an [`Adapter`] has to do, as a test that any adapter can run.
//!
//! ```no_run
//! # async fn example() {
//! # use socketio_adapter_contract::Loopback;
//! let cluster = Loopback::default();
//! socketio_adapter_contract::check(|| cluster.another()).await;
//! # }
//! ```
//!
//! Three nodes in one process, each with a client that is only a mailbox, do everything that crosses nodes. The
//! test waits for what has to come, for at most half a minute. To find out that nothing more comes, it sends a
//! last message and waits for that, since messages keep their order.

mod client;
mod loopback;
mod node;
mod recovery;
mod scenarios;

pub use client::TestClient;
pub use loopback::Loopback;

use node::Node;
pub use recovery::check_recovery;
use socketio::Adapter;

/// Tests adapters. Each call of `adapter` must return an adapter for one more node of the same cluster. The
/// cluster must have no other nodes.
///
/// # Panics
/// If an adapter does not do what it should. The message says what that was.
pub async fn check<A: Adapter>(mut adapter: impl FnMut() -> A) {
    let mut nodes = [(); 3].map(|()| Node::start(adapter()));
    for node in &nodes {
        node.io.cluster_ready().await;
    }
    scenarios::counting(&nodes).await;
    scenarios::broadcasts(&mut nodes).await;
    scenarios::order(&mut nodes).await;
    scenarios::rooms_of_others(&mut nodes).await;
    scenarios::fetching(&nodes).await;
    scenarios::acknowledgements(&mut nodes).await;
    scenarios::servers(&nodes).await;
    scenarios::namespaces(&nodes).await;
    scenarios::disconnecting(&mut nodes).await;
    scenarios::leaving(&mut nodes).await;
}
