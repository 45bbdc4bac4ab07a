//! Taking prekeys in, and handing them out once each.

use super::{Keeper, known_key, no_box};
use crate::cbor;
use crate::crypto::PublicKey;
use crate::error::ErrorCode;
use crate::id::PrekeyId;
use crate::limits::{MAX_DEPOSIT, MAX_TAKEN_PREKEYS};
use crate::mailbox::Prekey;
use crate::mailbox::change::{Change, Tag};
use crate::mailbox::keeper::owner::OwnerBox;
use crate::message::{Deposit, Deposited, ErrorReport, MailboxResult, Prekeys, Take};
use crate::time::{Now, Timestamp};

impl Keeper {
    pub(super) fn deposit(
        &mut self,
        from: &PublicKey,
        deposit: &Deposit,
        may_register: bool,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) -> Result<MailboxResult, ErrorReport> {
        if !may_register {
            let detail = "this node is no mailbox for this peer";
            return Err(ErrorReport::new(ErrorCode::InvalidState, detail));
        }
        if deposit.keys.len() > MAX_DEPOSIT {
            return Err(ErrorReport::new(ErrorCode::InvalidVersion, "too many prekeys at once"));
        }
        for prekey in deposit.keys.iter().chain(&deposit.last_resort) {
            prekey.verify(from, now).map_err(|error| {
                ErrorReport::new(ErrorCode::InvalidSignature, error.to_string())
            })?;
        }
        if !self.boxes.contains_key(from) && self.boxes.len() >= self.config.owners {
            return Err(ErrorReport::new(ErrorCode::RateLimited, "this mailbox node is full"));
        }
        let kept = self.boxes.entry(*from).or_default();
        kept.seen = kept.seen.max(now);
        changes.push(Change::write(Tag::Box, &[from.as_bytes()], cbor::encode(&kept.seen)));
        kept.drop_prekeys(from, now, deposit.reset, changes);
        for prekey in &deposit.keys {
            let known = kept.prekeys.iter().any(|other| other.id == prekey.id);
            if !known && kept.prekeys.len() < self.config.prekeys {
                changes.push(prekey_row(from, prekey));
                kept.prekeys.push_back(*prekey);
            }
        }
        if let Some(prekey) = deposit.last_resort {
            changes.push(Change::write(Tag::LastResort, &[from.as_bytes()], cbor::encode(&prekey)));
            kept.last_resort = Some(prekey);
        }
        let (left, items) = (kept.prekeys.len() as u64, kept.len() as u64);
        Ok(MailboxResult::Deposited(Deposited { left, items }))
    }

    /// Hands out prekeys: each once, and only so many to one asker. When there are none for it, there is
    /// the last-resort one.
    pub(super) fn take(
        &mut self,
        from: &PublicKey,
        take: Take,
        now: Now,
        changes: &mut Vec<Change>,
    ) -> Result<MailboxResult, ErrorReport> {
        let owner = known_key(&take.owner)?;
        let kept = self.boxes.get_mut(&owner).ok_or_else(no_box)?;
        kept.drop_prekeys(&owner, now.timestamp, false, changes);
        let had = self.taken.get(&(owner, *from)).map_or(0, Vec::len);
        let most = self.config.unused.saturating_sub(had).min(MAX_TAKEN_PREKEYS);
        let count = usize::try_from(take.count).unwrap_or(usize::MAX).min(most);
        let mut keys = Vec::new();
        while keys.len() < count
            && !kept.prekeys.is_empty()
            && self.taking.take(*from, now.instant).is_ok()
        {
            keys.extend(kept.prekeys.pop_front());
        }
        for prekey in &keys {
            let key = [&owner.as_bytes()[..], prekey.id.as_bytes()];
            changes.push(Change::delete(Tag::Prekey, &key));
        }
        let last_resort = kept.last_resort;
        if !keys.is_empty() {
            let place = self.taken.entry((owner, *from)).or_insert_with(Vec::new);
            place.extend(keys.iter().map(|prekey| prekey.id));
        }
        Ok(MailboxResult::Prekeys(Prekeys { keys, last_resort }))
    }

    /// Whoever uses a prekey may have another.
    pub(super) fn used_prekey(&mut self, owner: &PublicKey, asker: &PublicKey, id: PrekeyId) {
        if let Some(taken) = self.taken.get_mut(&(*owner, *asker)) {
            taken.retain(|other| *other != id);
        }
    }
}

impl OwnerBox {
    /// Takes back what was kept before a restart. Rows come in no order: those that end first are the oldest.
    pub(super) fn restore_prekey(&mut self, prekey: Prekey) {
        let place = self.prekeys.partition_point(|other| other.expires <= prekey.expires);
        self.prekeys.insert(place, prekey);
    }
}

fn prekey_row(owner: &PublicKey, prekey: &Prekey) -> Change {
    let key = [&owner.as_bytes()[..], prekey.id.as_bytes()];
    Change::write(Tag::Prekey, &key, cbor::encode(prekey))
}
