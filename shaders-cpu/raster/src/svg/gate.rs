//! The door for documents: which XML is admitted at all.
//!
//! What is not listed is refused, so that a new element in a library cannot widen the door. What painting costs is
//! looked at later, in [`super::bounds`]; here it is what *resolving* costs, since references let a short document
//! stand for a long one.

use std::collections::{HashMap, hash_map::Entry};

use resvg::usvg::roxmltree::{self, Document, Node, NodeId, ParsingOptions};

use super::{Fault, scan};

/// Deepest nesting, counting each followed reference as a child.
pub const NESTING: u32 = 64;
/// How many times its declared elements a document may come to once every reference is followed, with paint
/// servers, clips and masks counted for each shape that they serve.
pub const RESOLVED_SHARE: u64 = 16;
/// Most characters of text, references followed.
pub const CHARACTERS: u64 = 10_000;
/// Largest magnitude of a number, in whatever unit it is written.
pub const MAGNITUDE: f64 = 1e6;

const SVG: &str = "http://www.w3.org/2000/svg";

/// The elements that are admitted. Left out on purpose: what runs or loads (`script`, `foreignObject`, `image`,
/// `feImage`, `a`), what repeats itself per vertex (`marker`), what matches everything against everything (`style`),
/// text along paths, animation, and the filters whose cost has no bound in their region's size.
const ELEMENTS: [&str; 41] = [
    "svg",
    "g",
    "defs",
    "symbol",
    "use",
    "switch",
    "title",
    "desc",
    "metadata",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "linearGradient",
    "radialGradient",
    "stop",
    "pattern",
    "clipPath",
    "mask",
    "filter",
    "feBlend",
    "feColorMatrix",
    "feComponentTransfer",
    "feComposite",
    "feDropShadow",
    "feFlood",
    "feFuncA",
    "feFuncB",
    "feFuncG",
    "feFuncR",
    "feGaussianBlur",
    "feMerge",
    "feMergeNode",
    "feOffset",
    "feTile",
    "view",
];

/// Elements whose content is painted for the shapes that refer to them.
const SERVERS: [&str; 4] = ["pattern", "clipPath", "mask", "filter"];

/// Attributes whose values are names or words, not numbers.
const WORDS: [&str; 6] = ["id", "class", "font-family", "lang", "space", "result"];

/// Parses a document and refuses what is not admitted. `elements` is the most elements it may have, with each copy
/// that a `use` makes counted.
///
/// # Errors
/// A [`Fault`] with line and element.
pub fn admit(text: &str, elements: u32) -> Result<Document<'_>, Fault> {
    scan::look_over(text)?;
    // Between two elements there is at most one text or comment that a sane document needs.
    let nodes_limit = elements.saturating_mul(4).saturating_add(256);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| Fault {
        line: Some(error.pos().row),
        element: String::new(),
        why: match error {
            roxmltree::Error::NodesLimitReached => over_elements(elements),
            error => error.to_string(),
        },
    })?;
    let mut gate = Gate { document: &document, ids: HashMap::new(), sizes: HashMap::new() };
    gate.look_at_each(elements)?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" {
        return Err(gate.fault(root, "the outermost element is svg"));
    }
    let size = gate.measure(root, 1)?;
    if size.drawn > u64::from(elements) {
        return Err(gate.fault(root, &over_elements(elements)));
    }
    if size.resolved > u64::from(elements).saturating_mul(RESOLVED_SHARE) {
        return Err(gate.fault(root, "its references multiply to more than 16 times its declared elements"));
    }
    if size.characters > CHARACTERS {
        return Err(gate.fault(root, "more than 10000 characters of text"));
    }
    Ok(document)
}

fn over_elements(elements: u32) -> String {
    format!("more than the {elements} elements that the layer declares")
}

struct Gate<'a, 'input> {
    document: &'a Document<'input>,
    ids: HashMap<&'a str, Node<'a, 'input>>,
    /// What each measured element comes to; none while it is being measured, so that a cycle is seen.
    sizes: HashMap<NodeId, Option<Size>>,
}

/// What an element comes to once its references are followed.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Elements, with the copies of `use`.
    drawn: u64,
    /// Elements, with the copies of `use` and of everything that shapes are served by.
    resolved: u64,
    /// Characters of text.
    characters: u64,
    /// Levels, itself included.
    height: u32,
}

impl<'a, 'input> Gate<'a, 'input> {
    fn fault(&self, node: Node<'_, '_>, why: &str) -> Fault {
        Fault {
            line: Some(self.document.text_pos_at(node.range().start).row),
            element: format!("<{}>", node.tag_name().name()),
            why: why.into(),
        }
    }

