//! What `peer top` draws, on a terminal in memory.

use std::collections::BTreeMap;

use peer_protocol::time::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::Client;
use super::screen::{Press, Screen, Tab};
use super::snapshot::{Parts, Rates, Snapshot};
use super::view;
use crate::api::Server;
use crate::api::fake::Fake;
use crate::metrics::Sample;
use crate::model::Traffic;
use crate::paths::DataDir;

/// What the fake node says, with measurements.
async fn parts() -> Parts {
    let temp = tempfile::tempdir().unwrap();
    let (handle, _fake) = Fake::start();
    let data = DataDir::resolve(Some(temp.path().to_owned())).unwrap();
    let _server = Server::start(&data.socket(), handle).await.unwrap();
    let client = Client::new(&data);
    Parts {
        node: client.status().await.unwrap(),
        peers: client.peers().await.unwrap(),
        sessions: client.sessions().await.unwrap(),
        transfers: client.transfers().await.unwrap(),
        samples: vec![
            sample("peer_rate_limited_total", Some(("class", "task")), 7.0),
            sample("process_resident_memory_bytes", None, 1_048_576.0),
            sample("process_cpu_seconds_total", None, 2.0),
            sample("peer_messages_retransmitted_total", None, 42.0),
        ],
    }
}

fn sample(name: &str, label: Option<(&str, &str)>, value: f64) -> Sample {
    let labels: BTreeMap<_, _> =
        label.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Sample { name: name.to_owned(), labels, value }
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, screen)).unwrap();
    terminal
}

fn text(terminal: &Terminal<TestBackend>) -> String {
    terminal.backend().to_string()
}

#[tokio::test]
async fn each_view_shows_its_part() {
    let snapshot = Snapshot::of(parts().await, Timestamp::from_millis(1_000), None);
    let mut screen = Screen::new(snapshot, true);
    let views: [(Tab, &[&str]); 5] = [
        (Tab::Peers, &["PEER", "RTT", "entity_b", "READY", "direct", "1.5 ms"]),
        (Tab::Sessions, &["SUITE", "AES-256-GCM", "3 (99 B)", "1 s"]),
        (Tab::Queues, &["outbox, not settled", "sent again", "42"]),
        (Tab::Transfers, &["TRANSFER", "NAME"]),
        (Tab::Limits, &["CLASS", "REFUSED", "task", "7"]),
    ];
    for (tab, parts) in views {
        assert_eq!(screen.tab, tab);
        let shown = text(&drawn(&mut screen, 120, 20));
        for part in [&["memory 1.0 MiB", "q: quit"], parts].concat() {
            assert!(shown.contains(part), "{part:?} in\n{shown}");
        }
        assert!(!shown.contains('\u{1b}'), "what peers say controls nothing");
        assert!(screen.press(Press::Next));
    }
    assert_eq!(screen.tab, Tab::Peers, "after the last comes the first");
    screen.press(Press::Previous);
    assert_eq!(screen.tab, Tab::Limits);
}

#[tokio::test]
async fn keys_move_and_help_and_quit() {
    let snapshot = Snapshot::of(parts().await, Timestamp::from_millis(1_000), None);
    let peers = snapshot.peers.len();
    assert!(peers > 1);
    let mut screen = Screen::new(snapshot, true);
    let key = |code| Press::of(KeyEvent::new(code, KeyModifiers::NONE)).unwrap();
    assert!(screen.press(key(KeyCode::Down)));
    drawn(&mut screen, 80, 20);
    assert_eq!(screen.table.selected(), Some(1));
    screen.press(key(KeyCode::End));
    drawn(&mut screen, 80, 20);
    assert_eq!(screen.table.selected(), Some(peers - 1), "no further than the last");
    screen.press(key(KeyCode::Home));
    screen.press(key(KeyCode::Up));
    assert_eq!(screen.table.selected(), Some(0));

    screen.press(key(KeyCode::Char('?')));
    assert!(text(&drawn(&mut screen, 80, 20)).contains("Shift-Tab, left"));
    assert!(screen.press(key(KeyCode::Esc)), "it closes the help first");
    assert!(!text(&drawn(&mut screen, 80, 20)).contains("Shift-Tab, left"));
    assert!(!screen.press(key(KeyCode::Esc)));
    assert!(!screen.press(key(KeyCode::Char('q'))));
    let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(Press::of(control), Some(Press::Quit));
    assert_eq!(Press::of(KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE)), None);
}

#[tokio::test]
async fn there_are_colours_only_where_they_are_wanted() {
    let snapshot = Snapshot::of(parts().await, Timestamp::from_millis(1_000), None);
    for color in [true, false] {
        let mut screen = Screen::new(snapshot.clone(), color);
        let terminal = drawn(&mut screen, 100, 20);
        let cells = &terminal.backend().buffer().content;
        let coloured = cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert_eq!(coloured, color);
    }
}

#[tokio::test]
async fn a_terminal_of_any_size_will_do() {
    let snapshot = Snapshot::of(parts().await, Timestamp::from_millis(1_000), None);
    let mut screen = Screen::new(snapshot, true);
    screen.press(Press::Help);
    for (width, height) in [(1, 1), (3, 2), (10, 4), (20, 60), (300, 5)] {
        for _ in Tab::ALL {
            drawn(&mut screen, width, height);
            screen.press(Press::Next);
        }
    }
}

#[tokio::test]
async fn rates_are_those_between_two_looks() {
    let mut first = parts().await;
    first.node.uptime_ms = 10_000;
    let mut second = parts().await;
    second.node.uptime_ms = 12_000;
    let traffic = &mut second.sessions[0].traffic;
    *traffic = Traffic { bytes_received: 4_096, messages_sent: 5, ..*traffic };
    second.samples[0].value = 9.0;
    second.samples[2].value = 3.0;
    let first = Snapshot::of(first, Timestamp::from_millis(1_000), None);
    let second = Snapshot::of(second, Timestamp::from_millis(3_000), Some(&first));
    let expected = Rates { messages_out: 1.0, bytes_in: 2_048.0, ..Rates::default() };
    assert_eq!(first.peers[0].rates, None);
    assert_eq!(second.peers[0].rates, Some(expected));
    assert_eq!(second.rate_limited_per_s["task"], 1.0);
    assert_eq!(second.cpu_share, Some(0.5));
    let shown = text(&drawn(&mut Screen::new(second.clone(), true), 120, 20));
    assert!(shown.contains("2.0 KiB") && shown.contains("cpu 50 %"), "{shown}");

    // A node that was started anew has nothing to compare.
    let mut anew = parts().await;
    anew.node.uptime_ms = 100;
    let anew = Snapshot::of(anew, Timestamp::from_millis(4_000), Some(&second));
    assert_eq!((anew.peers[0].rates, anew.cpu_share), (None, None));
}
