//! The mailbox (`docs/PROTOCOL.md` §18): messages for a peer that is never there when its sender is.
//!
//! A receiver leaves signed prekeys at a few nodes that serve as its mailbox and names them in its
//! registry record. A sender that cannot reach it seals messages to such prekeys and puts them there;
//! whoever keeps them sees for whom they are, how long they are, and who brought them, but neither what
//! they say nor, from the item, whose they are. The receiver fetches them, gives them to the same order
//! as those that come directly (§8.2), deletes the prekeys, and leaves signed receipts.
//!
//! - `prekey`, `header`, `letter`, `seal`: items and what they are sealed to.
//! - `receipt`: what comes back.
//! - `keeper`: a mailbox node.
//! - `keyring`, `receiver`: whose messages wait there.
//! - `sender`: who puts them there.
//! - `change`: what has to be on disk.

mod change;
mod error;
mod header;
mod keeper;
mod keyring;
mod letter;
mod prekey;
mod receipt;
mod receiver;
mod seal;
mod sender;

pub use change::{Change, Row};
pub use error::{ItemError, ReceiptError};
pub use header::{Item, ItemHeader};
pub use keeper::{Bodies, Decision, Keeper, KeeperConfig, Room};
pub use keyring::Keyring;
pub use letter::Letter;
pub use prekey::{Prekey, PrekeyError};
pub use receipt::{MailReceipt, MailStatus};
pub use receiver::{Opened, Output, Receiver, ReceiverConfig, Settlement};
pub use seal::Draft;
pub use sender::{Event, Sender, SenderConfig, Unsettled, Waiting};
