//! Fields of a message: what is required, what is refused.

use super::*;
use crate::error::ErrorCode;
use crate::legacy::{MAX_MESSAGE_LEN, MessageError, Number, ValueError};

const MESSAGE: &str = r#"{"payload": {"action": "wake_up"}, "timestamp": 1770424938.417613,
 "nonce": "2JLaXvyNXH1Dipa7hjmSBw==",
 "signature": "3WH+pVEj2HV/oCx3cnFvscr7iVpkpXtOpmn3wKhEaM5ytafHnZhVJFTUQKfHEUxcGavYcLCDpPCvoL3FdgbcAA==",
 "sender_id": "entity_a", "version": "1.0", "msg_type": "wake_up"}"#;

fn with(field: &str, json: &str) -> Result<Message, MessageError> {
    let mut object = payload(MESSAGE);
    object.insert(field.to_owned(), Value::parse(json.as_bytes(), usize::MAX).unwrap());
    Message::parse(canonical(&Value::Object(object)).as_bytes())
}

fn without(field: &str) -> Result<Message, MessageError> {
    let mut object = payload(MESSAGE);
    object.remove(field).unwrap();
    Message::parse(canonical(&Value::Object(object)).as_bytes())
}

#[test]
fn missing_and_null_are_the_same() {
    let plain = Message::parse(MESSAGE.as_bytes()).unwrap();
    for field in [
        "recipient_id",
        "session_id",
        "sequence_num",
        "encrypted_payload",
        "sender_public_key",
        "jwt_token",
    ] {
        assert_eq!(with(field, "null").as_ref(), Ok(&plain));
        assert!(
            String::from_utf8(plain.to_bytes()).unwrap().contains(&format!("\"{field}\":null"))
        );
    }
    for field in ["payload", "timestamp", "nonce", "signature", "sender_id", "version", "msg_type"]
    {
        let error = without(field).unwrap_err();
        assert!(matches!(error, MessageError::Missing { field: f } if f == field), "{error}");
        let error = with(field, "null").unwrap_err();
        assert!(matches!(error, MessageError::Missing { field: f } if f == field), "{error}");
    }
}

#[test]
fn fields_of_another_type_are_refused() {
    for field in [
        "version",
        "msg_type",
        "sender_id",
        "recipient_id",
        "session_id",
        "nonce",
        "signature",
        "sender_public_key",
        "jwt_token",
    ] {
        let error = with(field, "1").unwrap_err();
        assert!(matches!(error, MessageError::Type { field: f } if f == field), "{error}");
    }
    for field in ["timestamp", "sequence_num"] {
        for json in ["true", "\"1\"", "[1]"] {
            let error = with(field, json).unwrap_err();
            assert!(matches!(error, MessageError::Type { field: f } if f == field), "{error}");
        }
    }
    for json in ["[]", "\"{}\"", "1"] {
        assert_eq!(with("payload", json).unwrap_err(), MessageError::Type { field: "payload" });
    }
    assert_eq!(Message::parse(b"[]").unwrap_err(), MessageError::NotAnObject);
}

#[test]
fn values_out_of_range_are_refused() {
    for json in ["\"1.1\"", "\"1\"", "\"1.0 \"", "\"\""] {
        let error = with("version", json).unwrap_err();
        assert_eq!(error, MessageError::Version);
        assert_eq!(error.code(), ErrorCode::InvalidVersion);
    }
    assert_eq!(with("msg_type", "\"\"").unwrap_err(), MessageError::MsgType { len: 0 });
    let long = format!("\"{}\"", "x".repeat(65));
    assert_eq!(with("msg_type", &long).unwrap_err(), MessageError::MsgType { len: 65 });
    with("msg_type", &format!("\"{}\"", "x".repeat(64))).unwrap();
    for field in ["sender_id", "recipient_id"] {
        for json in ["\"\"", "\"a\\u0000\"", "\"e\\u0301\""] {
            let error = with(field, json).unwrap_err();
            assert!(
                matches!(error, MessageError::Entity { field: f, .. } if f == field),
                "{error}"
            );
        }
    }
    for json in [
        "\"78e51061731148a382ce6f447ed4d57b\"",
        "\"{78e51061-7311-48a3-82ce-6f447ed4d57b}\"",
        "\"78e51061-7311-18a3-82ce-6f447ed4d57b\"",
        "\"78e51061-7311-48a3-c2ce-6f447ed4d57b\"",
        "\"00000000-0000-0000-0000-000000000000\"",
        "\"78e51061-7311-48a3-82ce-6f447ed4d57\"",
    ] {
        assert_eq!(with("session_id", json).unwrap_err(), MessageError::SessionId);
    }
    assert!(with("session_id", "\"78E51061-7311-48A3-82CE-6F447ED4D57B\"").is_ok());
    for json in ["-1", "1.0", "1e3", "18446744073709551616"] {
        assert_eq!(with("sequence_num", json).unwrap_err(), MessageError::SequenceNumber);
    }
    assert!(with("sequence_num", "18446744073709551615").is_ok());
    for json in ["-1", "-0.5", "-123456789012345678901234567890"] {
        assert_eq!(with("timestamp", json).unwrap_err(), MessageError::Timestamp);
    }
}

