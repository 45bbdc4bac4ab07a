//! Reading values: one pass, in which everything is checked that [`check`](super::check) checks.
//!
//! A type gets exactly the kind of item that it asks for: text is never taken for bytes, nor bytes for text.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserializer, de};

use super::CborError;
use super::canonical::{Reader, entries};
use crate::limits::MAX_CBOR_DEPTH;

impl de::Error for CborError {
    fn custom<T: std::fmt::Display>(detail: T) -> Self {
        Self::Shape { detail: detail.to_string() }
    }
}

/// Takes one item out of bytes.
pub(super) struct Decoder<'de> {
    reader: Reader<'de>,
    /// Levels that may still be opened.
    depth: usize,
}

impl<'de> Decoder<'de> {
    pub(super) const fn new(bytes: &'de [u8]) -> Self {
        Self { reader: Reader::new(bytes), depth: MAX_CBOR_DEPTH }
    }

    /// Bytes after what was taken.
    pub(super) const fn left(&self) -> usize {
        self.reader.rest().len()
    }

    /// The argument of the next item, which has to be of the kind `major`.
    fn head(&mut self, major: u8, expected: &'static str) -> Result<u64, CborError> {
        if self.depth == 0 {
            return Err(CborError::TooDeep);
        }
        let (found, argument) = self.reader.head()?;
        if found == major { Ok(argument) } else { Err(other(found, expected)) }
    }

    /// What lies one level deeper.
    fn within<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, CborError>,
    ) -> Result<T, CborError> {
        self.depth -= 1;
        let read = read(self);
        self.depth += 1;
        read
    }
}

fn other(major: u8, expected: &str) -> CborError {
    let found = match major {
        0 | 1 => "an integer",
        2 => "bytes",
        3 => "text",
        4 => "an array",
        5 => "a map",
        6 => "a tag",
        _ => "a simple value",
    };
    de::Error::custom(format_args!("{found} where {expected} belongs"))
}

macro_rules! integers {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
            if self.depth == 0 {
                return Err(CborError::TooDeep);
            }
            match self.reader.head()? {
                (0, number) => visitor.visit_u64(number),
                (1, number) => match i64::try_from(number) {
                    Ok(number) => visitor.visit_i64(-1 - number),
                    Err(_) => Err(de::Error::custom("an integer below the smallest of 64 bits")),
                },
                (found, _) => Err(other(found, "an integer")),
            }
        })+
    };
}

macro_rules! texts {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
            let len = self.head(3, "text")?;
            visitor.visit_borrowed_str(self.reader.text(len)?)
        })+
    };
}

macro_rules! unused {
    ($($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CborError> {
            Err(de::Error::custom("a type that this protocol does not use"))
        })+
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = CborError;

    integers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    }

    texts! { deserialize_str deserialize_string deserialize_identifier }

    unused! {
        deserialize_any deserialize_f32 deserialize_f64 deserialize_char deserialize_unit
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        match self.head(7, "a Boolean")? {
            20 => visitor.visit_bool(false),
            21 => visitor.visit_bool(true),
            _ => Err(other(7, "a Boolean")),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        let len = self.head(2, "bytes")?;
        visitor.visit_borrowed_bytes(self.reader.take(len)?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        self.deserialize_bytes(visitor)
    }

    /// There is no null: what is not there has no entry.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CborError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CborError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        let left = entries(self.head(4, "an array")?)?;
        self.within(|decoder| {
            let mut array = Array { decoder, left };
            let value = visitor.visit_seq(&mut array)?;
            all_taken(array.left, value)
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, CborError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, CborError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        let left = entries(self.head(5, "a map")?)?;
        self.within(|decoder| {
            let mut map = Map { decoder, left, previous: &[] };
            let value = visitor.visit_map(&mut map)?;
            all_taken(map.left, value)
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CborError> {
        self.deserialize_map(visitor)
    }

    /// A map of one entry, which the variant's name is the key of. Those without content are `text_enum!`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CborError> {
        match self.head(5, "a map")? {
            1 => self.within(|decoder| visitor.visit_enum(Variant { decoder })),
            _ => Err(de::Error::custom("not one of several, but none or more")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CborError> {
        self.reader.item(self.depth)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// A type that leaves part of its item unread would take a second encoding for its own.
fn all_taken<T>(left: usize, value: T) -> Result<T, CborError> {
    match left {
        0 => Ok(value),
        _ => Err(de::Error::custom("part of the item was not expected")),
    }
}

struct Array<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Array<'_, 'de> {
    type Error = CborError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CborError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    /// Each entry has a byte at least.
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.decoder.left()))
    }
}

struct Map<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
    /// The key before, as it is encoded.
    previous: &'de [u8],
}

impl<'de> MapAccess<'de> for Map<'_, 'de> {
    type Error = CborError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CborError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let key = self.decoder.reader.key(&mut self.previous)?;
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CborError> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.decoder.left()))
    }
}

struct Variant<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CborError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), CborError> {
        let name = self.decoder.reader.key(&mut (&[] as &[u8]))?;
        let variant = seed.deserialize(de::value::BorrowedStrDeserializer::new(name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CborError;

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, CborError> {
        seed.deserialize(self.decoder)
    }

    fn unit_variant(self) -> Result<(), CborError> {
        Err(de::Error::custom("content where none belongs"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, CborError> {
        self.decoder.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CborError> {
        self.decoder.deserialize_map(visitor)
    }
}
