//! From a JSON object to a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::{Uuid, Variant, Version};

use super::{Message, MessageError, Unsigned};
use crate::identity::EntityId;
use crate::legacy::VERSION;
use crate::legacy::number::Number;
use crate::legacy::value::{Object, Value};
use crate::limits::MAX_NAME_LEN;

pub(super) fn read(object: Object) -> Result<Message, MessageError> {
    let mut fields = Fields(object);
    // First, so that a message of another version is called just that.
    if fields.required_string("version")? != VERSION {
        return Err(MessageError::Version);
    }
    let content = Unsigned {
        msg_type: fields.msg_type()?,
        sender_id: fields
            .entity("sender_id")?
            .ok_or(MessageError::Missing { field: "sender_id" })?,
        recipient_id: fields.entity("recipient_id")?,
        session_id: fields.session_id()?,
        sequence_num: fields.sequence_num()?,
        timestamp: fields.timestamp()?,
        nonce: base64_array(&fields.required_string("nonce")?).ok_or(MessageError::Nonce)?,
        payload: fields.payload()?,
        encrypted_payload: fields.take("encrypted_payload"),
        sender_public_key: fields.string("sender_public_key")?,
        jwt_token: fields.string("jwt_token")?,
    };
    let signature =
        base64_array(&fields.required_string("signature")?).ok_or(MessageError::Signature)?;
    Ok(Message { content, signature })
}

/// Exactly `N` bytes in standard base64, in its one canonical form: encoding them again gives the
/// same text.
pub(in crate::legacy) fn base64_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Longer texts cannot be right, and are not worth decoding.
    if text.len() > N.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// A UUID v4 in its hyphenated form, in either case.
pub(in crate::legacy) fn uuid_v4(text: &str) -> Option<Uuid> {
    // The parser also takes braces, URNs and plain digits, which differ in length.
    if text.len() != uuid::fmt::Hyphenated::LENGTH {
        return None;
    }
    let id = Uuid::try_parse(text).ok()?;
    let v4 = id.get_version() == Some(Version::Random) && id.get_variant() == Variant::RFC4122;
    v4.then_some(id)
}

struct Fields(Object);

impl Fields {
    /// The field's value; missing and `null` are the same.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.0.remove(field).filter(|value| *value != Value::Null)
    }

    fn string(&mut self, field: &'static str) -> Result<Option<String>, MessageError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(MessageError::Type { field }),
        }
    }

    fn required_string(&mut self, field: &'static str) -> Result<String, MessageError> {
        self.string(field)?.ok_or(MessageError::Missing { field })
    }

    fn number(&mut self, field: &'static str) -> Result<Option<Number>, MessageError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(MessageError::Type { field }),
        }
    }

    fn entity(&mut self, field: &'static str) -> Result<Option<EntityId>, MessageError> {
        let Some(text) = self.string(field)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|source| MessageError::Entity { field, source })
    }

    fn msg_type(&mut self) -> Result<String, MessageError> {
        let name = self.required_string("msg_type")?;
        check_msg_type(&name)?;
        Ok(name)
    }

    fn session_id(&mut self) -> Result<Option<Uuid>, MessageError> {
        let Some(text) = self.string("session_id")? else {
            return Ok(None);
        };
        uuid_v4(&text).map(Some).ok_or(MessageError::SessionId)
    }

    fn sequence_num(&mut self) -> Result<Option<u64>, MessageError> {
        let Some(number) = self.number("sequence_num")? else {
            return Ok(None);
        };
        number.as_u64().map(Some).ok_or(MessageError::SequenceNumber)
    }

    fn timestamp(&mut self) -> Result<Number, MessageError> {
        let field = "timestamp";
        let number = self.number(field)?.ok_or(MessageError::Missing { field })?;
        if number.as_f64() < 0.0 { Err(MessageError::Timestamp) } else { Ok(number) }
    }

    fn payload(&mut self) -> Result<Object, MessageError> {
        match self.take("payload") {
            None => Err(MessageError::Missing { field: "payload" }),
            Some(Value::Object(payload)) => Ok(payload),
            Some(_) => Err(MessageError::Type { field: "payload" }),
        }
    }
}

pub(in crate::legacy) fn check_msg_type(name: &str) -> Result<(), MessageError> {
    if name.is_empty() || name.len() > MAX_NAME_LEN {
        Err(MessageError::MsgType { len: name.len() })
    } else {
        Ok(())
    }
}
