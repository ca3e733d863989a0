//! Values that hooks attach to a handshake before the session exists, such as the user that a cookie names.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Values of any types, one of each. Clones share them.
///
/// ```
/// use engineio::Attached;
///
/// let mut attached = Attached::default();
/// attached.insert("the user's name".to_owned());
/// assert_eq!(attached.get::<String>().unwrap(), "the user's name");
/// assert!(attached.get::<u32>().is_none());
/// ```
#[derive(Clone, Default)]
pub struct Attached {
    /// One word while it is empty, as it nearly always is.
    values: Option<Arc<Vec<Arc<Value>>>>,
}

type Value = dyn Any + Send + Sync;

impl Attached {
    /// Attaches a value, instead of any other of the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        let values = Arc::make_mut(self.values.get_or_insert_default());
        values.retain(|other| !other.is::<T>());
        values.push(Arc::new(value));
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.values.iter().flat_map(|values| values.iter()).find_map(|value| value.downcast_ref())
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values have no `Debug` of their own.
        let count = self.values.as_ref().map_or(0, |values| values.len());
        write!(f, "Attached({count})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_value_of_each_type() {
        let mut attached = Attached::default();
        assert_eq!(attached.get::<u32>(), None);
        attached.insert(1_u32);
        attached.insert("name");
        let before = attached.clone();
        attached.insert(2_u32);
        assert_eq!((attached.get::<u32>(), attached.get::<&str>()), (Some(&2), Some(&"name")));
        assert_eq!((before.get::<u32>(), attached.get::<u64>()), (Some(&1), None));
        assert_eq!(format!("{attached:?}"), "Attached(2)");
    }
}
