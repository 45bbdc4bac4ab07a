//! Ctrl-C, SIGTERM, a terminal that closes: nothing stays behind then either.

use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::{clean, network, report};

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

static STOPPING: AtomicBool = AtomicBool::new(false);

/// Returns at once, unless a signal is about to end the process: then never, so that what is being
/// removed is not made again and nothing is reported of a network that is gone.
pub(crate) fn pass() {
    while STOPPING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// From now on a signal removes everything of this run and ends the process.
pub(crate) fn watch() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        let caught = runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt()).ok()?;
            let mut terminate = signal(SignalKind::terminate()).ok()?;
            let mut hangup = signal(SignalKind::hangup()).ok()?;
            tokio::select! {
                caught = interrupt.recv() => caught,
                caught = terminate.recv() => caught,
                caught = hangup.recv() => caught,
            }
        });
        if caught.is_some() {
            STOPPING.store(true, Ordering::SeqCst);
            report::note("stopping: removing all namespaces");
            let _no_more = network::make_no_more();
            let run = std::process::id();
            clean::namespaces_of(run);
            let _ = std::fs::remove_dir_all(clean::root(run));
            exit(INTERRUPTED);
        }
    });
}
