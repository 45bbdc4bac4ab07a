//! The table.

use crate::operation::Operation;

/// Prints what each took: in Rust alone, with AWS-LC, and how many times as fast that is.
pub(crate) fn print<'a>(rows: impl Iterator<Item = (&'a Operation, [Vec<f64>; 2])>) {
    println!("{:30} {:>26} {:>26} {:>7}", "", "Rust alone", "AWS-LC", "ratio");
    for (operation, [pure, fast]) in rows {
        let name = &operation.name;
        let rust = cell(operation, pure.clone());
        if operation.is_shared {
            println!("{name:30} {rust:>26} {:>26} {:>7}", "the same", "");
        } else {
            let ratio = median(pure) / median(fast.clone());
            println!("{name:30} {rust:>26} {:>26} {ratio:7.2}", cell(operation, fast));
        }
    }
}

fn cell(operation: &Operation, times: Vec<f64>) -> String {
    let of = |nanoseconds: f64| match operation.bytes {
        0 => nanoseconds / 1e3,
        bytes => bytes as f64 / f64::from(1 << 20) / (nanoseconds / 1e9),
    };
    let mut numbers: Vec<_> = times.into_iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    let (least, most) = (numbers.first(), numbers.last());
    let (least, most) = (least.copied().unwrap_or(0.0), most.copied().unwrap_or(0.0));
    let middle = median(numbers);
    if operation.bytes == 0 {
        format!("{middle:.1} µs ({least:.1}–{most:.1})")
    } else {
        format!("{middle:.0} MiB/s ({least:.0}–{most:.0})")
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
