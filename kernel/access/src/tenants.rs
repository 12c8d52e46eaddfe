//! [`TenantTree`]: which municipality lies in which prefecture.

use std::collections::BTreeMap;

use kenroku_types::Tenant;

/// Why a list of tenants is not a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantTreeError {
    /// A parent is missing from the list.
    #[error("tenant {0} names the parent {1}, which is not in the list; add it")]
    UnknownParent(Tenant, Tenant),
    /// Following the parents of a tenant never ends.
    #[error("tenant {0} lies in itself; correct its parent")]
    Cycle(Tenant),
}

/// The tenants of the installation. [`Tenant::SHARED`] is always there and belongs to nobody.
#[derive(Clone, Debug, Default)]
pub struct TenantTree {
    /// Each tenant with itself and everything above it, nearest first.
    above: BTreeMap<Tenant, Vec<Tenant>>,
}

impl TenantTree {
    /// From tenants with their parents (`None` for a prefecture).
    ///
    /// # Errors
    /// When a parent is not in the list, or the parents form a circle.
    pub fn new(list: impl IntoIterator<Item = (Tenant, Option<Tenant>)>) -> Result<Self, TenantTreeError> {
        let parents: BTreeMap<Tenant, Option<Tenant>> = list.into_iter().collect();
        let mut above = BTreeMap::new();
        for &tenant in parents.keys() {
            let mut chain = vec![tenant];
            let mut at = tenant;
            while let Some(Some(parent)) = parents.get(&at).copied() {
                if chain.contains(&parent) {
                    return Err(TenantTreeError::Cycle(tenant));
                }
                if !parents.contains_key(&parent) {
                    return Err(TenantTreeError::UnknownParent(at, parent));
                }
                chain.push(parent);
                at = parent;
            }
            above.insert(tenant, chain);
        }
        Ok(TenantTree { above })
    }

    /// The tenant itself, then everything it lies in. A tenant that is not listed lies in nothing.
    pub fn above(&self, tenant: Tenant) -> Vec<Tenant> {
        self.above.get(&tenant).cloned().unwrap_or_else(|| vec![tenant])
    }

    /// The tenant itself, then everything that lies in it: how far its staff can reach.
    pub fn within(&self, tenant: Tenant) -> Vec<Tenant> {
        let below = self.above.iter().filter(|(t, chain)| **t != tenant && chain.contains(&tenant));
        std::iter::once(tenant).chain(below.map(|(t, _)| *t)).collect()
    }

    /// Every tenant that is listed, and [`Tenant::SHARED`] first.
    pub fn all(&self) -> Vec<Tenant> {
        let listed = self.above.keys().copied().filter(|t| *t != Tenant::SHARED);
        std::iter::once(Tenant::SHARED).chain(listed).collect()
    }

    /// Whether `inner` is `outer` or lies in it.
    pub fn lies_in(&self, inner: Tenant, outer: Tenant) -> bool {
        inner == outer || self.above.get(&inner).is_some_and(|chain| chain.contains(&outer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kenroku_types::MuniCode;

    fn t(code: u32) -> Tenant {
        Tenant::of(MuniCode::new(code).unwrap())
    }

    #[test]
    fn a_prefecture_reaches_its_municipalities_and_not_the_other_way() {
        let (pref, nomi, kaga) = (t(17000), t(17211), t(17206));
        let tree = TenantTree::new([(pref, None), (nomi, Some(pref)), (kaga, Some(pref))]).unwrap();
        assert_eq!(tree.within(pref).len(), 3);
        assert_eq!(tree.within(pref)[0], pref);
        assert_eq!(tree.within(nomi), [nomi]);
        assert_eq!(tree.above(nomi), [nomi, pref]);
        assert!(tree.lies_in(nomi, pref) && !tree.lies_in(pref, nomi) && !tree.lies_in(nomi, kaga));
        assert_eq!(tree.within(Tenant::SHARED), [Tenant::SHARED]);
        assert!(!tree.lies_in(nomi, Tenant::SHARED));
    }

    #[test]
    fn refuses_circles_and_unknown_parents() {
        let (pref, nomi) = (t(17000), t(17211));
        assert_eq!(
            TenantTree::new([(nomi, Some(pref))]).unwrap_err(),
            TenantTreeError::UnknownParent(nomi, pref)
        );
        assert!(matches!(
            TenantTree::new([(nomi, Some(pref)), (pref, Some(nomi))]).unwrap_err(),
            TenantTreeError::Cycle(_)
        ));
    }
}