#[test]
fn base64_has_one_form() {
    for json in [
        "\"2JLaXvyNXH1Dipa7hjmSBw\"",
        "\"2JLaXvyNXH1Dipa7hjmSBx==\"",
        "\"2JLaXvyNXH1Dipa7hjmSBw== \"",
        "\"2JLaXvyNXH1Dipa7hjmS\"",
        "\"2JLaXvyNXH1Dipa7hjmSBwAA\"",
        "\"2JLaXvyNXH1Dip_7hjmSBw==\"",
        "\"\"",
    ] {
        assert_eq!(with("nonce", json).unwrap_err(), MessageError::Nonce);
        let error = with("signature", json).unwrap_err();
        assert_eq!(error, MessageError::Signature);
        assert_eq!(error.code(), ErrorCode::InvalidSignature);
    }
}

#[test]
fn duplicate_fields_are_refused() {
    let twice = MESSAGE.replacen('{', "{\"sender_id\":\"mallory\",", 1);
    let error = Message::parse(twice.as_bytes()).unwrap_err();
    assert_eq!(error, MessageError::Value(ValueError::DuplicateKey));
}

#[test]
fn unknown_fields_are_dropped_but_bounded() {
    let plain = Message::parse(MESSAGE.as_bytes()).unwrap();
    assert_eq!(with("x_trace", "{\"a\":[1,2,3]}").as_ref(), Ok(&plain));
    let long = format!("\"{}\"", "x".repeat(MAX_MESSAGE_LEN));
    let error = with("x_trace", &long).unwrap_err();
    assert!(matches!(error, MessageError::Value(ValueError::TooLong { .. })), "{error}");
}

#[test]
fn the_form_of_the_timestamp_is_kept() {
    for (json, integer, millis) in [
        ("1770427000", true, 1_770_427_000_000),
        ("1770427000.0", false, 1_770_427_000_000),
        ("1770427000.1235", false, 1_770_427_000_124),
        ("1.770427e9", false, 1_770_427_000_000),
        ("0", true, 0),
        ("-0.0", false, 0),
        ("1e300", false, u64::MAX),
        ("18446744073709551615", true, u64::MAX),
        ("123456789012345678901234567890", true, u64::MAX),
    ] {
        let message = with("timestamp", json).unwrap();
        let content = message.content();
        assert_eq!(content.timestamp.is_integer(), integer, "{json}");
        assert_eq!(content.sent_at().as_millis(), millis, "{json}");
        let signed = String::from_utf8(message.signing_bytes()).unwrap();
        let printed = if json == "1.770427e9" {
            "1770427000.0"
        } else if json == "1e300" {
            "1e+300"
        } else {
            json
        };
        assert!(signed.contains(&format!("\"timestamp\":{printed},")), "{signed}");
    }
}

#[test]
fn time_is_checked_both_ways_to_the_millisecond() {
    let message = with("timestamp", "1770427000.5").unwrap();
    let sent = Timestamp::from_millis(1_770_427_000_500);
    for now in [sent, sent + seconds(60), sent - seconds(60)] {
        message.check_time(now).unwrap();
    }
    for now in [sent + seconds(60) + MILLISECOND, sent - seconds(60) - MILLISECOND] {
        let error = message.check_time(now).unwrap_err();
        assert_eq!(error.distance, seconds(60) + MILLISECOND);
        assert_eq!(error.code(), ErrorCode::ReplayDetected);
    }
}

#[test]
fn own_timestamps_are_exact() {
    for millis in [0, 1, 999, 1000, 1_770_427_000_123, 1_770_427_000_999, 253_402_300_799_999] {
        let number = super::super::message::seconds(Timestamp::from_millis(millis));
        assert!(!number.is_integer());
        let message = with("timestamp", &number.to_string()).unwrap();
        assert_eq!(message.content().sent_at().as_millis(), millis);
    }
    assert_eq!(Number::from(7_i64), Number::from(7_u64));
}
