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

mod error;
mod header;
mod letter;
mod prekey;
mod receipt;
mod seal;

pub use error::{ItemError, ReceiptError};
pub use header::{Item, ItemHeader};
pub use letter::Letter;
pub use prekey::{Prekey, PrekeyError};
pub use receipt::{MailReceipt, MailStatus};
pub use seal::Draft;
