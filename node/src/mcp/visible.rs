//! Text as it may be shown to a model: nothing in it that cannot be seen.

use serde_json::Value;

/// Whether a character could control a terminal, change what is read where, or carry text that nobody sees:
/// control characters but line feed and tab, marks that change the direction of writing, spaces without
/// width, tags and additional variation selectors. What scripts and emoji need to be joined stays.
const fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => true,
        _ => false,
    }
}

/// The text with hidden characters as escapes, if it has any; the line ends of Windows become line feeds.
pub(super) fn visible(text: &str) -> Option<String> {
    if !text.contains(is_hidden) {
        return None;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\r' && rest.peek() == Some(&'\n') {
            continue;
        }
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Some(shown)
}

/// Makes every text in a value visible.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(shown) = visible(text) {
                *text = shown;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(visible("エンティティ a\tb\nc 👩\u{200d}💻 ❤\u{fe0f}"), None);
        let hidden = "\u{1b}[2J\u{202e}\u{200b}\u{e0041}\u{e0100}\u{feff}\u{9b}\u{2066}\r";
        let shown = visible(hidden).unwrap();
        assert!(!shown.contains(is_hidden), "{shown:?}");
        let all = "\\u{1b}[2J\\u{202e}\\u{200b}\\u{e0041}\\u{e0100}\\u{feff}\\u{9b}\\u{2066}\\u{d}";
        assert_eq!(shown, all);
        assert_eq!(visible("a\r\nb\r\n").as_deref(), Some("a\nb\n"));
    }

    #[test]
    fn every_text_of_a_value_is_cleaned() {
        let mut value = json!({"a": ["x\u{7}", {"b": "\u{202e}y"}], "n": 1, "t": true, "z": null});
        clean(&mut value);
        let clean = json!({"a": ["x\\u{7}", {"b": "\\u{202e}y"}], "n": 1, "t": true, "z": null});
        assert_eq!(value, clean);
    }
}
