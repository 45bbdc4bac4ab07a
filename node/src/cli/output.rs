//! All that a command prints goes through here.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use super::error::CliError;
use super::text::{inset, printable};
use crate::model::Failure;

const RED: &str = "\x1b[1;31m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Standard output and standard error, or what stands in for them.
pub(crate) struct Output {
    json: bool,
    terminal: bool,
    /// For text: strips styles where nobody sees them.
    text: Box<dyn Write + Send>,
    /// For bytes, which pass as they are.
    raw: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: &'a Failure,
}

impl Output {
    /// The process's own.
    pub(super) fn standard(json: bool) -> Self {
        Self {
            json,
            terminal: io::stdout().is_terminal(),
            text: Box::new(anstream::stdout()),
            raw: Box::new(io::stdout()),
            notes: Box::new(anstream::stderr()),
        }
    }

    /// Shows a result: as one JSON document, or as text for people.
    pub(super) fn show<T: Serialize>(
        &mut self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        if self.json {
            return self.document(value);
        }
        self.line(&human(value))
    }

    /// Whether results are JSON documents.
    pub(super) const fn json(&self) -> bool {
        self.json
    }

    /// Prints one JSON document on a line of its own.
    pub(super) fn document<T: Serialize>(&mut self, value: &T) -> Result<(), CliError> {
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        self.line(&text)
    }

    /// Prints a line of text.
    pub(super) fn line(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.text, "{}", text.trim_end_matches('\n'))?;
        Ok(self.text.flush()?)
    }

    /// Prints content that a peer chose: to a terminal without anything that could control it, to a
    /// file or a pipe exactly as it is.
    pub(super) fn content(&mut self, bytes: &[u8], media_type: &str) -> Result<(), CliError> {
        if !self.terminal {
            self.raw.write_all(bytes)?;
            return Ok(self.raw.flush()?);
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => self.line(&printable(text)),
            Err(_) => {
                let len = bytes.len();
                let media_type = printable(media_type);
                self.note(&format!(
                    "{len} bytes of {media_type}; redirect the output to keep them"
                ));
                Ok(())
            }
        }
    }

    /// Tells something on the side, on standard error.
    pub(super) fn note(&mut self, text: &str) {
        // Whoever closed standard error does not want to know.
        let _ = writeln!(self.notes, "{text}");
    }

    /// Tells a failure: as a JSON document on standard output, or on standard error.
    pub(super) fn failure(&mut self, failure: &Failure) {
        if self.json {
            let _ = self.document(&Failed { error: failure });
        } else {
            let (detail, next) = (inset(&failure.detail, 2), inset(&failure.next, 2));
            self.note(&format!("{RED}error:{PLAIN} {detail}\n{BOLD}next:{PLAIN} {next}"));
        }
    }
}

#[cfg(test)]
pub(super) mod captured {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(in crate::cli) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(in crate::cli) fn take(&self) -> Vec<u8> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that keeps all: the output itself, its standard output, its standard error.
    pub(in crate::cli) fn output(json: bool, terminal: bool) -> (Output, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let output = Output {
            json,
            terminal,
            text: Box::new(anstream::StripStream::new(
                Box::new(out.clone()) as Box<dyn Write + Send>
            )),
            raw: Box::new(out.clone()),
            notes: Box::new(anstream::StripStream::new(
                Box::new(err.clone()) as Box<dyn Write + Send>
            )),
        };
        (output, out, err)
    }

    /// A pipe that nobody reads.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An output that nobody reads.
    pub(in crate::cli) fn broken_pipe() -> Output {
        let broken = || Box::new(Broken) as Box<dyn Write + Send>;
        Output { json: false, terminal: false, text: broken(), raw: broken(), notes: broken() }
    }
}
