//! A node on a host, and the agent behind it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use peer_tests::processes::{Agent, CommandFailed, Node, eventually};
use serde_json::Value;

use crate::finding::{Finding, expect};
use crate::network::{Host, PORT};

/// Somebody who takes part in a scenario.
#[derive(Debug)]
pub(crate) struct Actor {
    host: Host,
    node: RefCell<Node>,
    agent: RefCell<Option<Agent>>,
    peer_id: String,
    port: Cell<u16>,
}

impl Actor {
    /// Somebody whose node runs already.
    ///
    /// # Errors
    /// If it does not tell its peer id.
    pub(crate) fn new(host: Host, node: Node) -> Result<Self, Finding> {
        let status = node.status().map_err(|failed| failure(&node, &["status"], failed))?;
        let peer_id = status["peer_id"].as_str().unwrap_or_default().to_owned();
        let (node, agent) = (RefCell::new(node), RefCell::new(None));
        Ok(Self { host, node, agent, peer_id, port: Cell::new(PORT) })
    }

    /// Its entity id, and its host's name.
    pub(crate) fn name(&self) -> &str {
        self.host.name()
    }

    /// Where it runs.
    pub(crate) const fn host(&self) -> &Host {
        &self.host
    }

    /// Its libp2p peer id.
    pub(crate) fn peer_id(&self) -> &str {
        &self.peer_id
    }

    /// Its TCP address as its host has it, complete with its peer id.
    pub(crate) fn address(&self) -> String {
        format!("{}/tcp/{}/p2p/{}", self.host.multiaddr(), self.port.get(), self.peer_id)
    }

    /// Its QUIC address.
    pub(crate) fn quic_address(&self) -> String {
        format!("{}/udp/{}/quic-v1/p2p/{}", self.host.multiaddr(), self.port.get(), self.peer_id)
    }

    /// Attaches an agent that answers every task with the output of `command`, in place of the one it had.
    ///
    /// # Errors
    /// Why it could not be attached.
    pub(crate) fn attach(&self, command: &str) -> Result<(), Finding> {
        self.agent.replace(None);
        let agent = Agent::attach(&self.node.borrow(), command).map_err(|said| Finding::Start {
            node: format!("the agent of {}", self.name()),
            said,
        })?;
        self.agent.replace(Some(agent));
        Ok(())
    }

    /// What its agents have heard so far, in order.
    pub(crate) fn heard(&self) -> Vec<Value> {
        self.agent.borrow().as_ref().map(Agent::heard).unwrap_or_default()
    }

    /// Runs a command against its node that may well fail.
    ///
    /// # Errors
    /// How it ended.
    pub(crate) fn try_run(&self, args: &[&str]) -> Result<Value, CommandFailed> {
        self.node.borrow().run(args)
    }

    /// Runs a command against its node.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Value, Finding> {
        self.try_run(args).map_err(|failed| failure(&self.node.borrow(), args, failed))
    }

    /// Dials `address` and opens a session.
    ///
    /// # Errors
    /// If that fails.
    pub(crate) fn connect(&self, address: &str) -> Result<(), Finding> {
        self.run(&["connect", address]).map(drop)
    }

    /// Says `text` to `to`, whose agent echoes it.
    ///
    /// # Errors
    /// If there is no answer within `within`, or another one.
    pub(crate) fn says(&self, to: &str, text: &str, within: Duration) -> Result<(), Finding> {
        let timeout = format!("{}ms", within.as_millis());
        let answer = self.run(&["talk", to, text, "--timeout", &timeout])?;
        let what = format!("{to} echoes {text:?}");
        expect(answer["content"]["text"] == text, &what, || answer["content"].to_string())
    }

    /// Says `text` again and again until `to` answers; returns how long that took.
    ///
    /// # Errors
    /// If there is no answer within `within`.
    pub(crate) fn reaches(&self, to: &str, within: Duration) -> Result<Duration, Finding> {
        let begun = Instant::now();
        let told = || self.says(to, "are you there?", Duration::from_secs(2)).is_ok();
        if eventually(within, told) {
            Ok(begun.elapsed())
        } else {
            let what = format!("{} reaches {to}", self.name());
            Err(Finding::Late { what, within })
        }
    }

    /// By which kind of path it reaches `to`, as `peer ping` names it: `direct`, `hole-punched`,
    /// `relayed` or `hops`.
    ///
    /// # Errors
    /// If it does not reach it.
    pub(crate) fn path(&self, to: &str) -> Result<String, Finding> {
        let pinged = self.run(&["ping", to, "--count", "1", "--timeout", "5s"])?;
        Ok(pinged["pings"][0]["path"]["kind"].as_str().unwrap_or_default().to_owned())
    }

    /// The id of its session with `entity`, if one is ready.
    pub(crate) fn session(&self, entity: &str) -> Option<String> {
        let session = self.node.borrow().session(entity)?;
        session["id"].as_str().map(str::to_owned)
    }

    /// Everything its node has logged.
    pub(crate) fn log(&self) -> String {
        self.node.borrow().log()
    }

    /// Kills its node with SIGKILL.
    pub(crate) fn kill(&self) {
        self.node.borrow_mut().kill();
    }

    /// Starts its node again, on the disk it had.
    ///
    /// # Errors
    /// What it said if it does not come up.
    pub(crate) fn restart(&self) -> Result<(), Finding> {
        let restarted = self.node.borrow_mut().restart();
        restarted.map_err(|said| Finding::Start { node: self.name().to_owned(), said })
    }

    /// From the next start on it listens on another port.
    pub(crate) fn change_port(&self, port: u16) {
        let old = format!("/{}", self.port.replace(port));
        let new = format!("/{port}");
        let mut node = self.node.borrow_mut();
        for address in &mut node.options_mut().listen {
            *address = address.replace(&old, &new);
        }
    }
}

fn failure(node: &Node, args: &[&str], failed: CommandFailed) -> Finding {
    Finding::Command { node: node.entity().to_owned(), command: args.join(" "), failed }
}
