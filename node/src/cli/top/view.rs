//! The state as a person sees it: on a screen, or as plain text.

use peer_protocol::identity::EntityId;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, Tabs};

use super::super::text::{micros, printable, short, size, span, table};
use super::screen::{Screen, Tab};
use super::snapshot::{PeerLine, Snapshot};
use crate::model::{SessionLine, TransferStatus};

/// A table: its header, its rows, and what is said if there are none.
struct Lines {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    empty: &'static str,
}

impl Lines {
    fn of(tab: Tab, snapshot: &Snapshot) -> Self {
        match tab {
            Tab::Peers => peers(snapshot),
            Tab::Sessions => sessions(snapshot),
            Tab::Queues => queues(snapshot),
            Tab::Transfers => transfers(snapshot),
            Tab::Limits => limits(snapshot),
        }
    }
}

/// All of it as plain text.
pub(super) fn plain(snapshot: &Snapshot) -> String {
    let mut text = format!("{}\n", title(snapshot));
    for tab in Tab::ALL {
        let Lines { header, rows, empty } = Lines::of(tab, snapshot);
        let lines = if rows.is_empty() { format!("{empty}\n") } else { table(&header, rows) };
        text.push_str(&format!("\n{}\n{}\n", tab.title(), lines.trim_end()));
    }
    text
}

/// Draws the screen.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &mut Screen) {
    let rows =
        [Constraint::Length(1), Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)];
    let [top, tabs, middle, bottom] = Layout::vertical(rows).areas(frame.area());
    let paint = Paint(screen.color);
    frame.render_widget(Line::styled(title(screen.snapshot()), paint.strong()), top);
    let current = Tab::ALL.iter().position(|tab| *tab == screen.tab);
    let titles = Tab::ALL.map(Tab::title);
    let bar = Tabs::new(titles).select(current).highlight_style(paint.chosen()).divider(" ");
    frame.render_widget(bar, tabs);
    let Lines { header, rows, empty } = Lines::of(screen.tab, screen.snapshot());
    if rows.is_empty() {
        frame.render_widget(Paragraph::new(empty), middle);
    } else {
        let table = drawn(&header, &rows, paint);
        frame.render_stateful_widget(table, middle, &mut screen.table);
    }
    let footer = match &screen.trouble {
        Some(trouble) => Line::styled(printable(trouble), paint.bad()),
        None => Line::from("Tab: next view  \u{2191}\u{2193}: move  ?: keys  q: quit"),
    };
    frame.render_widget(footer, bottom);
    if screen.help {
        help(frame, paint);
    }
}

fn drawn<'a>(header: &[&'static str], rows: &[Vec<String>], paint: Paint) -> Table<'a> {
    let widths = (0..header.len()).map(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let titles = header.get(column).map_or(0, |title| title.len());
        let width = cells.max().unwrap_or_default().max(titles);
        Constraint::Max(u16::try_from(width).unwrap_or(u16::MAX))
    });
    let row = |row: &Vec<String>| {
        let cell = |text: &String| Cell::from(Span::styled(printable(text), paint.word(text)));
        Row::new(row.iter().map(cell).collect::<Vec<_>>())
    };
    Table::new(rows.iter().map(row).collect::<Vec<_>>(), widths.collect::<Vec<_>>())
        .header(Row::new(header.to_vec()).style(paint.strong()))
        .column_spacing(2)
        .row_highlight_style(paint.chosen())
}

/// Everything without which the screen would say nothing.
fn title(snapshot: &Snapshot) -> String {
    let node = &snapshot.node;
    let memory = snapshot.memory.map(|bytes| format!("  memory {}", size(bytes as u64)));
    let cpu = snapshot.cpu_share.map(|share| format!("  cpu {:.0} %", share * 100.0));
    format!(
        "{}  up {}  {} connected  {} with a session  {} agents{}{}",
        printable(node.entity.as_str()),
        span(node.uptime_ms),
        node.connected,
        node.sessions,
        node.agents,
        memory.unwrap_or_default(),
        cpu.unwrap_or_default()
    )
}

fn peers(snapshot: &Snapshot) -> Lines {
    let header = vec!["PEER", "STATE", "PATH", "RTT", "IN/s", "OUT/s", "QUEUED"];
    let row = |line: &PeerLine| {
        let PeerLine { peer, rates, .. } = line;
        let state = match (&peer.session, peer.connected) {
            (Some(session), _) => session.state.clone(),
            (None, true) => "no session".to_owned(),
            (None, false) => "away".to_owned(),
        };
        let rate = |of: fn(&super::snapshot::Rates) -> f64| {
            rates.as_ref().map_or_else(|| "-".to_owned(), |rates| size(of(rates) as u64))
        };
        vec![
            named(peer.entity.as_ref(), &peer.peer_id),
            state,
            peer.path.as_ref().map_or("-", |path| path.kind.as_str()).to_owned(),
            peer.rtt_us.map_or_else(|| "-".to_owned(), micros),
            rate(|rates| rates.bytes_in),
            rate(|rates| rates.bytes_out),
            peer.queued.to_string(),
        ]
    };
    let rows = snapshot.peers.iter().map(row).collect();
    Lines { header, rows, empty: "no peers" }
}

