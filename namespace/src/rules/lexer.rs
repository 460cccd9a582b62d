//! Lines and words of a rules file.

/// The words of one line, up to a comment.
///
/// # Errors
/// Why the line has no words: a sentence for a person.
pub(super) fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest = &rest[blanks..];
        let (word, behind) = match rest.first() {
            None | Some(b'#') => return Ok(words),
            Some(b'"') => quoted(&rest[1..])?,
            Some(_) => plain(rest)?,
        };
        words.push(word);
        rest = behind;
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t' || byte == b'\r'
}

type Word<'a> = (Vec<u8>, &'a [u8]);

fn plain(text: &[u8]) -> Result<Word<'_>, &'static str> {
    let end = text.iter().position(|byte| is_blank(*byte));
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    if word.contains(&b'"') {
        return Err("a quote inside a word");
    }
    Ok((word.to_vec(), rest))
}

/// What follows an opening quote.
fn quoted(text: &[u8]) -> Result<Word<'_>, &'static str> {
    let mut word = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let rest = &text[at + 1..];
                return match rest.first() {
                    Some(byte) if !is_blank(*byte) => Err("no blank behind a quoted word"),
                    _ => Ok((word, rest)),
                };
            }
            b'\\' => match bytes.next() {
                Some((_, byte @ (b'"' | b'\\'))) => word.push(*byte),
                _ => return Err("a backslash stands before neither a quote nor a backslash"),
            },
            byte => word.push(*byte),
        }
    }
    Err("a quote that does not end")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_end_at_blanks_and_lines_at_comments() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("  # all of it", &[]),
            ("a\tb  c#d #e\r", &["a", "b", "c#d"]),
            ("\"a # b\" c", &["a # b", "c"]),
            (r#""a\"b\\""#, &[r#"a"b\"#]),
            ("\"\" x\r", &["", "x"]),
        ];
        for (line, expected) in cases {
            let found = words(line.as_bytes()).unwrap();
            let expected: Vec<_> = expected.iter().map(|word| word.as_bytes()).collect();
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn quotes_are_complete_or_refused() {
        for line in ["\"a", "\"a\"b", "a\"b", r#""\n""#, "\"\\"] {
            assert!(words(line.as_bytes()).is_err(), "{line}");
        }
    }
}
