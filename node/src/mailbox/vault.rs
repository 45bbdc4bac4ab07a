//! Keeps the private halves of prekeys from staying behind on disk. What a database deletes is left in
//! free pages of its file until they are used again; so these rows are encrypted under a key in a small
//! file of its own, and after some were deleted a new key takes the place of the old one, which is
//! overwritten. (A file system that copies what it writes, or a disk that does, may keep it all the same.)

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use peer_protocol::crypto::{Aead, IV_LEN, KEY_LEN, SuiteRegistry, TAG_LEN};
use peer_protocol::mailbox::Change;
use zeroize::Zeroizing;

use crate::private_file;

const SLOTS: usize = 2;
/// Bytes of the file: a key, and in the middle of a change another one. Zeroes are none.
const FILE_LEN: usize = SLOTS * KEY_LEN;

type Key = Zeroizing<[u8; KEY_LEN]>;

/// The key of the private halves.
pub(super) struct Vault {
    /// None if they are kept in memory only, as the rows are.
    file: Option<File>,
    slots: [Option<Key>; SLOTS],
    current: usize,
}

impl Vault {
    /// Opens the file, or makes one with a new key.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let mut vault = Self { file: None, slots: [None, None], current: 0 };
        let Some(path) = path else {
            vault.slots = [Some(fresh()), None];
            return Ok(vault);
        };
        if !path.try_exists()? {
            let mut bytes = Zeroizing::new([0; FILE_LEN]);
            for (place, byte) in bytes.iter_mut().zip(fresh().iter()) {
                *place = *byte;
            }
            private_file::create(path, &*bytes)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = Zeroizing::new([0; FILE_LEN]);
        file.read_exact(&mut *bytes)?;
        for (slot, chunk) in vault.slots.iter_mut().zip(bytes.chunks_exact(KEY_LEN)) {
            let mut key = Zeroizing::new([0; KEY_LEN]);
            key.copy_from_slice(chunk);
            *slot = key.iter().any(|byte| *byte != 0).then_some(key);
        }
        if vault.slots[0].is_none() {
            vault.current = 1;
        }
        if vault.slots[vault.current].is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no key"));
        }
        vault.file = Some(file);
        Ok(vault)
    }

    /// The change, with its value encrypted if that is secret.
    pub(super) fn seal(&self, change: &Change) -> Change {
        let value = change.value.as_ref().map(|value| {
            if Change::is_secret(&change.key) {
                // Nothing rather than the secret itself.
                self.encrypt(&change.key, value).unwrap_or_default()
            } else {
                value.clone()
            }
        });
        Change { key: change.key.clone(), value }
    }

    /// The value of a secret row, under whichever of the keys it is encrypted.
    pub(super) fn open_row(&self, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        (0..SLOTS).find_map(|slot| self.decrypt(slot, key, sealed))
    }

    /// A new key from now on, beside the old one until [`Vault::forget_old`].
    pub(super) fn renew(&mut self) -> io::Result<()> {
        let other = (self.current + 1) % SLOTS;
        // Left over if it did not come to its end the last time: rows may still be under it.
        if self.slots[other].is_none() {
            let key = fresh();
            self.write(other, &key)?;
            self.slots[other] = Some(key);
        }
        self.current = other;
        Ok(())
    }

    /// The row under the current key, whichever it is under.
    pub(super) fn reseal(&self, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open_row(key, sealed).and_then(|value| self.encrypt(key, &value))
    }

    /// All rows are under the current key: the other one is overwritten.
    pub(super) fn forget_old(&mut self) -> io::Result<()> {
        let other = (self.current + 1) % SLOTS;
        self.write(other, &[0; KEY_LEN])?;
        self.slots[other] = None;
        Ok(())
    }

    fn write(&self, slot: usize, key: &[u8; KEY_LEN]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.write_all_at(key, (slot * KEY_LEN) as u64)?;
        file.sync_data()
    }

    fn cipher(&self, slot: usize) -> Option<Box<dyn Aead>> {
        let suites = SuiteRegistry::default();
        let suite = suites.get(SuiteRegistry::AES_256_GCM)?;
        self.slots.get(slot)?.as_ref().map(|key| suite.aead(key))
    }

    /// `nonce ‖ ciphertext ‖ tag`, with the row's key as associated data.
    fn encrypt(&self, key: &[u8], value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let nonce: [u8; IV_LEN] = rand::random();
        let mut text = Zeroizing::new(value.to_vec());
        let tag = self.cipher(self.current)?.seal(&nonce, key, &mut text).ok()?;
        Some(Zeroizing::new([&nonce[..], &text, &tag].concat()))
    }

    fn decrypt(&self, slot: usize, key: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = self.cipher(slot)?;
        let (nonce, rest) = sealed.split_first_chunk::<IV_LEN>()?;
        let (text, tag) = rest.split_last_chunk::<TAG_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        cipher.open(nonce, key, &mut text, tag).ok()?;
        Some(text)
    }
}

fn fresh() -> Key {
    Zeroizing::new(rand::random())
}
