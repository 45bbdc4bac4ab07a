//! Canonical JSON (RFC 8785), over which agent cards are signed.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Greatest whole number that every JSON reader holds exactly.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// The canonical form; none if a number has none.
pub(super) fn canonical(value: &Value) -> Option<String> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out)
}

/// The value without members and elements that say nothing: null, and empty texts, lists and objects. Cards
/// are signed so, since readers cannot tell these from members that are not there.
pub(super) fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| value.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(without_empty).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let full = |(name, value): (&String, &Value)| {
                without_empty(value).map(|value| (name.clone(), value))
            };
            let members: serde_json::Map<_, _> = members.iter().filter_map(full).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
    }
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_text(text, out)?,
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out)?;
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

/// `serde_json` escapes what has to be, in the shortest way, and nothing else.
fn write_text(text: &str, out: &mut String) -> Option<()> {
    out.push_str(&serde_json::to_string(text).ok()?);
    Some(())
}

fn write_number(number: &Number, out: &mut String) -> Option<()> {
    if let Some(whole) = number.as_i64() {
        return (whole.unsigned_abs() <= MAX_EXACT).then(|| out.push_str(&whole.to_string()));
    }
    if number.is_u64() {
        return None;
    }
    write_float(number.as_f64()?, out);
    Some(())
}

/// As ECMAScript writes numbers (ECMA-262, `Number::toString`).
fn write_float(float: f64, out: &mut String) {
    if float == 0.0 {
        return out.push('0');
    }
    if float < 0.0 {
        out.push('-');
    }
    // The fewest digits that read back the same, of two as near the even ones; with zeros around them.
    let shortest = serde_json::to_string(&float.abs()).unwrap_or_default();
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let before = i32::try_from(whole.len() + digits.len()).unwrap_or(i32::MAX)
        - i32::try_from(all.len()).unwrap_or(i32::MAX);
    let point = exponent.trim_start_matches('+').parse::<i32>().unwrap_or_default() + before;
    let digits = digits.trim_end_matches('0');
    let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let at = usize::try_from(point).unwrap_or_default();
    if len <= point && point <= 21 {
        out.push_str(digits);
        out.push_str(&zeros(point - len));
    } else if 0 < point && point <= 21 {
        let (whole, rest) = digits.split_at(at);
        let _ = write!(out, "{whole}.{rest}");
    } else if -6 < point && point <= 0 {
        let _ = write!(out, "0.{}{digits}", zeros(-point));
    } else {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if point > 0 { "+" } else { "-" };
        let _ = write!(out, "{first}{dot}{rest}e{sign}{}", (point - 1).abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        // From appendix B of RFC 8785.
        for (bits, text) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut out = String::new();
            write_float(f64::from_bits(bits), &mut out);
            assert_eq!(out, text);
        }
        assert_eq!(
            canonical(&json!([9_007_199_254_740_991_u64, -1, 4.5])).unwrap(),
            "[9007199254740991,-1,4.5]"
        );
        assert_eq!(canonical(&json!(9_007_199_254_740_992_u64)), None);
        assert_eq!(canonical(&json!(u64::MAX)), None);
    }

    #[test]
    fn members_are_in_the_order_of_utf_16() {
        // Section 3.2.3 of RFC 8785.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis"
        });
        let text = canonical(&value).unwrap();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"];
        let places: Vec<_> = order.iter().map(|word| text.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn texts_are_escaped_no_more_than_they_must() {
        let text = json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}");
        assert_eq!(canonical(&text).unwrap(), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\"");
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let value = json!({"a": "", "b": [], "c": {"d": {}}, "e": [null, "", 0], "f": false});
        assert_eq!(without_empty(&value), Some(json!({"e": [0], "f": false})));
        assert_eq!(without_empty(&json!({"a": [[""]]})), None);
    }
}
