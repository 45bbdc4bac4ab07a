//! What only whoever was woken knows.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use subtle::{Choice, ConstantTimeEq};

/// A random number that is handed to an agent and given back once. Its text is 32 lower-case hexadecimal
/// digits: nothing that a shell, a terminal or a file of variables could take for anything else.
#[derive(Clone, Copy)]
pub(crate) struct Nonce([u8; 16]);

impl Nonce {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl ConstantTimeEq for Nonce {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    /// Not what it is: logs are read by others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

impl FromStr for Nonce {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}
