//! [`Cover`]: which metres of a segment were worked, as a union of intervals.

/// Disjoint intervals along a segment, sorted, in metres along its geometry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cover(Vec<(f32, f32)>);

impl Cover {
    /// Nothing worked.
    pub const NONE: Cover = Cover(Vec::new());

    /// Adds the metres between `a` and `b`, in either order. What is not a number is left out.
    pub fn add(&mut self, a: f32, b: f32) {
        if !(a.is_finite() && b.is_finite()) {
            return;
        }
        let (mut from, mut to) = (a.min(b), a.max(b));
        let first = self.0.partition_point(|&(_, end)| end < from);
        let last = self.0.partition_point(|&(start, _)| start <= to);
        if first < last {
            from = from.min(self.0[first].0);
            to = to.max(self.0[last - 1].1);
        }
        self.0.splice(first..last, [(from, to)]);
    }

    /// Metres covered within a segment of this length.
    pub fn metres(&self, length_m: f32) -> f32 {
        self.0.iter().map(|&(a, b)| (b.min(length_m) - a.max(0.0)).max(0.0)).sum()
    }

    /// Share of the segment that is covered, 0–1. A segment without length is covered by anything.
    pub fn ratio(&self, length_m: f32) -> f32 {
        if length_m > 0.0 {
            (self.metres(length_m) / length_m).clamp(0.0, 1.0)
        } else {
            f32::from(u8::from(!self.0.is_empty()))
        }
    }

    /// Whether nothing was worked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(f32, f32)> for Cover {
    fn from_iter<I: IntoIterator<Item = (f32, f32)>>(parts: I) -> Self {
        let mut cover = Cover::NONE;
        for (a, b) in parts {
            cover.add(a, b);
        }
        cover
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlapping_parts_count_once() {
        let cover: Cover = [(0.0, 40.0), (90.0, 30.0), (95.0, 100.0)].into_iter().collect();
        assert_eq!(cover.metres(100.0), 95.0);
        assert_eq!(cover.ratio(100.0), 0.95);
        assert_eq!(Cover::NONE.ratio(100.0), 0.0);
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        let mut cover = Cover::NONE;
        cover.add(f32::NAN, 3.0);
        cover.add(0.0, f32::INFINITY);
        assert!(cover.is_empty());
    }

    fn parts() -> impl Strategy<Value = Vec<(u8, u8)>> {
        prop::collection::vec((0u8..100, 0u8..100), 0..12)
    }

    proptest! {
        #[test]
        fn equals_counting_metre_by_metre(parts in parts()) {
            let cover: Cover = parts.iter().map(|&(a, b)| (f32::from(a), f32::from(b))).collect();
            let worked = (0u8..100).filter(|m| parts.iter().any(|&(a, b)| a.min(b) <= *m && *m < a.max(b))).count();
            prop_assert_eq!(cover.metres(100.0), worked as f32);
            prop_assert!(cover.0.windows(2).all(|w| w[0].1 < w[1].0));
        }

        #[test]
        fn order_and_repetition_do_not_matter(parts in parts(), turn in 0usize..12) {
            let f = |&(a, b): &(u8, u8)| (f32::from(a), f32::from(b));
            let cover: Cover = parts.iter().map(f).collect();
            let mut other = parts.clone();
            other.reverse();
            if !other.is_empty() {
                let n = other.len();
                other.rotate_left(turn % n);
            }
            let again: Cover = other.iter().chain(&parts).map(f).collect();
            prop_assert_eq!(cover, again);
        }
    }
}
