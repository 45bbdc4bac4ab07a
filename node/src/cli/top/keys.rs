//! Keys, read by a thread: the terminal has no other way to wait for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::sync::mpsc;

use super::screen::Press;

/// How soon the thread notices that nobody listens any more.
const PATIENCE: Duration = Duration::from_millis(100);

/// What is pressed, until this is dropped.
pub(super) struct Keys {
    pressed: mpsc::Receiver<Press>,
    over: Arc<AtomicBool>,
}

impl Keys {
    pub(super) fn start() -> io::Result<Self> {
        let (sender, pressed) = mpsc::channel(16);
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let press = match event::poll(PATIENCE) {
                    Ok(false) => continue,
                    Ok(true) => event::read().map(|event| press(&event)),
                    Err(error) => Err(error),
                };
                match press {
                    Ok(Some(press)) if sender.blocking_send(press).is_ok() => {}
                    Ok(None) => {}
                    // Without a terminal there is nobody to look.
                    _ => return,
                }
            }
        })?;
        Ok(Self { pressed, over })
    }

    /// The next key; none once the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Press> {
        self.pressed.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn press(event: &Event) -> Option<Press> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Press::of(*key),
        Event::Resize(..) => Some(Press::Redraw),
        _ => None,
    }
}
