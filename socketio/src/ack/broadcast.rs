//! An event that many clients are asked to acknowledge.

use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use engineio::Limit;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::ack::answers::{Answer, Answers, RawAnswer};
use crate::ack::collector::Collector;
use crate::ack::pending::Waiter;
use crate::args::FromArgs;
use crate::clock;
use crate::cluster::awaited_nodes::AwaitedNodes;
use crate::cluster::message::{AdapterFuture, NodeId};
use crate::cluster::{Cluster, Request, recount_pause};
use crate::error::AckError;
use crate::handler::task::Task;
use crate::namespace::Namespace;
use crate::namespace::outgoing::Outgoing;
use crate::namespace::room::Selection;
use crate::socket::Socket;

/// The answers of many clients to an event: see [`Broadcast::emit_with_ack`](crate::Broadcast::emit_with_ack).
/// The event has already been sent. If you drop this, answers that have not come are ignored.
///
/// The event has been sent already. If this is dropped, answers that have not arrived are ignored.
///
/// ```
/// use socketio::{Io, SendError};
///
/// async fn first(io: Io) -> Result<Option<String>, SendError> {
///     let mut answers = io.to("helpers").emit_with_ack::<String>("who has time?", ())?;
///     // One by one, as they arrive. To have all at once, await it.
///     Ok(answers.next().await.and_then(|answer| answer.result.ok()))
/// }
/// ```
#[must_use = "the answers are lost unless they are awaited"]
pub struct BroadcastAck<T> {
    collector: Arc<Collector<RawAnswer>>,
    /// The sockets of this node that must answer, for each namespace that the event was sent to.
    asked: Vec<AwaitedSockets>,
    requests: Vec<Request>,
    counting: Vec<Counting>,
    sent: Instant,
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    silent_nodes: usize,
    silent_ids: Vec<NodeId>,
    answer: PhantomData<fn() -> T>,
}

/// Counts the nodes that must say how many of their clients got an event. It counts again as long as some are silent,
/// since they may have gone.
pub(crate) struct Counting {
    cluster: Arc<Cluster>,
    namespace: Arc<str>,
    awaited: Arc<AwaitedNodes>,
    /// Whether it is known how many got the event.
    has_counted: bool,
    pause: Duration,
    step: CountingStep,
}

enum CountingStep {
    /// The adapter counts all nodes, or those that have gone.
    Asking(AdapterFuture<usize>),
    Waiting(Pin<Box<Sleep>>),
}

impl Counting {
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        namespace: &Arc<str>,
        awaited: Arc<AwaitedNodes>,
        timeout: Duration,
    ) -> Counting {
        Counting {
            cluster: Arc::clone(cluster),
            namespace: Arc::clone(namespace),
            awaited,
            has_counted: false,
            pause: recount_pause(timeout),
            step: CountingStep::Asking(cluster.other_nodes(namespace)),
        }
    }

    fn poll<A>(&mut self, cx: &mut Context<'_>, collector: &Collector<A>) {
        loop {
            match &mut self.step {
                CountingStep::Asking(count) => {
                    let Poll::Ready(count) = count.as_mut().poll(cx) else { return };
                    if std::mem::replace(&mut self.has_counted, true) {
                        collector.expect_fewer_nodes(count);
                    } else {
                        self.awaited.asked(count);
                        collector.expect_nodes(count);
                    }
                    self.step = CountingStep::Waiting(Box::pin(sleep(self.pause)));
                }
                CountingStep::Waiting(wait) => {
                    // Once all have answered, only their clients are waited for, and nodes are not counted again.
                    if collector.missing().1 == 0 || wait.as_mut().poll(cx).is_pending() {
                        return;
                    }
                    self.step = CountingStep::Asking(self.cluster.recount(&self.namespace, &self.awaited));
                }
            }
        }
    }
}

/// Has the selected sockets of this node acknowledge an event that carries `id`. Each gets an entry before
/// it can answer.
pub(crate) fn ask_selected(
    namespace: &Namespace,
    selection: &Selection,
    volatile: bool,
    outgoing: &Outgoing,
    id: u64,
    collector: &Arc<Collector<RawAnswer>>,
) -> AwaitedSockets {
    let limit = namespace.config().max_pending_acks;
    let (mut asked, mut refused) = (AwaitedSockets { sockets: Vec::new(), id }, Vec::new());
    namespace.members().for_each(selection, |socket| {
        let waiter = Waiter::Broadcast(Arc::clone(collector), socket.room());
        if let Err(error) = socket.pending_acks().insert(id, waiter, limit) {
            namespace.hits().count(Limit::PendingAcks);
            refused.push((socket.room(), error));
        } else if socket.push_share(outgoing, volatile) || !socket.pending_acks().forget(id) {
            asked.sockets.push(socket.clone());
        }
    });
    asked.sockets.iter().for_each(|socket| socket.show_outgoing(outgoing));
    collector.expect(refused.len());
    for (socket, error) in refused {
        collector.add((Some(socket), Err(error)));
    }
    asked
}

