//! What the screen shows, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;

use super::snapshot::Snapshot;
use crate::api::ClientError;

/// A view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Peers,
    Sessions,
    Queues,
    Transfers,
    Limits,
}

impl Tab {
    pub(super) const ALL: [Self; 5] =
        [Self::Peers, Self::Sessions, Self::Queues, Self::Transfers, Self::Limits];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Peers => "Peers",
            Self::Sessions => "Sessions",
            Self::Queues => "Queues",
            Self::Transfers => "Transfers",
            Self::Limits => "Limits",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Peers => Self::Sessions,
            Self::Sessions => Self::Queues,
            Self::Queues => Self::Transfers,
            Self::Transfers => Self::Limits,
            Self::Limits => Self::Peers,
        }
    }

    const fn previous(self) -> Self {
        match self {
            Self::Peers => Self::Limits,
            Self::Sessions => Self::Peers,
            Self::Queues => Self::Sessions,
            Self::Transfers => Self::Queues,
            Self::Limits => Self::Transfers,
        }
    }
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Press {
    Quit,
    Back,
    Next,
    Previous,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Help,
    Redraw,
}

impl Press {
    pub(super) fn of(key: KeyEvent) -> Option<Self> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Self::Quit);
        }
        Some(match key.code {
            KeyCode::Char('q') => Self::Quit,
            KeyCode::Esc => Self::Back,
            KeyCode::Tab | KeyCode::Right => Self::Next,
            KeyCode::BackTab | KeyCode::Left => Self::Previous,
            KeyCode::Up | KeyCode::Char('k') => Self::Up,
            KeyCode::Down | KeyCode::Char('j') => Self::Down,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Home => Self::First,
            KeyCode::End => Self::Last,
            KeyCode::Char('?') => Self::Help,
            _ => return None,
        })
    }
}

/// How far a page goes.
const PAGE: u16 = 10;

/// What is shown.
pub(super) struct Screen {
    snapshot: Snapshot,
    /// Why there is no newer one.
    pub(super) trouble: Option<String>,
    pub(super) tab: Tab,
    pub(super) table: TableState,
    pub(super) help: bool,
    pub(super) color: bool,
}

impl Screen {
    pub(super) fn new(snapshot: Snapshot, color: bool) -> Self {
        let table = TableState::default().with_selected(0);
        Self { snapshot, trouble: None, tab: Tab::Peers, table, help: false, color }
    }

    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn show(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
        self.trouble = None;
    }

    pub(super) fn fail(&mut self, error: &ClientError) {
        self.trouble = Some(error.to_string());
    }

    /// Does what a key means; returns whether to go on.
    pub(super) fn press(&mut self, press: Press) -> bool {
        match press {
            Press::Quit => return false,
            Press::Back if self.help => self.help = false,
            Press::Back => return false,
            Press::Next => self.turn_to(self.tab.next()),
            Press::Previous => self.turn_to(self.tab.previous()),
            Press::Up => self.table.select_previous(),
            Press::Down => self.table.select_next(),
            Press::PageUp => self.table.scroll_up_by(PAGE),
            Press::PageDown => self.table.scroll_down_by(PAGE),
            Press::First => self.table.select_first(),
            Press::Last => self.table.select_last(),
            Press::Help => self.help = !self.help,
            Press::Redraw => {}
        }
        true
    }

    fn turn_to(&mut self, tab: Tab) {
        self.tab = tab;
        self.table = TableState::default().with_selected(0);
    }
}