    /// Looks at each element and attribute by itself, and collects the ids.
    fn look_at_each(&mut self, elements: u32) -> Result<(), Fault> {
        let mut count = 0;
        for node in self.document.descendants().filter(Node::is_element) {
            count += 1;
            if count > elements {
                return Err(self.fault(node, &over_elements(elements)));
            }
            let name = node.tag_name();
            if !matches!(name.namespace(), None | Some(SVG)) || !ELEMENTS.contains(&name.name()) {
                return Err(self.fault(node, "this element is not admitted"));
            }
            // What a server's content inherits could be the server itself, which resolving would follow for ever.
            if SERVERS.contains(&name.name()) && node.ancestors().skip(1).any(refers) {
                return Err(self.fault(
                    node,
                    "what stands around it refers to paint, a clip, a mask or a filter; move it to defs",
                ));
            }
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                look_at(name, value).map_err(|why| self.fault(node, &format!("{name}: {why}")))?;
                if name == "id" {
                    match self.ids.entry(value) {
                        Entry::Occupied(_) => {
                            return Err(self.fault(node, &format!("id {value:?} is given twice")));
                        }
                        Entry::Vacant(slot) => slot.insert(node),
                    };
                }
            }
        }
        Ok(())
    }

    /// Measures an element and everything it stands for, each element once.
    fn measure(&mut self, node: Node<'a, 'input>, depth: u32) -> Result<Size, Fault> {
        if depth > NESTING {
            return Err(self.fault(node, "elements and references are nested more than 64 deep"));
        }
        match self.sizes.get(&node.id()) {
            Some(None) => return Err(self.fault(node, "it refers to itself, directly or through others")),
            Some(Some(size)) if depth + size.height > NESTING + 1 => {
                return Err(self.fault(node, "elements and references are nested more than 64 deep"));
            }
            Some(Some(size)) => return Ok(*size),
            None => self.sizes.insert(node.id(), None),
        };
        let mut size = Size { drawn: 1, resolved: 1, ..Size::default() };
        for child in node.children() {
            if child.is_element() {
                size.add(self.measure(child, depth + 1)?);
            } else if let Some(text) =
                child.text().filter(|_| matches!(node.tag_name().name(), "text" | "tspan"))
            {
                size.characters = size.characters.saturating_add(text.chars().count() as u64);
            }
        }
        // Inherited paint is resolved anew for each shape within.
        let within = size.resolved;
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let copies = match name {
                "href" if node.tag_name().name() == "use" => {
                    if let Some(target) = self.ids.get(iri(value)).copied() {
                        size.add(self.measure(target, depth + 1)?);
                    }
                    continue;
                }
                "fill" | "stroke" | "style" => within,
                _ => 1,
            };
            for id in fragments(name, value) {
                let Some(target) = self.ids.get(id).copied() else { continue };
                let served = self.measure(target, depth + 1)?;
                size.resolved = size.resolved.saturating_add(served.resolved.saturating_mul(copies));
                size.characters = size.characters.saturating_add(served.characters.saturating_mul(copies));
                size.height = size.height.max(served.height);
            }
        }
        size.height += 1;
        self.sizes.insert(node.id(), Some(size));
        Ok(size)
    }
}

impl Size {
    fn add(&mut self, other: Self) {
        self.drawn = self.drawn.saturating_add(other.drawn);
        self.resolved = self.resolved.saturating_add(other.resolved);
        self.characters = self.characters.saturating_add(other.characters);
        self.height = self.height.max(other.height);
    }
}

/// Whether an element refers to paint, a clip, a mask or a filter.
fn refers(node: Node<'_, '_>) -> bool {
    node.attributes().any(|attribute| attribute.value().contains("url("))
}

/// The id in `#id`, read as the library below reads it: white space around it, and one `#`. An id that itself holds one
/// of them would be read in two ways, so [`is_plain_id`] refuses it.
fn iri(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('#').unwrap_or(value)
}

/// Whether an id can be referred to in one way only.
fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && !id.contains(|c: char| c.is_whitespace() || matches!(c, '#' | '(' | ')' | '"' | '\''))
}

/// The ids that an attribute refers to: `#a` in `href`, and each `url(#a)` elsewhere.
fn fragments<'v>(name: &str, value: &'v str) -> impl Iterator<Item = &'v str> {
    let link = (name == "href").then(|| iri(value));
    let urls = (name != "href" && value.contains('(')).then(|| value.split("url(").skip(1));
    let trimmed = |rest: &'v str| {
        let inside = rest.split(')').next().unwrap_or_default();
        iri(inside.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')))
    };
    link.into_iter().chain(urls.into_iter().flatten().map(trimmed))
}

/// Looks at one attribute: no events, nothing from outside the document, no number beyond bounds.
fn look_at(name: &str, value: &str) -> Result<(), &'static str> {
    if name.len() > 2 && name.as_bytes()[..2].eq_ignore_ascii_case(b"on") {
        return Err("events have no place in a picture");
    }
    if name == "href" && !value.trim_start().starts_with('#') {
        return Err("a reference points to #id within the document");
    }
    if name == "id" && !is_plain_id(value) {
        return Err("an id has no white space, quotes, brackets or #");
    }
    if value.contains('\\') && !WORDS.contains(&name) {
        return Err("escapes are not admitted");
    }
    if value.as_bytes().contains(&b'(') && !refers_inside(value) {
        return Err("url() points to #id within the document");
    }
    if value.contains("@import") {
        return Err("nothing is imported");
    }
    if !WORDS.contains(&name) && !numbers_in_bounds(value.as_bytes()) {
        return Err("a number is beyond ±1000000");
    }
    Ok(())
}