fn sessions(snapshot: &Snapshot) -> Lines {
    let header = vec!["PEER", "SESSION", "STATE", "SUITE", "AGE", "IN", "OUT", "UNSETTLED"];
    let row = |line: &SessionLine| {
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { short(text) };
        vec![
            named(line.entity.as_ref(), &line.peer_id),
            or_none(&line.session.id),
            line.session.state.clone(),
            line.session.suite.clone(),
            span(line.age_ms),
            format!("{} ({})", line.traffic.messages_received, size(line.traffic.bytes_received)),
            format!("{} ({})", line.traffic.messages_sent, size(line.traffic.bytes_sent)),
            line.unsettled.to_string(),
        ]
    };
    let rows = snapshot.sessions.iter().map(row).collect();
    Lines { header, rows, empty: "no sessions" }
}

fn queues(snapshot: &Snapshot) -> Lines {
    let (node, queues) = (&snapshot.node, &snapshot.queues);
    let depth = |what: &str, messages: u64, bytes: u64| {
        vec![what.to_owned(), messages.to_string(), size(bytes)]
    };
    let count = |what: &str, count: f64| vec![what.to_owned(), format!("{count}"), String::new()];
    let millis = |what: &str, seconds: Option<f64>| {
        let time = seconds.map_or_else(|| "-".to_owned(), |s| format!("{:.2} ms", s * 1e3));
        vec![what.to_owned(), time, String::new()]
    };
    let rows = vec![
        depth("outbox, not settled", node.outbox.messages, node.outbox.bytes),
        depth("inbox, not taken", node.inbox.messages, node.inbox.bytes),
        count("in memory, fate unknown", queues.unsettled),
        count("sent again", queues.retransmitted),
        count("slowed down by peers", queues.paced),
        count("kept for others", queues.mailbox_items),
        count("in others' mailboxes", queues.mailbox_lying),
        count("commits", queues.commits),
        count("commits failed", queues.commits_failed),
        millis("a commit", queues.commit_s),
        millis("event loop late by", queues.lag_s),
    ];
    Lines { header: vec!["QUEUE", "NOW", "BYTES"], rows, empty: "" }
}

fn transfers(snapshot: &Snapshot) -> Lines {
    let header = vec!["TRANSFER", "PEER", "STATE", "DONE", "SIZE", "RATE", "NAME"];
    let row = |transfer: &TransferStatus| {
        let percent = match transfer.size {
            0 => 100,
            size => u128::from(transfer.done) * 100 / u128::from(size),
        };
        vec![
            format!("{} {}", short(&transfer.id), transfer.direction.as_str()),
            named(Some(&transfer.peer), &transfer.peer_id),
            transfer.state.as_str().to_owned(),
            format!("{percent} %"),
            size(transfer.size),
            format!("{}/s", size(transfer.rate)),
            transfer.name.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    // The newest first, those under way before all.
    let mut all: Vec<_> = snapshot.transfers.iter().rev().collect();
    all.sort_by_key(|transfer| transfer.state.is_over());
    Lines { header, rows: all.into_iter().map(row).collect(), empty: "no transfers" }
}

fn limits(snapshot: &Snapshot) -> Lines {
    let row = |(class, count): (&String, &u64)| {
        let rate = snapshot.rate_limited_per_s.get(class);
        let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        vec![class.clone(), count.to_string(), rate]
    };
    let rows = snapshot.rate_limited.iter().map(row).collect();
    Lines { header: vec!["CLASS", "REFUSED", "PER SECOND"], rows, empty: "the node tells none" }
}

fn named(entity: Option<&EntityId>, peer_id: &str) -> String {
    entity.map_or_else(|| peer_id.to_owned(), ToString::to_string)
}

fn help(frame: &mut Frame<'_>, paint: Paint) {
    const KEYS: [&str; 6] = [
        "Tab, right     next view",
        "Shift-Tab, left  the one before",
        "up, down, j, k  move",
        "Page, Home, End  move further",
        "?              these keys",
        "q, Esc, Ctrl-C  quit",
    ];
    let area = frame.area();
    let (width, height) = (40.min(area.width), 8.min(area.height));
    let left = area.x + (area.width - width) / 2;
    let above = area.y + (area.height - height) / 2;
    let place = Rect::new(left, above, width, height);
    frame.render_widget(Clear, place);
    let lines: Vec<_> = KEYS.into_iter().map(Line::from).collect();
    let block = Block::bordered().title("Keys").title_style(paint.strong());
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

/// Styles; colours only where they are wanted.
#[derive(Debug, Clone, Copy)]
struct Paint(bool);

impl Paint {
    const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    const fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    const fn colored(self, color: Color) -> Style {
        if self.0 { Style::new().fg(color) } else { Style::new() }
    }

    const fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// States are told apart at a glance.
    fn word(self, word: &str) -> Style {
        match word {
            "READY" | "ACTIVE" | "complete" => self.colored(Color::Green),
            "ERROR" | "failed" => self.colored(Color::Red),
            "EXPIRED" | "CLOSED" | "away" | "no session" | "cancelled" => {
                self.colored(Color::Yellow)
            }
            _ => Style::new(),
        }
    }
}
