//! The adapter within a process keeps the contract, and one that doesn't is found out.

use std::panic::AssertUnwindSafe;

use socketio::{Adapter, AdapterError, AdapterFuture, MessageBody, Namespace, Node, NodeMessage};
use socketio_adapter_contract::{Loopback, check, check_recovery};

// proves: features/adapters
#[tokio::test]
async fn the_loopback_keeps_the_contract() {
    let cluster = Loopback::default();
    check(|| cluster.another()).await;
}

#[tokio::test]
async fn clients_recover_on_any_node_of_the_loopback() {
    let cluster = Loopback::default();
    check_recovery(|| cluster.another()).await;
}

/// Breaks one rule.
struct Faulty {
    loopback: Loopback,
    fault: Fault,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    LosesAnswers,
    RepeatsBroadcasts,
    CountsNobody,
    StaysForEver,
}

impl Adapter for Faulty {
    fn start(&self, node: Node) {
        self.loopback.start(node);
    }

    fn namespace_opened(&self, namespace: &Namespace) {
        self.loopback.namespace_opened(namespace);
    }

    fn namespace_closed(&self, name: &str) {
        self.loopback.namespace_closed(name);
    }

    fn other_nodes(&self, namespace: &str) -> AdapterFuture<usize> {
        match self.fault {
            Fault::CountsNobody => Box::pin(std::future::ready(0)),
            _ => self.loopback.other_nodes(namespace),
        }
    }

    fn publish(&self, message: NodeMessage) -> AdapterFuture<Result<(), AdapterError>> {
        match (self.fault, &message.body) {
            (Fault::LosesAnswers, body) if body.answers().is_some() => {
                return Box::pin(std::future::ready(Ok(())));
            }
            (Fault::RepeatsBroadcasts, MessageBody::Broadcast { .. }) => {
                drop(self.loopback.publish(message.clone()));
            }
            _ => {}
        }
        self.loopback.publish(message)
    }

    fn close(&self) -> AdapterFuture<()> {
        match self.fault {
            Fault::StaysForEver => Box::pin(std::future::ready(())),
            _ => self.loopback.close(),
        }
    }
}

// proves: features/adapters
#[test]
fn adapters_that_break_it_are_found_out() {
    for fault in [Fault::LosesAnswers, Fault::RepeatsBroadcasts, Fault::CountsNobody, Fault::StaysForEver] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("there is a runtime");
        let cluster = Loopback::default();
        let checked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(check(|| Faulty { loopback: cluster.another(), fault }));
        }));
        assert!(checked.is_err(), "{fault:?} is not found out");
    }
}
