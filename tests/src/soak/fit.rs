//! Whether a level grows with time, whatever single readings say.

/// A reading: seconds, and what was read then.
pub(super) type Point = (f64, f64);

/// The Theil–Sen slope in units an hour: the median of the slopes of all pairs. Up to 29 of 100 readings may
/// be anything. 0 with fewer than two.
pub(super) fn slope(points: &[Point]) -> f64 {
    let mut slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(at, (x, y))| points.iter().skip(at + 1).map(move |(u, v)| (u - x, v - y)))
        .filter(|(time, _)| *time > 0.0)
        .map(|(time, change)| change / time * 3600.0)
        .collect();
    median(&mut slopes)
}

/// The medians of `parts` stretches of equal length.
pub(super) fn windows(points: &[Point], parts: usize) -> Vec<f64> {
    let len = points.len().div_ceil(parts).max(1);
    points
        .chunks(len)
        .map(|part| median(&mut part.iter().map(|(_, value)| *value).collect::<Vec<_>>()))
        .collect()
}

/// 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values {
        [] => 0.0,
        values if values.len() % 2 == 1 => values[values.len() / 2],
        values => f64::midpoint(values[values.len() / 2 - 1], values[values.len() / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_found_below_noise_and_outliers() {
        let noise = |at: u32| f64::from(at.wrapping_mul(2_654_435_761) >> 24) - 128.0;
        let mut points: Vec<_> =
            (0..500).map(|at| (f64::from(at) * 10.0, f64::from(at) + noise(at))).collect();
        for at in [3, 90, 91, 92, 333, 499] {
            points[at].1 += 1e6;
        }
        let slope = slope(&points);
        assert!((340.0..380.0).contains(&slope), "{slope} instead of 360 an hour");
        assert_eq!(super::slope(&[]), 0.0);
        assert_eq!(super::slope(&[(1.0, 5.0)]), 0.0);
    }

    #[test]
    fn windows_are_medians() {
        let points: Vec<_> = (0..9).map(|at| (f64::from(at), f64::from(at))).collect();
        assert_eq!(windows(&points, 3), [1.0, 4.0, 7.0]);
        assert_eq!(windows(&[], 3), Vec::<f64>::new());
    }
}
