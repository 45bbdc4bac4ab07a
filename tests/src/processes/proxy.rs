//! A TCP line between two nodes that can be cut, and that counts what it carries.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Carries connections to one address until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    open: Mutex<Vec<TcpStream>>,
    /// Bytes from whoever dialled.
    there: AtomicU64,
    closed: std::sync::atomic::AtomicBool,
}

impl Proxy {
    /// A line to `target`, on a port of 127.0.0.1 that the system chooses.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target,
            open: Mutex::default(),
            there: AtomicU64::new(0),
            closed: std::sync::atomic::AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.closed.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    // Whoever cannot be reached now is dialled again.
                    let _ = accepting.carry(stream);
                }
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts every connection; new ones are carried again.
    pub fn cut(&self) {
        for stream in self.shared.open().drain(..) {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Bytes that went from whoever dialled.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.shared.there.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.cut();
        // The accepting thread waits for one more.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(self: &Arc<Self>, near: TcpStream) -> std::io::Result<()> {
        let far = TcpStream::connect(self.target)?;
        self.open().extend([near.try_clone()?, far.try_clone()?]);
        let (there, back) = ((near.try_clone()?, far.try_clone()?), (far, near));
        let counting = Arc::clone(self);
        std::thread::spawn(move || {
            copy(there, |len| {
                counting.there.fetch_add(len as u64, Ordering::Relaxed);
            });
        });
        std::thread::spawn(move || copy(back, |_| {}));
        Ok(())
    }
}

fn copy((mut from, mut to): (TcpStream, TcpStream), count: impl Fn(usize)) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(len) if len > 0 && to.write_all(&buffer[..len]).is_ok() => count(len),
            _ => break,
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
