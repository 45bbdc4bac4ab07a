//! Bounds and refusals of the JSON reader.

use super::*;
use crate::error::ErrorCode;
use crate::legacy::{MAX_INTEGER_DIGITS, Number, NumberError, ValueError};

fn parse(json: &str) -> Result<Value, ValueError> {
    Value::parse(json.as_bytes(), usize::MAX)
}

#[test]
fn length_is_checked_first() {
    assert_eq!(Value::parse(b"[1]", 3).map(|value| canonical(&value)), Ok("[1]".to_owned()));
    assert_eq!(Value::parse(b"[1] ", 3), Err(ValueError::TooLong { len: 4, max: 3 }));
    assert_eq!(Value::parse(&[0xff; 4], 3), Err(ValueError::TooLong { len: 4, max: 3 }));
}

#[test]
fn what_is_not_json_is_refused() {
    assert_eq!(Value::parse(b"\"\xff\"", 9), Err(ValueError::NotUtf8));
    for json in [
        "",
        " ",
        "nul",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "0x1",
        "'a'",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "[1",
        "{\"a\"",
        "1 2",
        "{} {}",
        "{}x",
        "[]]",
        "\u{feff}{}",
        "\"\n\"",
        "\"\u{0}\"",
        "\"\u{1f}\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"",
        "{\"\n\":1}",
    ] {
        let error = parse(json).unwrap_err();
        assert!(matches!(error, ValueError::Syntax { .. }), "{json:?}: {error}");
        assert_eq!(error.code(), ErrorCode::InvalidVersion);
    }
    assert_eq!(parse("[\n1,,]"), Err(ValueError::Syntax { line: 2, column: 3 }));
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nest = |levels: usize| open.repeat(levels) + "1" + &close.repeat(levels);
        parse(&nest(32)).unwrap().check().unwrap();
        assert_eq!(parse(&nest(33)), Err(ValueError::TooDeep));
        assert_eq!(parse(&nest(20_000)), Err(ValueError::TooDeep));
    }
    assert!(matches!(parse(&"[".repeat(60_000)), Err(ValueError::Syntax { .. })));
    let mut value = parse(&("[".repeat(32) + &"]".repeat(32))).unwrap();
    value = Value::Array(vec![value]);
    assert_eq!(value.check(), Err(ValueError::TooDeep));
}

#[test]
fn the_number_of_values_is_bounded() {
    let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    parse(&list(8192)).unwrap().check().unwrap();
    assert_eq!(parse(&list(8193)), Err(ValueError::TooMany));
    let object = |count: usize| {
        let members: Vec<_> = (0..count).map(|key| format!("\"{key}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    parse(&object(8192)).unwrap();
    assert_eq!(parse(&object(8193)), Err(ValueError::TooMany));
    // The bound is on the whole, not on each part.
    assert_eq!(parse(&format!("[{},{}]", list(4096), list(4095))), Err(ValueError::TooMany));
    let Ok(Value::Array(mut elements)) = parse(&list(8192)) else { panic!("an array") };
    elements.push(Value::Null);
    assert_eq!(Value::Array(elements).check(), Err(ValueError::TooMany));
}

#[test]
fn duplicate_keys_are_refused_at_any_depth() {
    for json in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"[{"b":{"a":1,"c":0,"a":2}}]"#,
        r#"{"":1,"":2}"#,
    ] {
        assert_eq!(parse(json), Err(ValueError::DuplicateKey), "{json}");
    }
    parse(r#"{"a":{"a":1},"A":1}"#).unwrap();
}

#[test]
fn lone_surrogates_are_refused() {
    for json in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800x""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u0041""#,
        r#"{"\ud83d":1}"#,
        r#"{"a":["\ude00"]}"#,
    ] {
        assert_eq!(parse(json), Err(ValueError::LoneSurrogate), "{json}");
    }
    assert_eq!(parse(r#""\ud83d\ude00""#), Ok("😀".into()));
}

#[test]
fn numbers_without_a_value_are_refused() {
    for json in ["1e400", "-1e400", "[1e309]", "1.8e308"] {
        assert_eq!(parse(json), Err(ValueError::Number(NumberError::NotFinite)), "{json}");
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Number::float(value), Err(NumberError::NotFinite));
    }
    let nines = "9".repeat(MAX_INTEGER_DIGITS);
    for json in [nines.clone(), format!("-{nines}")] {
        assert_eq!(parse(&json).map(|value| canonical(&value)), Ok(json));
    }
    let error = NumberError::TooLong { digits: MAX_INTEGER_DIGITS + 1 };
    assert_eq!(parse(&format!("{nines}9")), Err(ValueError::Number(error)));
    assert_eq!(parse(&format!("-{nines}9")), Err(ValueError::Number(error)));
    assert_eq!(error.code(), ErrorCode::InvalidVersion);
}

/// Also where nobody has looked at the grammar before.
#[test]
fn what_is_no_number_is_refused() {
    use crate::legacy::number::{Number, NumberError};
    for text in ["", "-", "--1", "1x", "x", "+1", " 1", "1_0", "1.x", "e", "."] {
        assert_eq!(Number::from_literal(text), Err(NumberError::Syntax), "{text:?}");
    }
}

#[test]
fn integers_and_floats_stay_apart() {
    for (json, printed) in [
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1", "1"),
        ("1.0", "1.0"),
        ("1e16", "1e+16"),
        ("1e15", "1000000000000000.0"),
        ("1E-7", "1e-07"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("5e-324", "5e-324"),
        ("123456789012345.0", "123456789012345.0"),
        ("12345678901234567.0", "1.2345678901234568e+16"),
        ("1e22", "1e+22"),
        ("1.5e300", "1.5e+300"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ] {
        assert_eq!(canonical(&parse(json).unwrap()), printed);
    }
}

#[test]
fn keys_sort_by_code_point_and_text_is_ascii() {
    let json = r#"{"𐀀":5,"￿":4,"é":1,"e":2,"E":3,"":[]}"#;
    assert_eq!(
        canonical(&parse(json).unwrap()),
        r#"{"":[],"E":3,"e":2,"\u00e9":1,"\uffff":4,"\ud800\udc00":5}"#
    );
    let json = r#""\u0000\b\t\n\u000b\f\r\u001f !\"/\\~\u007f\u0080\u2028""#;
    assert_eq!(
        canonical(&parse(json).unwrap()),
        r#""\u0000\b\t\n\u000b\f\r\u001f !\"/\\~\u007f\u0080\u2028""#
    );
}
