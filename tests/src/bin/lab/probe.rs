//! Small UDP programs that show what a network does, with no node involved. They run as processes of
//! their own inside namespaces (`lab mirror`, `lab probe`).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Tells everybody who sends a datagram from which address it came, until the process is killed.
///
/// # Errors
/// If the address cannot be had.
pub(crate) fn mirror(listen: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(listen)?;
    let mut buffer = [0; 64];
    loop {
        if let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(from.to_string().as_bytes(), from);
        }
    }
}

/// What to ask for.
#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    /// The socket's own address
    pub(crate) from: SocketAddr,
    /// Whom to send to; each answer's text is printed, and `-` where none comes
    #[arg(required = true)]
    pub(crate) to: Vec<SocketAddr>,
    /// How long to go on sending to each, in milliseconds
    #[arg(long, default_value_t = 1000)]
    pub(crate) patience: u64,
}

impl Probe {
    /// Asks, from one and the same socket, and returns a line for each answer.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub(crate) fn run(&self) -> io::Result<String> {
        let socket = UdpSocket::bind(self.from)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let answers: Vec<String> = self.to.iter().map(|to| self.ask(&socket, *to)).collect();
        Ok(answers.join("\n"))
    }

    /// Sends until something comes from there. What comes is answered once, so that two probes that
    /// send to each other both hear something.
    fn ask(&self, socket: &UdpSocket, to: SocketAddr) -> String {
        let end = Instant::now() + Duration::from_millis(self.patience);
        let mut buffer = [0; 64];
        while Instant::now() < end {
            let _ = socket.send_to(b"who am I?", to);
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) if from == to => {
                    let _ = socket.send_to(b"heard you", to);
                    return String::from_utf8_lossy(&buffer[..len]).into_owned();
                }
                Ok(_) | Err(_) => {}
            }
        }
        "-".to_owned()
    }
}
