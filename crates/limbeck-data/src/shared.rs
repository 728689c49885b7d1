//! Features that several data sets and sets of rows share.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::features::Features;

/// Features that a clone shares. Some of their rows, too, are selected only once as long as the selection is in use: the data sets of several targets
/// have the same rows.
///
/// ```
/// use limbeck_data::{Features, SharedFeatures};
/// let features = SharedFeatures::from(Features { columns: vec![], rows: 9, past: None });
/// let (one, other) = (features.rows(&[1, 4]), features.clone().rows(&[1, 4]));
/// assert!(one.is_same(&other) && one.rows == 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SharedFeatures(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    features: Features,
    /// Selections of rows that may be in use.
    selected: Mutex<Vec<(Vec<usize>, Weak<Shared>)>>,
}

impl SharedFeatures {
    /// The given rows, shared with all who ask for the same rows.
    ///
    /// # Panics
    ///
    /// Panics if there is no such row.
    #[must_use]
    pub fn rows(&self, rows: &[usize]) -> Self {
        let mut selected = self
            .0
            .selected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        selected.retain(|(_, own)| own.strong_count() > 0);
        let known = selected.iter().find(|(own, _)| own == rows);
        if let Some(known) = known.and_then(|(_, own)| own.upgrade()) {
            return Self(known);
        }
        let made = Self::from(self.0.features.select(rows));
        selected.push((rows.to_vec(), Arc::downgrade(&made.0)));
        made
    }

    /// True if both are the same features in memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<Features> for SharedFeatures {
    fn from(features: Features) -> Self {
        Self(Arc::new(Shared {
            features,
            selected: Mutex::default(),
        }))
    }
}

impl Serialize for SharedFeatures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.features.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Features::deserialize(deserializer).map(Self::from)
    }
}

impl PartialEq for SharedFeatures {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0.features == other.0.features
    }
}

impl Deref for SharedFeatures {
    type Target = Features;

    fn deref(&self) -> &Features {
        &self.0.features
    }
}

/// Features that others share are copied before a change.
impl DerefMut for SharedFeatures {
    fn deref_mut(&mut self) -> &mut Features {
        if Arc::get_mut(&mut self.0).is_none() {
            *self = Self::from(self.0.features.clone());
        }
        let Some(own) = Arc::get_mut(&mut self.0) else {
            unreachable!("the copy has one owner")
        };
        own.selected
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        &mut own.features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_shared_while_they_are_in_use() {
        let features = SharedFeatures::from(Features {
            columns: vec![],
            rows: 9,
            past: None,
        });
        let one = features.rows(&[0, 1]);
        assert!(one.is_same(&features.rows(&[0, 1])));
        assert!(!one.is_same(&features.rows(&[1, 0])));
        assert_eq!(features.0.selected.lock().unwrap().len(), 2);
        drop(one);
        assert_eq!(features.rows(&[0, 1, 2]).rows, 3);
        assert_eq!(features.0.selected.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_change_is_seen_by_its_owner_alone() {
        let features = SharedFeatures::from(Features {
            columns: vec![],
            rows: 9,
            past: None,
        });
        let (mut own, before) = (features.clone(), features.rows(&[0, 1]));
        own.rows = 5;
        assert_eq!((features.rows, own.rows), (9, 5));
        assert!(features.rows(&[0, 1]).is_same(&before) && !own.rows(&[0, 1]).is_same(&before));
    }
}
