//! What the disk can do at most.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Small writes in place that are synced one by one, a second.
pub(crate) fn syncs(dir: &Path, time: Duration) -> io::Result<f64> {
    let file = File::create(dir.join("syncs"))?;
    file.write_all_at(&vec![0; 1 << 20], 0)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        file.write_all_at(&[1; 4096], (count % 256) * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
