//! Which of the nodes that were asked have answered, and which are still there.

use parking_lot::Mutex;

use crate::cluster::message::NodeId;

/// The nodes that one request went to. Each answers it once.
#[derive(Debug, Default)]
pub(crate) struct AwaitedNodes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many were asked and have not gone.
    count: usize,
    /// Their names, if the adapter knows them.
    names: Option<Vec<NodeId>>,
    /// Those that have answered and signed.
    answered: Vec<NodeId>,
    /// How many have answered without a name.
    unsigned: usize,
}

impl AwaitedNodes {
    /// So many nodes are asked.
    pub(crate) fn asked(&self, count: usize) {
        self.0.lock().count = count;
    }

    /// A node has answered. Returns whether this is its first answer.
    pub(crate) fn answered(&self, node: Option<&NodeId>) -> bool {
        let mut state = self.0.lock();
        match node {
            None => state.unsigned += 1,
            Some(node) if state.answered.contains(node) => return false,
            Some(node) => state.answered.push(node.clone()),
        }
        true
    }

    /// Sets how many nodes there are now, and their names if they are known. Returns how many have gone without an
    /// answer.
    pub(crate) fn counted(&self, count: usize, names: Option<Vec<NodeId>>) -> usize {
        let mut state = self.0.lock();
        let silent = state.count.saturating_sub(state.answered.len() + state.unsigned);
        let before = state.names.take();
        // Who has come since was not asked.
        let was_asked = |name: &NodeId| before.as_ref().is_none_or(|before| before.contains(name));
        state.names = names
            .filter(|names| names.len() == count)
            .map(|names| names.into_iter().filter(was_asked).collect());
        let left = match &state.names {
            Some(_) if state.unsigned == 0 => state.silent().len(),
            _ => silent.saturating_sub(state.count.saturating_sub(count)),
        };
        let gone = silent.saturating_sub(left);
        state.count -= gone;
        gone
    }

    /// The names of those that have not answered. Empty if they are not known for certain.
    pub(crate) fn silent(&self) -> Vec<NodeId> {
        let state = self.0.lock();
        let silent = state.silent();
        if silent.len() + state.answered.len() + state.unsigned == state.count { silent } else { Vec::new() }
    }
}

impl State {
    fn silent(&self) -> Vec<NodeId> {
        let names = self.names.iter().flatten();
        names.filter(|name| !self.answered.contains(name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str) -> Vec<NodeId> {
        names.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn a_node_answers_once() {
        let awaited = AwaitedNodes::default();
        let [a, b] = ["a", "b"].map(NodeId::from);
        assert!(awaited.answered(Some(&a)) && !awaited.answered(Some(&a)) && awaited.answered(Some(&b)));
        assert!(awaited.answered(None) && awaited.answered(None), "whoever does not sign may be any");
    }

    #[test]
    fn those_who_have_gone_without_an_answer_are_not_waited_for() {
        let awaited = AwaitedNodes::default();
        awaited.asked(4);
        awaited.answered(Some(&"a".into()));
        assert_eq!(awaited.counted(4, Some(names("a b c d"))), 0);
        assert_eq!(awaited.silent(), names("b c d"));
        // If one that has answered goes, the others are still waited for.
        assert_eq!(awaited.counted(3, Some(names("b c d"))), 0);
        assert_eq!(
            awaited.counted(3, Some(names("b c e"))),
            1,
            "one has gone, and one that was not asked has come"
        );
        assert_eq!(awaited.silent(), names("b c"));
    }

    #[test]
    fn where_nodes_have_no_names_they_are_counted() {
        let awaited = AwaitedNodes::default();
        awaited.asked(4);
        awaited.answered(None);
        assert_eq!(awaited.counted(4, None), 0);
        assert_eq!((awaited.counted(3, None), awaited.counted(3, None), awaited.counted(1, None)), (1, 0, 2));
        assert_eq!(awaited.silent(), names(""));
        // Names that don't match the count are out of date.
        let awaited = AwaitedNodes::default();
        awaited.asked(1);
        assert_eq!(awaited.counted(1, Some(names("a x"))), 0);
        assert_eq!(awaited.silent(), names(""));
    }
}