/// The sockets that must answer an event. Each has an entry in its table, which is removed when this is dropped.
pub(crate) struct AwaitedSockets {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) id: u64,
}

impl Drop for AwaitedSockets {
    fn drop(&mut self) {
        for socket in &self.sockets {
            socket.pending_acks().forget(self.id);
        }
    }
}

impl<T> BroadcastAck<T> {
    pub(crate) fn new(timeout: Duration) -> BroadcastAck<T> {
        BroadcastAck {
            collector: Arc::default(),
            asked: Vec::new(),
            requests: Vec::new(),
            counting: Vec::new(),
            sent: clock::now(),
            timeout,
            sleep: None,
            silent_nodes: 0,
            silent_ids: Vec::new(),
            answer: PhantomData,
        }
    }

    pub(crate) fn collector(&self) -> &Arc<Collector<RawAnswer>> {
        &self.collector
    }

    /// How long answers are awaited.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }

    /// These sockets are to answer.
    pub(crate) fn add(&mut self, asked: AwaitedSockets) {
        self.collector.expect(asked.sockets.len());
        self.asked.push(asked);
    }

    /// Clients of other nodes are to answer.
    pub(crate) fn add_request(&mut self, request: Request, counting: Counting) {
        self.requests.push(request);
        self.counting.push(counting);
    }

    /// How many sockets of this node are to answer.
    pub(crate) fn asked_here(&self) -> usize {
        self.asked.iter().map(|asked| asked.sockets.len()).sum()
    }

    /// Sets how long to wait, from when the event was sent, instead of
    /// [`Broadcast::timeout`](crate::Broadcast::timeout) or
    /// [`IoConfig::ack_timeout`](crate::IoConfig::ack_timeout). Other nodes already know those, and wait no longer.
    pub fn timeout(mut self, timeout: Duration) -> BroadcastAck<T> {
        self.timeout = timeout;
        self.sleep = None;
        self
    }

    /// Waits for the next answer; `None` after the last. When the time is over, each missing answer follows as
    /// [`AckError::Timeout`]. A call that is dropped early loses no answer.
    pub async fn next(&mut self) -> Option<Answer<T>>
    where
        T: FromArgs,
    {
        let (socket, answer) = poll_fn(|cx| self.poll_next(cx)).await?;
        let result = answer.and_then(|args| T::from_args(args).map_err(AckError::Args));
        Some(Answer { socket, result })
    }

    /// How many other nodes did not say in time how many of their clients got the event. It is known after the
    /// last answer.
    #[must_use]
    pub fn silent_nodes(&self) -> usize {
        self.silent_nodes
    }

    /// Which ones these are, if the adapter can tell; else empty.
    #[must_use]
    pub fn silent_ids(&self) -> &[NodeId] {
        &self.silent_ids
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<RawAnswer>> {
        for counting in &mut self.counting {
            counting.poll(cx, &self.collector);
        }
        match self.collector.poll_next(cx) {
            Poll::Ready(Some(answer)) => return Poll::Ready(Some(answer)),
            Poll::Ready(None) if self.counting.iter().all(|counting| counting.has_counted) => {
                return Poll::Ready(None);
            }
            _ => {}
        }
        // A timeout for which there is no instant never ends.
        let Some(deadline) = self.sent.checked_add(self.timeout) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.give_up();
        self.collector.poll_next(cx)
    }

    /// The time is over: each missing answer is a timeout.
    fn give_up(&mut self) {
        if self.collector.missing().1 > 0 {
            self.silent_ids = self.counting.iter().flat_map(|counting| counting.awaited.silent()).collect();
        }
        self.counting.clear();
        self.requests.clear();
        for asked in self.asked.drain(..) {
            for socket in &asked.sockets {
                if socket.pending_acks().forget(asked.id) {
                    socket.hits().count(Limit::AckTimeout);
                    self.collector.add((Some(socket.room()), Err(AckError::Timeout)));
                }
            }
        }
        let (missing, silent) = self.collector.missing();
        for _ in 0..missing {
            self.collector.add((None, Err(AckError::Timeout)));
        }
        for _ in 0..silent {
            self.collector.node_expects(0);
        }
        self.silent_nodes += silent;
    }
}

impl<T: FromArgs + Send + 'static> IntoFuture for BroadcastAck<T> {
    type Output = Answers<T>;
    type IntoFuture = Task<Answers<T>>;

    fn into_future(mut self) -> Task<Answers<T>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            while let Some(answer) = self.next().await {
                answers.push(answer);
            }
            Answers { answers, silent_nodes: self.silent_nodes, silent_ids: self.silent_ids }
        })
    }
}

