//! A map that remembers the newest entries and forgets the oldest ones, so that it never grows
//! beyond its bound however long a process lives.

use std::collections::VecDeque;

/// The newest entries by key. Small enough that a walk from the newest one finds most at once.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    entries: VecDeque<(K, V)>,
    limit: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), limit: 64 }
    }
}

impl<K: Eq, V> Recent<K, V> {
    /// An empty map for `limit` entries, at least one.
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), limit: limit.max(1) }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.iter_mut().rev().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Puts `value` at `key`, as the newest entry.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.entries.retain(|(known, _)| known != &key);
        while self.entries.len() >= self.limit {
            self.entries.pop_front();
        }
        self.entries.push_back((key, value));
    }

    pub(super) fn take(&mut self, key: &K) -> Option<V> {
        let at = self.entries.iter().rposition(|(known, _)| known == key)?;
        self.entries.remove(at).map(|(_, value)| value)
    }

    /// Takes the entries that `gone` names, oldest first.
    pub(super) fn take_if(&mut self, gone: impl Fn(&K, &V) -> bool) -> Vec<(K, V)> {
        let (out, kept) =
            self.entries.drain(..).partition::<Vec<_>, _>(|(key, value)| gone(key, value));
        self.entries = kept.into();
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_forgotten_first() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        recent.put("a", 3);
        recent.put("c", 4);
        assert_eq!(
            (recent.get(&"a"), recent.get(&"b"), recent.get(&"c")),
            (Some(&3), None, Some(&4))
        );
        assert_eq!(recent.take(&"a"), Some(3));
        assert_eq!(recent.take(&"a"), None);
    }
}
