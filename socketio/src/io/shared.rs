//! The values that all handlers of an [`Io`](crate::Io) share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// The values that are shared.
#[derive(Default)]
pub(crate) struct Shared {
    values: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Shared {
    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.values.read().get(&TypeId::of::<T>())?).downcast().ok()
    }

    pub(crate) fn set<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let replaced = self.values.write().insert(TypeId::of::<T>(), Arc::new(value));
        replaced?.downcast().ok()
    }
}
