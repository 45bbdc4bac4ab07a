//! What a scenario is played on: a network of its own, and the nodes in it.

use std::cell::RefCell;
use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Instant;

use peer_tests::processes::{Node, Options};

use crate::actor::Actor;
use crate::finding::Finding;
use crate::network::{Family, Home, Host, Network, PORT};
use crate::proxy::Weather;

/// A network, its nodes, and what they came to. Everything ends when it is dropped.
pub(crate) struct Stage {
    root: PathBuf,
    actors: RefCell<Vec<Rc<Actor>>>,
    helpers: RefCell<Vec<Child>>,
    notes: RefCell<Vec<String>>,
    // Last: the namespaces go when nothing runs in them any more.
    network: Network,
}

impl Stage {
    /// An empty network. Its namespaces have names that begin with `prefix`; data lives below `root`.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn new(prefix: String, root: PathBuf) -> Result<Self, Finding> {
        std::fs::create_dir_all(&root)
            .map_err(Finding::system("make a directory for the nodes"))?;
        Ok(Self {
            root,
            actors: RefCell::default(),
            helpers: RefCell::default(),
            notes: RefCell::default(),
            network: Network::new(prefix)?,
        })
    }

    /// The network.
    pub(crate) const fn network(&self) -> &Network {
        &self.network
    }

    /// Where the nodes' data lives.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everybody who takes part so far.
    pub(crate) fn actors(&self) -> Vec<Rc<Actor>> {
        self.actors.borrow().clone()
    }

    /// A node on a public host of its own.
    ///
    /// # Errors
    /// If the host or the node cannot be had.
    pub(crate) fn public(&self, name: &str, args: &[&str]) -> Result<Rc<Actor>, Finding> {
        self.start(self.network.public(name, Family::Both)?, args)
    }

    /// A node on a host of its own inside a home.
    ///
    /// # Errors
    /// If the host or the node cannot be had.
    pub(crate) fn inside(
        &self,
        home: &Home,
        name: &str,
        args: &[&str],
    ) -> Result<Rc<Actor>, Finding> {
        self.start(self.network.inside(home, name)?, args)
    }

    /// A node on `host`, named like it, that listens everywhere there over TCP and QUIC. Multicast and
    /// UPnP are off unless `args` turn them on.
    ///
    /// # Errors
    /// What it said if it does not come up.
    pub(crate) fn start(&self, host: Host, args: &[&str]) -> Result<Rc<Actor>, Finding> {
        let any = if host.v4().is_some() { "/ip4/0.0.0.0" } else { "/ip6/::" };
        let listen = vec![format!("{any}/tcp/{PORT}"), format!("{any}/udp/{PORT}/quic-v1")];
        self.start_listening(host, listen, args)
    }

    /// The same on addresses of the scenario's choice.
    ///
    /// # Errors
    /// What it said if it does not come up.
    pub(crate) fn start_listening(
        &self,
        host: Host,
        listen: Vec<String>,
        args: &[&str],
    ) -> Result<Rc<Actor>, Finding> {
        let mut options = Options::tcp(&self.root, host.name()).within(host.namespace().name());
        options.listen = listen;
        for arg in args {
            options = options.arg(arg);
        }
        let node = Node::start(options)
            .map_err(|said| Finding::Start { node: host.name().to_owned(), said })?;
        let actor = Rc::new(Actor::new(host, node)?);
        self.actors.borrow_mut().push(Rc::clone(&actor));
        Ok(actor)
    }

    /// Runs the relay of bad weather on `host`: what is sent to its port reaches `target`.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) fn relay(
        &self,
        host: &Host,
        target: &Host,
        weather: Weather,
    ) -> Result<(), Finding> {
        let at = |host: &Host| host.v4().map(|v4| format!("{v4}:{PORT}")).unwrap_or_default();
        let Weather { delay, jitter, loss, twice, seed } = weather;
        let weather = format!(
            "--delay {delay} --jitter {jitter} --loss {loss} --twice {twice} --seed {seed}"
        );
        self.note(format!("relay {weather}"));
        self.helper(host, &format!("relay {} {} {weather}", at(host), at(target))).map(drop)
    }

    /// Runs a hidden command of this program on `host`, for as long as the scenario takes.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn helper(&self, host: &Host, line: &str) -> Result<(), Finding> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.root.join(format!("{}.helper.log", host.name())))
            .map_err(Finding::system("open a log"))?;
        let child = inside(host, line)?.stdout(Stdio::null()).stderr(log).spawn();
        self.helpers.borrow_mut().push(child.map_err(Finding::system("start a helper"))?);
        Ok(())
    }

    /// Starts a hidden command of this program on `host`; [`ended`] waits for what it prints.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn begin(&self, host: &Host, line: &str) -> Result<Child, Finding> {
        let child = inside(host, line)?.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        child.map_err(Finding::system("start a helper"))
    }

    /// Writes down something that the table should tell.
    pub(crate) fn note(&self, text: impl Display) {
        self.notes.borrow_mut().push(text.to_string());
    }

    /// Does something, and writes down how long it took.
    ///
    /// # Errors
    /// What it returns.
    pub(crate) fn timed<T>(
        &self,
        what: &str,
        act: impl FnOnce() -> Result<T, Finding>,
    ) -> Result<T, Finding> {
        let begun = Instant::now();
        let done = act()?;
        self.note(format!("{what} {:.2} s", begun.elapsed().as_secs_f64()));
        Ok(done)
    }

    /// What was written down.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for helper in self.helpers.get_mut() {
            let _ = helper.kill();
            let _ = helper.wait();
        }
        self.actors.get_mut().clear();
    }
}

/// A command of this very program, on `host`.
fn inside(host: &Host, line: &str) -> Result<Command, Finding> {
    let own = std::env::current_exe().map_err(Finding::system("find this program"))?;
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host.namespace().name()]).arg(own);
    command.args(line.split_whitespace()).stdin(Stdio::null());
    Ok(command)
}

/// What a helper printed, once it has ended.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn ended(mut helper: Child) -> Result<String, Finding> {
    let mut printed = String::new();
    if let Some(mut stdout) = helper.stdout.take() {
        stdout.read_to_string(&mut printed).map_err(Finding::system("read from a helper"))?;
    }
    helper.wait().map_err(Finding::system("wait for a helper"))?;
    Ok(printed)
}
