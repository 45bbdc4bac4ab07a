//! Reads what [`Metrics::text`](super::Metrics::text) writes: for views of a node, and for tests. Strict: what
//! it does not know is an error.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its whole name, such as `peer_messages_total`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// A label's value; empty if there is none.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A text is not in the format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line} of the measurements: {reason}")]
pub struct BadSample {
    /// Counts from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

/// All samples of a text, in its order.
///
/// # Errors
/// [`BadSample`] if a line is no comment or sample, a sample belongs to no family that was declared, has another
/// suffix than its type asks for, is there twice, or the text does not end with `# EOF`.
pub fn samples(text: &str) -> Result<Vec<Sample>, BadSample> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        reader.line(line).map_err(|reason| BadSample { line: at + 1, reason })?;
    }
    if !reader.over {
        let line = text.lines().count();
        return Err(BadSample { line, reason: "it does not end with `# EOF`" });
    }
    Ok(reader.samples)
}

#[derive(Default)]
struct Reader {
    /// Types of families, by name.
    families: BTreeMap<String, String>,
    family: String,
    seen: BTreeSet<String>,
    samples: Vec<Sample>,
    over: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if self.over {
            return Err("something follows `# EOF`");
        }
        let Some(comment) = line.strip_prefix("# ") else { return self.sample(line) };
        if comment == "EOF" {
            self.over = true;
            return Ok(());
        }
        let mut words = comment.splitn(3, ' ');
        let what = words.next().unwrap_or_default();
        let (Some(name), Some(rest)) = (words.next(), words.next()) else {
            return Err("a comment without a name or a text");
        };
        match what {
            "HELP" => Ok(()),
            "UNIT" if name.ends_with(&format!("_{rest}")) => Ok(()),
            "UNIT" => Err("the name does not end with the unit"),
            "TYPE" if !is_name(name) => Err("no name of a family"),
            "TYPE" if !["counter", "gauge", "histogram", "info"].contains(&rest) => {
                Err("an unknown type")
            }
            "TYPE" => {
                name.clone_into(&mut self.family);
                let before = self.families.insert(name.to_owned(), rest.to_owned());
                if before.is_some() { Err("a family is there twice") } else { Ok(()) }
            }
            _ => Err("an unknown comment"),
        }
    }

    fn sample(&mut self, line: &str) -> Result<(), &'static str> {
        let (key, value) = line.rsplit_once(' ').ok_or("a sample without a value")?;
        let value = value.parse().map_err(|_| "a value that is no number")?;
        let (name, labels) = match key.split_once('{') {
            Some((name, rest)) => {
                (name, labels(rest.strip_suffix('}').ok_or("labels without end")?)?)
            }
            None => (key, BTreeMap::new()),
        };
        let kind = self.families.get(&self.family).ok_or("a sample of no family")?.as_str();
        let suffix = name.strip_prefix(self.family.as_str()).ok_or("a sample of no family")?;
        let fits = match kind {
            "counter" => suffix == "_total",
            "gauge" => suffix.is_empty(),
            "info" => suffix == "_info",
            "histogram" if suffix == "_bucket" => labels.contains_key("le"),
            "histogram" => suffix == "_sum" || suffix == "_count",
            _ => false,
        };
        if !fits {
            return Err("a name that its type does not have");
        }
        if !self.seen.insert(key.to_owned()) {
            return Err("a sample is there twice");
        }
        self.samples.push(Sample { name: name.to_owned(), labels, value });
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    !name.is_empty()
        && name
            .bytes()
            .enumerate()
            .all(|(at, byte)| letter(byte) || (at > 0 && byte.is_ascii_digit()))
}

/// `a="b",c="d"`, with escapes.
fn labels(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) {
            return Err("no name of a label");
        }
        let (value, after) = quoted(after)?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err("a label is there twice");
        }
        rest = match after.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if after.is_empty() => after,
            _ => return Err("labels that are not parted by commas"),
        };
    }
    Ok(labels)
}

/// The text up to the closing quote, and what follows that.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next().ok_or("a quote is not closed")? {
            '"' => return Ok((value, letters.as_str())),
            '\\' => value.push(match letters.next() {
                Some('n') => '\n',
                Some(letter @ ('"' | '\\')) => letter,
                _ => return Err("an unknown escape"),
            }),
            letter => value.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# HELP a_b Help.\n# TYPE a_b counter\na_b_total{x=\"1,\\\"2\\\\\",y=\"\"} 3\n\
                    # HELP c_seconds Help.\n# TYPE c_seconds gauge\n# UNIT c_seconds seconds\n\
                    c_seconds 0.5\n# EOF\n";
        let read = samples(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].label("x"), read[0].label("y"), read[0].value), ("1,\"2\\", "", 3.0));
        assert_eq!((read[1].name.as_str(), read[1].value), ("c_seconds", 0.5));
    }

    #[test]
    fn what_is_not_in_the_format_is_an_error() {
        let gauge = "# HELP a Help.\n# TYPE a gauge\n";
        for (text, reason) in [
            ("", "it does not end with `# EOF`"),
            ("a 1\n# EOF\n", "a sample of no family"),
            ("# EOF\na 1\n", "something follows `# EOF`"),
            (&format!("{gauge}a 1\n"), "it does not end with `# EOF`"),
            (&format!("{gauge}a 1\na 2\n# EOF\n"), "a sample is there twice"),
            (&format!("{gauge}{gauge}# EOF\n"), "a family is there twice"),
            (&format!("{gauge}a_total 1\n# EOF\n"), "a name that its type does not have"),
            (&format!("{gauge}a one\n# EOF\n"), "a value that is no number"),
            (&format!("{gauge}a{{x=\"1\" 1\n# EOF\n"), "labels without end"),
            (&format!("{gauge}a{{x=\"1}} 1\n# EOF\n"), "a quote is not closed"),
            (
                &format!("{gauge}a{{x=\"1\"y=\"2\"}} 1\n# EOF\n"),
                "labels that are not parted by commas",
            ),
            (&format!("{gauge}a{{x=\"1\",x=\"2\"}} 1\n# EOF\n"), "a label is there twice"),
            ("# TYPE A gauge\n# EOF\n", "no name of a family"),
            ("# TYPE a thing\n# EOF\n", "an unknown type"),
            ("# UNIT a seconds\n# EOF\n", "the name does not end with the unit"),
            ("# NOTE a b\n# EOF\n", "an unknown comment"),
        ] {
            assert_eq!(samples(text).unwrap_err().reason, reason, "{text}");
        }
    }
}
