//! [`Drive`]: where a plough is and what its device reports, second by second.

use std::time::Duration;

use kenroku_roads::geo::{Frame, Point, distance_m};
use kenroku_types::{Rng, Timestamp};

/// What a device reports, and what was true.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// Where the receiver believed to be.
    pub point: Point,
    /// Where it was.
    pub truth: Point,
    /// Metres a second.
    pub speed_mps: f64,
    /// Degrees clockwise from north.
    pub heading_deg: f64,
    /// The blade, where the vehicle has a switch.
    pub work: Option<bool>,
    /// Sent twice.
    pub twice: bool,
    /// Sent with the reports after it, or the ones after those.
    pub late: bool,
}

/// One plough's drive, without end: an iterator over its reports.
#[derive(Debug)]
pub struct Drive {
    points: Vec<Point>,
    /// Index of the piece driven on, and metres along it.
    piece: usize,
    along: f64,
    at: Timestamp,
    interval: u32,
    /// Usual speed, m/s.
    cruise: f64,
    /// Seconds of standing that are left.
    standing: u32,
    /// Whether it has a work switch.
    switch: bool,
    rng: Rng,
}

impl Drive {
    /// A drive along `tour` that begins at `start`.
    pub fn new(tour: &[Point], start: Timestamp, interval_s: u32, rng: Rng) -> Self {
        let cruise = (12.0 + 11.0 * rng.unit()) / 3.6;
        let switch = rng.below(2) == 0;
        let mut points = tour.to_vec();
        points.dedup();
        Drive {
            points,
            piece: 0,
            along: 0.0,
            at: start,
            interval: interval_s.max(1),
            cruise,
            standing: 0,
            switch,
            rng,
        }
    }

    /// Drives for one second; the speed.
    fn second(&mut self) -> f64 {
        if self.standing > 0 {
            self.standing -= 1;
            return 0.0;
        }
        // A car in the way, a manhole, a chat at the kerb.
        if self.rng.below(400) == 0 {
            self.standing = 5 + self.rng.below(40) as u32;
        }
        let speed = (self.cruise * (0.8 + 0.4 * self.rng.unit())).clamp(5.0 / 3.6, 25.0 / 3.6);
        self.along += speed;
        while let (Some(a), Some(b)) = (self.points.get(self.piece), self.points.get(self.piece + 1)) {
            let length = distance_m(*a, *b);
            if self.along < length {
                break;
            }
            self.along -= length;
            self.piece += 1;
            if self.piece + 1 >= self.points.len() {
                // A tour ends where it began.
                self.piece = 0;
            }
        }
        speed
    }

    fn truth(&self) -> (Point, f64) {
        let (Some(a), Some(b)) = (self.points.get(self.piece), self.points.get(self.piece + 1)) else {
            return (self.points.first().copied().unwrap_or_default(), 0.0);
        };
        let frame = Frame::at(*a);
        let [x, y] = frame.xy(*b);
        let length = x.hypot(y).max(0.1);
        let place = frame.point([x * self.along / length, y * self.along / length]);
        (place, x.atan2(y).to_degrees().rem_euclid(360.0))
    }

    /// Receiver noise: mostly a few metres, now and then many (the errors of real receivers have heavy tails).
    fn noisy(&self, p: Point) -> Point {
        let bell = || (0..6).map(|_| self.rng.unit()).sum::<f64>() - 3.0;
        let scale = match self.rng.below(100) {
            0 => 12.0,
            1..8 => 6.0,
            _ => 2.5,
        };
        Frame::at(p).point([bell() * scale, bell() * scale])
    }
}

impl Iterator for Drive {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        if self.points.len() < 2 {
            return None;
        }
        // A tunnel, a dead spot: nothing is measured for up to a minute and a half.
        let silence = if self.rng.below(250) == 0 { self.rng.below(9) as u32 + 1 } else { 1 };
        let mut speed = 0.0;
        for _ in 0..self.interval * silence {
            speed = self.second();
        }
        self.at = self.at.plus(Duration::from_secs(u64::from(self.interval * silence)));
        let (truth, heading_deg) = self.truth();
        Some(Report {
            at: self.at,
            point: self.noisy(truth),
            truth,
            speed_mps: speed,
            heading_deg,
            work: self.switch.then_some(true),
            twice: self.rng.below(100) == 0,
            late: self.rng.below(100) == 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Vec<Point> {
        let p = |x: f64, y: f64| Point::from_degrees(136.5 + x * 0.01, 36.44 + y * 0.01).unwrap();
        vec![p(0.0, 0.0), p(1.0, 0.0), p(1.0, 1.0), p(0.0, 1.0), p(0.0, 0.0)]
    }

    fn drive(seed: u64) -> Vec<Report> {
        Drive::new(&square(), Timestamp::from_secs(1_768_350_600), 10, Rng::seeded(seed)).take(2000).collect()
    }

    #[test]
    fn the_same_seed_drives_the_same_way() {
        assert_eq!(drive(3), drive(3));
        assert_ne!(drive(3), drive(4));
    }

    #[test]
    fn a_plough_is_slow_and_mostly_near_its_road() {
        let all = drive(5);
        assert!(all.windows(2).all(|w| {
            let secs = w[1].at.since(w[0].at) as f64 / 1e6;
            w[1].at > w[0].at && distance_m(w[0].truth, w[1].truth) <= 25.0 / 3.6 * secs + 1.0
        }));
        let mut off: Vec<f64> = all.iter().map(|r| distance_m(r.point, r.truth)).collect();
        off.sort_by(f64::total_cmp);
        assert!(
            off[1000] < 5.0 && off[1999] > 10.0 && off[1999] < 80.0,
            "median {}, worst {}",
            off[1000],
            off[1999]
        );
        assert!(
            all.iter().any(|r| r.speed_mps == 0.0)
                && all.iter().any(|r| r.late)
                && all.iter().any(|r| r.twice)
        );
    }

    #[test]
    fn a_tour_of_one_point_goes_nowhere() {
        assert_eq!(Drive::new(&square()[..1], Timestamp::EPOCH, 10, Rng::seeded(1)).next(), None);
    }
}
