//! A look over a document before it is parsed: what would make the XML parser slow, or a stack deep.
//!
//! The parser compares each namespace declaration and each attribute of an element with all others of that element, and
//! each prefix with all namespaces in scope: 65 kB of declarations on one element take it seconds, 480 kB minutes. So these
//! are counted first, in one pass over the bytes and without memory that grows with the document.
//!
//! This is no parser. It reads tags as the parser does for as long as they are well-formed, and where they are not, the
//! parser stops too.

use super::{Fault, gate::NESTING};

/// Most attributes of one element, namespace declarations among them.
pub const ATTRIBUTES: usize = 256;
/// Most different namespace prefixes that a document declares. Editors declare about a dozen.
pub const PREFIXES: usize = 64;

/// Refuses a document that would be slow to parse, or that is nested too deep.
///
/// # Errors
/// A [`Fault`] with line and element.
pub fn look_over(text: &str) -> Result<(), Fault> {
    let mut prefixes: Vec<&str> = Vec::new();
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(found) = text[at..].find('<') {
        let start = at + found;
        let rest = &text[start..];
        let past = |mark: &str, end: &str| {
            rest.starts_with(mark).then(|| rest[mark.len()..].find(end).map(|to| mark.len() + to + end.len()))
        };
        let skipped = past("<!--", "-->")
            .or_else(|| past("<![CDATA[", "]]>"))
            .or_else(|| past("<?", "?>"))
            .or_else(|| past("</", ">").inspect(|_| depth = depth.saturating_sub(1)));
        if let Some(length) = skipped {
            // What has no end is not well-formed.
            let Some(length) = length else { return Ok(()) };
            at = start + length;
            continue;
        }
        if rest.starts_with("<!") {
            // A document type, which the parser refuses at once.
            return Ok(());
        }
        let fault = |why: &str| Fault {
            line: u32::try_from(1 + text[..start].matches('\n').count()).ok(),
            element: format!("<{}>", name(rest)),
            why: why.into(),
        };
        let mut attributes = 0;
        let tag = Tag::read(rest, |name| {
            attributes += 1;
            if name.starts_with("xmlns") && prefixes.len() <= PREFIXES && !prefixes.contains(&name) {
                prefixes.push(name);
            }
            attributes <= ATTRIBUTES && prefixes.len() <= PREFIXES
        });
        let Some(tag) = tag else { return Ok(()) };
        if attributes > ATTRIBUTES {
            return Err(fault("more than 256 attributes"));
        }
        if prefixes.len() > PREFIXES {
            return Err(fault("the document declares more than 64 namespaces"));
        }
        if depth >= NESTING {
            return Err(fault("elements and references are nested more than 64 deep"));
        }
        depth += u32::from(!tag.is_empty);
        at = start + tag.length;
    }
    Ok(())
}

/// The name of the element whose tag this text begins with; the first bytes of it.
fn name(tag: &str) -> &str {
    let name = tag[1..]
        .split(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '<'))
        .next()
        .unwrap_or_default();
    &name[..name.floor_char_boundary(32)]
}

/// A start tag, or that of an element without content.
struct Tag {
    length: usize,
    is_empty: bool,
}

impl Tag {
    /// Reads the tag that a text begins with, and tells the name of each attribute until `more` says that it is enough.
    /// None where the tag has no end.
    fn read<'t>(text: &'t str, mut more: impl FnMut(&'t str) -> bool) -> Option<Self> {
        let bytes = text.as_bytes();
        // The last word outside of quotes.
        let (mut word, mut in_word) = (1..1, true);
        let mut at = 1;
        loop {
            match *bytes.get(at)? {
                b'>' => return Some(Self { length: at + 1, is_empty: bytes[at - 1] == b'/' }),
                quote @ (b'"' | b'\'') => {
                    at += 1 + text[at + 1..].find(char::from(quote))?;
                    in_word = false;
                }
                b'=' => {
                    if !more(&text[word.clone()]) {
                        return Some(Self { length: at + 1, is_empty: true });
                    }
                    in_word = false;
                }
                byte if byte.is_ascii_whitespace() => in_word = false,
                _ => {
                    word = if in_word { word.start..at + 1 } else { at..at + 1 };
                    in_word = true;
                }
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Instant};

    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        look_over(text).map_or_else(|fault| fault.to_string(), |()| String::new())
    }

    fn declarations(count: usize) -> String {
        (0..count).fold(String::new(), |mut all, number| {
            let _ = write!(all, " xmlns:n{number}='u{number}'");
            all
        })
    }

    #[test]
    fn what_would_be_slow_to_parse_is_refused_before_it_is_parsed() {
        let many = declarations(4000);
        let each: String = (0..400).map(|n| format!("<g xmlns:n{n}='u'>")).collect();
        let attributes: String = (0..20_000).map(|n| format!(" a{n}=''")).collect();
        let started = Instant::now();
        for (text, why) in [
            (format!("<svg{many}/>"), "namespaces"),
            (format!("<svg>\n<g {many}></g></svg>"), "line 2: <g>: the document declares more than 64"),
            (format!("<svg>{}</svg>", each.replace('>', "/>")), "namespaces"),
            (format!("<svg{attributes}/>"), "more than 256 attributes"),
            (format!("<svg>{}", "<g>".repeat(100_000)), "nested more than 64 deep"),
            (format!("<svg>{}", "<g a='/>' b=\"</g>\">".repeat(100_000)), "nested more than 64 deep"),
            (format!("<svg\n xmlns:a = 'x'{}>", declarations(64)), "namespaces"),
        ] {
            assert!(refusal(&text).contains(why), "{why}: {}", refusal(&text));
            assert!(super::super::gate::admit(&text, 20_000).is_err());
        }
        assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    }

    #[test]
    fn what_editors_write_is_no_trouble() {
        for text in [
            format!(
                "<svg xmlns='x'{}>{}</svg>",
                declarations(63),
                "<g xmlns='x' xmlns:n1='u'/>".repeat(5000)
            ),
            format!("<!-- {0} --><svg><![CDATA[<g {0}>]]>{0}</svg>", declarations(99)),
            format!("<?xml {0} ?><svg a='{1}'/>", declarations(99), "xmlns:a=b <g> ".repeat(999)),
            "<g>".repeat(64) + &"</g>".repeat(64),
            "<g></g><g/>".repeat(1000),
            format!("<svg a{0}={0}''{0}>", " ".repeat(1 << 20)),
        ] {
            assert_eq!(refusal(&text), "");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it_or_makes_it_read_twice(text in "[-<>/a-z='\"!?\\[\\] &é\n]{0,300}") {
            let _ = look_over(&text);
        }

        #[test]
        fn every_attribute_that_the_parser_finds_is_counted(
            names in prop::collection::btree_set("[a-wé]{1,5}", 0..9),
            space in "[ \n]{1,2}",
            value in "[^<&\"]{0,9}",
        ) {
            let written: String = names.iter().map(|name| format!("{space}{name} =\n\"{value}\"")).collect();
            let text = format!("<svg{written} />");
            let document = resvg::usvg::roxmltree::Document::parse(&text);
            prop_assume!(document.is_ok());
            let mut counted = Vec::new();
            let tag = Tag::read(&text, |name| {
                counted.push(name);
                true
            });
            prop_assert!(tag.is_some_and(|tag| tag.is_empty && tag.length == text.len()));
            prop_assert_eq!(counted, names.iter().collect::<Vec<_>>());
        }
    }
}
