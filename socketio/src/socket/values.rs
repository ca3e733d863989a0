//! What an application keeps with a socket.

use std::any::{Any, TypeId};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

/// The values of a socket, which pass to the recovered one.
#[derive(Default)]
pub(crate) struct Values {
    pub(super) values: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
    pub(super) data: Mutex<Map<String, Value>>,
}

impl Values {
    pub(crate) fn with_data(data: Map<String, Value>) -> Values {
        Values { data: Mutex::new(data), ..Values::default() }
    }

    pub(crate) fn data(&self) -> Map<String, Value> {
        self.data.lock().clone()
    }
}