impl<T> fmt::Debug for BroadcastAck<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastAck").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SendError;
    use crate::io::Io;
    use crate::io::config::IoConfig;
    use crate::testing::Peer;

    fn joined(io: &Io) -> (Peer, Socket) {
        let peer = Peer::join(io);
        let own = io.sockets().into_iter().find(|socket| std::ptr::eq(socket.link(), peer.client.link()));
        (peer, own.unwrap())
    }

    // proves: features/broadcast-acks
    #[tokio::test]
    async fn all_answers_to_one_frame_with_one_id() {
        let io = Io::new();
        let mut all = [joined(&io), joined(&io), joined(&io)];
        all[2].1.join("r").unwrap();
        let asking = io.except("r").emit_with_ack::<(i32, String)>("q", "x").unwrap();
        let [first, second, third] = all.each_mut().map(|(peer, _)| peer.take_frames());
        assert!(std::ptr::eq(first[0].packet(), second[0].packet()) && third.is_empty());
        assert_eq!(first[0].packet(), br#"420["q","x"]"#);
        all[1].0.send(r#"30[2,"two"]"#);
        all[0].0.send(r#"30[1,"one"]"#);
        let answers = asking.await;
        let ids: Vec<_> = answers.answers.iter().map(|answer| answer.socket.as_deref()).collect();
        assert_eq!(ids, [Some(all[1].1.id()), Some(all[0].1.id())]);
        assert_eq!(answers.all().unwrap(), [(2, "two".to_owned()), (1, "one".to_owned())]);
        assert!(io.to("nobody").emit_with_ack::<()>("q", ()).unwrap().await.all().unwrap().is_empty());
        let reserved = io.emit_with_ack::<()>("disconnect", ());
        assert!(matches!(reserved, Err(SendError::ReservedEvent)));
    }

    // proves: features/broadcast-acks, features/modifiers, protocol/broadcast-acks
    #[tokio::test(start_paused = true)]
    async fn who_failed_is_told_with_the_reason() {
        let io = Io::with_config(IoConfig { max_pending_acks: 1, ..IoConfig::default() });
        let mut all: [(Peer, Socket); 5] = std::array::from_fn(|_| joined(&io));
        let _busy = all[4].1.emit_with_ack::<()>("another", ());
        let mut asking = io.timeout(Duration::from_secs(3)).emit_with_ack::<i32>("q", ()).unwrap();
        all[0].0.send("31[1]");
        all[1].0.send(r#"31["no number"]"#);
        all[2].0.send("1");
        let mut results = std::collections::HashMap::new();
        let start = Instant::now();
        while let Some(answer) = asking.next().await {
            results.insert(answer.socket.unwrap(), answer.result);
        }
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        let result = |at: usize| &results[all[at].1.id()];
        assert!(matches!(result(0), Ok(1)));
        assert!(matches!(result(1), Err(AckError::Args(_))));
        assert!(matches!(result(2), Err(AckError::Disconnected)));
        assert!(matches!(result(3), Err(AckError::Timeout)));
        assert!(matches!(result(4), Err(AckError::TooManyPending)));
        assert_eq!(all.each_ref().map(|(_, socket)| socket.pending_acks().len()), [0, 0, 0, 0, 1]);
        // An answer that comes late is ignored.
        all[3].0.send("31[1]");
        assert!(asking.next().await.is_none());
    }

    // proves: features/broadcast-acks
    #[tokio::test]
    async fn answers_come_one_by_one_and_none_is_lost() {
        let io = Io::new();
        let mut all = [joined(&io), joined(&io)];
        let mut asking = io.emit_with_ack::<i32>("q", ()).unwrap();
        let pause = Duration::from_millis(1);
        assert!(tokio::time::timeout(pause, asking.next()).await.is_err());
        all[1].0.send("30[2]");
        assert_eq!(asking.next().await.unwrap().result.unwrap(), 2);
        all[0].0.send("30[1]");
        assert_eq!(asking.next().await.unwrap().result.unwrap(), 1);
        assert!(asking.next().await.is_none());
    }

    // proves: protocol/broadcast-acks
    #[tokio::test]
    async fn answers_that_nobody_awaits_leave_no_entries() {
        let io = Io::new();
        let mut all = [joined(&io), joined(&io)];
        let asking = io.emit_with_ack::<i32>("q", ()).unwrap();
        assert_eq!(all.each_ref().map(|(_, socket)| socket.pending_acks().len()), [1, 1]);
        all[0].0.send("30[1]");
        drop(asking);
        assert_eq!(all.each_ref().map(|(_, socket)| socket.pending_acks().len()), [0, 0]);
        all[1].0.send("30[1]");
        assert_eq!(all[1].0.close_requested(), None);
    }

    #[tokio::test]
    async fn a_volatile_question_goes_to_those_to_whom_it_can_be_written() {
        let io = Io::new();
        let mut all = [joined(&io), joined(&io)];
        all[0].0.sleep();
        let asking = io.volatile().emit_with_ack::<i32>("q", ()).unwrap();
        assert_eq!((all[0].0.take().len(), all[1].0.take().len()), (1, 0));
        all[0].0.send("30[1]");
        assert_eq!(asking.await.all().unwrap(), [1]);
    }
}
