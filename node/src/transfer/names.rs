//! The names under which files are put down. What peers choose leads nowhere, hides nothing, and means
//! nothing to any file system.

/// Longest name that is put down, in bytes: most file systems take 255, and a number may be added.
const MAX_LEN: usize = 240;
/// Names that mean a device on Windows, whatever follows after a dot.
const RESERVED: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// The name for a file that its sender calls `name`.
pub(super) fn safe_name(name: &str) -> String {
    let mut safe: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    // Windows drops dots and blanks at the end, so that two names become one.
    while safe.ends_with(['.', ' ']) {
        safe.pop();
        safe.push('_');
    }
    if safe.is_empty() || is_reserved(&safe) {
        safe.insert(0, '_');
    }
    let (stem, extension) = split(&safe);
    let room = MAX_LEN.saturating_sub(extension.len());
    if stem.len() > room {
        let (extension, stem) = (extension.to_owned(), cut(stem, room).to_owned());
        safe = format!("{stem}{extension}");
    }
    safe
}

/// The `number`th choice for a name that others have already: `a (1).txt`.
pub(super) fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

/// The directory for the files of the entity that is called `entity` and has this key. Where the id is
/// no directory's name as it is, the key tells it apart from others.
pub(super) fn directory_name(entity: &str, key: &[u8; 32]) -> String {
    let safe = safe_name(entity);
    if safe == entity && !safe.starts_with('.') {
        return safe;
    }
    let tail = hex::encode(key.get(..4).unwrap_or_default());
    format!("_{}-{tail}", safe.trim_start_matches('.'))
}

/// Whether a character means nothing to any file system, and hides nothing from people.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'
            // Marks that turn the direction of text, by which `exe.txt` can be made of `txt.exe`.
            | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix| {
        let digit = stem.strip_prefix(prefix).filter(|rest| rest.chars().count() == 1);
        digit.is_some_and(|digit| digit.contains(|c| matches!(c, '0'..='9' | '¹' | '²' | '³')))
    };
    RESERVED.contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

/// A name and its extension, dot included. What only begins with a dot has none.
fn split(name: &str) -> (&str, &str) {
    // Longer ones are no extensions, but names with dots.
    const LONGEST: usize = 32;
    let stem = name.strip_suffix(".gz").filter(|stem| stem.ends_with(".tar"));
    let stem = stem.unwrap_or(name);
    match stem.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= LONGEST) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    }
}

/// The first `most` bytes, or a little less: characters stay whole.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_names_stay() {
        for name in
            ["a.txt", "报告.pdf", "a b (1).tar.gz", ".profile", "-rf", "CONSOLE.txt", "COM10"]
        {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn names_lead_nowhere_and_mean_nothing() {
        for (name, safe) in [
            ("../../x", ".._.._x"),
            ("/etc/passwd", "_etc_passwd"),
            ("a\0b\nc", "a_b_c"),
            ("C:\\x", "C__x"),
            ("NUL", "_NUL"),
            ("nul.txt", "_nul.txt"),
            ("Com1.log", "_Com1.log"),
            ("lpt³", "_lpt³"),
            ("a. . ", "a. ._"),
            ("..", "._"),
            ("", "_"),
            ("evil\u{202e}txt.exe", "evil_txt.exe"),
        ] {
            let made = safe_name(name);
            assert_eq!(made, safe, "{name:?}");
            assert!(!made.contains(['/', '\\', '\0']) && made != ".." && made != ".");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = format!("{}.tar.gz", "ü".repeat(200));
        let safe = safe_name(&name);
        assert!(safe.len() <= MAX_LEN && safe.ends_with("ü.tar.gz"), "{safe}");
        let no_extension = safe_name(&format!("a.{}", "x".repeat(300)));
        assert_eq!(no_extension.len(), MAX_LEN);
    }

    #[test]
    fn numbers_stand_before_the_extension() {
        assert_eq!(numbered("a.txt", 0), "a.txt");
        assert_eq!(numbered("a.txt", 1), "a (1).txt");
        assert_eq!(numbered("a.tar.gz", 12), "a (12).tar.gz");
        assert_eq!(numbered(".profile", 2), ".profile (2)");
    }

    #[test]
    fn entities_get_directories_of_their_own() {
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!(directory_name("bob", &one), "bob");
        assert_eq!(directory_name("エンティティ", &one), "エンティティ");
        for odd in ["..", ".", "a/b", "../../etc", ".parts", "NUL", "x\u{202e}"] {
            let made = directory_name(odd, &one);
            assert!(made.ends_with("-01010101") && made.starts_with('_'), "{made}");
            assert!(!made.contains('/'));
            assert_ne!(made, directory_name(odd, &other));
        }
    }
}