/// Whether each `url(` is written in lower case and points to a fragment.
fn refers_inside(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.windows(4).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(b"url(")).all(|(at, word)| {
        let rest = value[at + 4..].trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        word == b"url(" && rest.starts_with('#')
    })
}

/// Whether each number in an attribute is at most [`MAGNITUDE`]. Names behind a `#` are passed over.
fn numbers_in_bounds(value: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        if *byte == b'#' {
            at += 1 + value[at + 1..]
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                .count();
            continue;
        }
        if !byte.is_ascii_digit() {
            at += 1;
            continue;
        }
        let digits =
            |from: usize| value[from.min(value.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let start = at;
        at += digits(at);
        let whole = at - start;
        if value.get(at) == Some(&b'.') {
            at += 1 + digits(at + 1);
        }
        let mut exponent = false;
        if matches!(value.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(value.get(at + 1), Some(b'+' | b'-')));
            let length = digits(at + 1 + sign);
            if length > 0 {
                exponent = true;
                at += 1 + sign + length;
            }
        }
        // Six digits before the point are below the bound whatever they are; only longer ones are worth parsing.
        if whole > 6 || exponent {
            let number =
                core::str::from_utf8(&value[start..at]).ok().and_then(|text| text.parse::<f64>().ok());
            if !number.is_some_and(|number| number <= MAGNITUDE) {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(body: &str) -> String {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\">\n{body}</svg>"
        );
        admit(&text, 100).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn what_runs_or_loads_is_refused_with_its_line() {
        for (body, part) in [
            ("<script/>", "line 2: <script>: this element"),
            ("<g>\n<foreignObject/></g>", "line 3: <foreignObject>"),
            ("<image href='#a'/>", "<image>"),
            ("<feImage/>", "<feImage>"),
            ("<style>a{}</style>", "<style>"),
            ("<marker/>", "<marker>"),
            ("<a/>", "<a>"),
            ("<x:g xmlns:x='urn:x'/>", "<g>: this element"),
            ("<g onclick='x'/>", "onclick: events"),
            ("<use href='http://x/#a'/>", "points to #id"),
            ("<use xlink:href='data:,'/>", "points to #id"),
            ("<g fill='url(http://x/#a)'/>", "url() points"),
            ("<g fill='URL(#a)'/>", "url() points"),
            ("<g style='fill:u\\72l(x)'/>", "escapes"),
            ("<g style='@import \"x\"'/>", "imported"),
            ("<g id='a'/><g id='a'/>", "given twice"),
            ("<path d='M0 0H1e9'/>", "beyond"),
            ("<path d='M0 0H-1234567.5'/>", "beyond"),
            ("<g transform='scale(1e+7)'/>", "beyond"),
        ] {
            assert!(refusal(body).contains(part), "{body}: {}", refusal(body));
        }
        assert!(admit("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", 9).is_err());
        assert!(admit("<g/>", 9).is_err());
    }

    #[test]
    fn references_are_counted_before_they_are_followed() {
        let deep = format!("{}{}", "<g>".repeat(64), "</g>".repeat(64));
        assert!(refusal(&deep).contains("nested"), "{}", refusal(&deep));
        assert!(refusal("<g id='a'><use href='#a'/></g>").contains("itself"));
        assert!(refusal("<pattern id='a'><rect fill='url(#a)'/></pattern>").contains("itself"));
        assert!(refusal("<use id='a' href='#b'/><use id='b' href='#a'/>").contains("itself"));
        let doubling: String = (0..8)
            .map(|i| format!("<g id='n{}'><use href='#n{i}'/><use href='#n{i}'/></g>", i + 1))
            .collect();
        assert!(refusal(&format!("<g id='n0'/>{doubling}")).contains("more than the 100 elements"));
        let served: String = (0..20).map(|_| "<rect/>").collect();
        let pattern: String = (0..40).map(|_| "<path/>").collect();
        let text = format!(
            "<pattern id='p'>{pattern}</pattern><g><g fill='url(#p)'>{served}</g><g fill='url(#p)'>{served}</g></g>"
        );
        assert!(refusal(&text).contains("multiply"));
    }

    #[test]
    fn colours_and_names_are_no_numbers() {
        for body in
            ["<g fill='#1e9999' id='x1e99'/>", "<g fill='url(#p1e99)'/>", "<path d='M1e-9 123456.789e-3'/>"]
        {
            let text = format!("<svg>{body}</svg>");
            assert!(admit(&text, 9).is_ok(), "{body}: {:?}", admit(&text, 9).map(drop));
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_gate(body in "[-<>/a-z #='\"()0-9.:;&eé\n]{0,200}") {
            let _ = admit(&format!("<svg>{body}</svg>"), 50);
        }

        #[test]
        fn a_number_in_bounds_is_seen_to_be(number in -1e6f64..=1e6) {
            let (inside, outside) = (format!("M{number} {number:e}"), format!("M{}", number.abs() + 1.1e6));
            prop_assert!(numbers_in_bounds(inside.as_bytes()));
            prop_assert!(!numbers_in_bounds(outside.as_bytes()));
        }
    }
}
