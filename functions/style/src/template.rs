//! SVG templates: documents into which trait and gauge values are put.
//!
//! The language is Jinja's, by minijinja, with a fuel so that expansion always ends. A value may stand in text and in
//! quoted attributes, where it is escaped for both; everywhere else (tag names, unquoted attributes, comments, style
//! sheets, `style`, `href` and event attributes) a template that puts one is refused when it is loaded, so no value
//! can ever become markup. What the expanded document may contain is the painter's to check.
//!
//! Numbers and maths are deterministic: `libm` instead of the platform's, floats written with at most four decimals,
//! and no `**`, which minijinja computes with the platform's `powf`.

use alloc::{borrow::ToOwned, boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};
use core::fmt;

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Value, ValueKind},
};

use crate::limits;
use iridule_records::seed::Seed;
use iridule_scene::color::Rgb;

/// Names that a template sees beside traits and gauges; no trait may take one.
pub const RESERVED: [&str; 26] = [
    "width",
    "height",
    "rand",
    "rand_int",
    "pick",
    "noise",
    "sin",
    "cos",
    "sqrt",
    "pow",
    "exp",
    "mix",
    "clamp",
    "smoothstep",
    "oklch",
    "pi",
    "loop",
    "range",
    "dict",
    "namespace",
    "debug",
    "self",
    "super",
    "caller",
    "true",
    "false",
];

/// A template, checked and compiled.
pub struct Template {
    environment: Environment<'static>,
    /// The names that it sets itself, anywhere.
    assigned: Vec<String>,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

/// The name of the one template in each environment.
const NAME: &str = "layer";

impl Template {
    /// Checks and compiles a template.
    ///
    /// # Errors
    /// A sentence with the line at fault.
    pub fn compile(source: &str) -> Result<Self, String> {
        check_contexts(source)?;
        let mut environment = environment();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| describe(&e))?);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|e| describe(&e))?;
        Ok(Self { environment, assigned: assigned(source) })
    }

    /// Checks that the template names nothing but `names` and what the language has.
    ///
    /// # Errors
    /// A sentence with the nearest name there is.
    pub fn check(&self, names: &[&str]) -> Result<(), String> {
        let template = self.environment.get_template(NAME).map_err(|e| describe(&e))?;
        // The analysis takes what is set in one branch for unknown behind it, where the language does not.
        let mut used = template.undeclared_variables(false);
        used.retain(|name| !self.assigned.contains(name));
        crate::expression::known(used, names)
    }

    /// Expands the template, with the values that [`values`] made, into at most this many bytes.
    ///
    /// # Errors
    /// A sentence with the line at fault: an unknown name, steps or space spent.
    pub fn expand(&self, values: &Value, most: u32) -> Result<Expanded, String> {
        let template = self.environment.get_template(NAME).map_err(|e| describe(&e))?;
        render(&template, values, most as usize)
    }
}

/// What templates and expressions see: names with their values, and the seed behind `rand` and its kin.
#[must_use]
pub fn values(named: BTreeMap<String, Value>, seed: Seed) -> Value {
    let mut named = named;
    named.insert(SEED.into(), Value::from_object(SeedValue(seed)));
    named.into()
}

/// The language: its functions, its fuel, its way to write values.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(limits::TEMPLATE_STEPS.into()));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(write_value);
    add_functions(&mut environment);
    environment
}

/// What a template came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// The steps that it took, at most [`limits::TEMPLATE_STEPS`].
    pub steps: u32,
}

/// Renders a template into at most this many bytes.
pub(crate) fn render(
    template: &minijinja::Template<'_, '_>,
    values: &Value,
    most: usize,
) -> Result<Expanded, String> {
    let mut output = Bounded { bytes: Vec::with_capacity(most.min(16 << 10)), most, full: false };
    let steps = match template.render_captured_to(values, &mut output) {
        Ok(captured) => captured.state().fuel_levels().map_or(0, |(steps, _)| steps),
        Err(_) if output.full => return Err(format!("it comes to more than {most} bytes")),
        Err(error) => return Err(describe(&error)),
    };
    let text = String::from_utf8(output.bytes).map_err(|_| "it is not UTF-8")?;
    Ok(Expanded { text, steps: steps.try_into().unwrap_or(u32::MAX) })
}

pub(crate) fn describe(error: &Error) -> String {
    let mut text = match error.line() {
        Some(line) => format!("line {line}: {error}"),
        None => format!("{error}"),
    };
    let mut cause = core::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// Output that refuses to grow past its limit.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    /// Whether something was refused.
    full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a value: floats short and the same everywhere, texts escaped for element content and quoted attributes.
pub(crate) fn write_value(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let failed = |_: fmt::Error| Error::new(ErrorKind::WriteFailure, "the document is too long");
    match value.kind() {
        ValueKind::Number => match i64::try_from(value.clone()) {
            Ok(whole) => write!(out, "{whole}").map_err(failed),
            Err(_) => {
                let number = f64::try_from(value.clone()).unwrap_or(f64::NAN);
                if !number.is_finite() {
                    return Err(Error::new(ErrorKind::BadSerialization, "a number here is not finite"));
                }
                let rounded = libm::round(number * 1e4) / 1e4;
                write!(out, "{}", if rounded == 0.0 { 0.0 } else { rounded }).map_err(failed)
            }
        },
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            for c in text.chars() {
                match c {
                    '&' => out.write_str("&amp;"),
                    '<' => out.write_str("&lt;"),
                    '>' => out.write_str("&gt;"),
                    '"' => out.write_str("&quot;"),
                    '\'' => out.write_str("&#39;"),
                    '\t' | '\n' => out.write_str(" "),
                    c if c.is_control() => Ok(()),
                    c => out.write_str(c.encode_utf8(&mut [0; 4])),
                }
                .map_err(failed)?;
            }
            Ok(())
        }
        ValueKind::Bool => write!(out, "{value}").map_err(failed),
        kind => Err(Error::new(
            ErrorKind::BadSerialization,
            format!("only numbers, texts and truth values can be written, not a {kind}"),
        )),
    }
}

/// The name of the seed among the values. No trait can have it: names begin with a letter.
const SEED: &str = "__seed";

/// The seed, as functions find it in the state.
#[derive(Debug)]
struct SeedValue(Seed);

impl minijinja::value::Object for SeedValue {}

fn seed_of(state: &State<'_, '_>) -> Result<Seed, Error> {
    state
        .lookup(SEED)
        .and_then(|value| value.downcast_object_ref::<SeedValue>().map(|seed| seed.0))
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no seed here"))
}

/// The functions of [`RESERVED`]. Angles are radians.
fn add_functions(environment: &mut Environment<'static>) {
    // rand(name, index = 0, from = 0, to = 1): a number in [from, to), the same wherever it is asked again.
    environment.add_function(
        "rand",
        |state: &State<'_, '_>, name: &str, index: Option<u64>, from: Option<f64>, to: Option<f64>| {
            let unit = seed_of(state)?.draw_nth(name, index.unwrap_or(0)).unit(0);
            let (from, to) = (from.unwrap_or(0.0), to.unwrap_or(1.0));
            Ok::<_, Error>(from + (to - from) * unit)
        },
    );
    // rand_int(name, index, from, to): a whole number in from..=to.
    environment.add_function(
        "rand_int",
        |state: &State<'_, '_>, name: &str, index: u64, from: i64, to: i64| {
            let count = u64::try_from(i128::from(to) - i128::from(from) + 1).ok().filter(|_| to >= from);
            let count = count
                .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "rand_int goes from low to high"))?;
            let offset = seed_of(state)?.draw_nth(name, index).below(count);
            Ok::<_, Error>(from.wrapping_add_unsigned(offset))
        },
    );
    // pick(name, index, list): one of a list.
    environment.add_function("pick", |state: &State<'_, '_>, name: &str, index: u64, list: Vec<Value>| {
        let at = seed_of(state)?.draw_nth(name, index).below(list.len() as u64);
        usize::try_from(at)
            .ok()
            .and_then(|at| list.get(at).cloned())
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "pick needs a list that is not empty"))
    });
    // noise(name, x): smooth value noise along a line, in [0, 1); whole x are independent.
    environment.add_function("noise", |state: &State<'_, '_>, name: &str, x: f64| {
        let seed = seed_of(state)?;
        let cell = libm::floor(x.clamp(-1e9, 1e9));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped; wraps below zero alike"
        )]
        let at = |cell: f64| seed.draw_nth(name, cell as i64 as u64).unit(1);
        let t = x.clamp(-1e9, 1e9) - cell;
        Ok::<_, Error>(at(cell) + (at(cell + 1.0) - at(cell)) * (t * t * (3.0 - 2.0 * t)))
    });
    environment.add_function("sin", |x: f64| libm::sin(x));
    environment.add_function("cos", |x: f64| libm::cos(x));
    environment.add_function("sqrt", |x: f64| libm::sqrt(x));
    environment.add_function("exp", |x: f64| libm::exp(x));
    environment.add_function("pow", |x: f64, y: f64| libm::pow(x, y));
    environment.add_function("mix", |a: f64, b: f64, t: f64| a + (b - a) * t);
    environment.add_function("clamp", |x: f64, low: f64, high: f64| x.max(low).min(high));
    environment.add_function("smoothstep", |low: f64, high: f64, x: f64| {
        let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
        t * t * (3.0 - 2.0 * t)
    });
    environment.add_function("oklch", |l: f64, c: f64, h: f64| format!("{}", Rgb::from_oklch(l, c, h)));
    environment.add_global("pi", core::f64::consts::PI);
}

/// The names that a template sets.
fn assigned(source: &str) -> Vec<String> {
    let tags = source.split("{%").skip(1).filter(|tag| is_word(tag, "set"));
    let names =
        tags.filter_map(|tag| tag.trim_start_matches(['-', '+', ' ']).strip_prefix("set")?.split('=').next());
    names.flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// Where in the markup a character stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Context {
    Text,
    /// Inside `<…>`, outside quotes; the word being read.
    Tag {
        word: String,
    },
    /// Inside a quoted attribute of this name.
    Attribute {
        name: String,
        quote: char,
    },
    /// Inside a construct that takes no value, up to these characters.
    Closed {
        until: &'static str,
        what: &'static str,
    },
}

/// Walks the template as markup and refuses every place where a value could become markup or style.
fn check_contexts(source: &str) -> Result<(), String> {
    let mut context = Context::Text;
    let mut element = String::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let line = || source[..source.len() - rest.len()].matches('\n').count() + 1;
        let fail = |why: &str| Err(format!("line {}: {why}", line()));
        if let Some(end) = ["{{", "{%", "{#"].iter().position(|open| rest.starts_with(open)) {
            let close = ["}}", "%}", "#}"][end];
            let Some((inside, after)) = rest[2..].split_once(close) else {
                return fail(&format!("no {close} closes this"));
            };
            if end != 2 && ends_in_string(inside) {
                return fail(&format!("a text here must not hold {close}"));
            }
            if end != 2 && inside.contains("**") {
                return fail("write pow(x, y) instead of x ** y, which differs between hosts");
            }
            if end != 2 && ["{%", "{{"].iter().any(|open| inside.contains(open)) {
                return fail(&format!("no {close} closes this"));
            }
            if end == 1 && ["raw", "include", "import", "extends", "from"].iter().any(|w| is_word(inside, w))
            {
                return fail("this tag is not part of the template language here");
            }
            if end == 0 {
                match &context {
                    Context::Text if element != "style" && element != "script" => {}
                    Context::Text => return fail("a value cannot stand inside a style sheet or script"),
                    Context::Tag { .. } => return fail("a value in a tag stands inside a quoted attribute"),
                    Context::Closed { what, .. } => {
                        return fail(&format!("a value cannot stand inside a {what}"));
                    }
                    Context::Attribute { name, .. } if is_sensitive(name) => {
                        return fail(&format!(
                            "a value cannot stand in {name}=…; use presentation attributes"
                        ));
                    }
                    Context::Attribute { .. } => {}
                }
            }
            rest = after;
            continue;
        }
        match &mut context {
            Context::Text if c == '<' => {
                context = if rest.starts_with("<!--") {
                    Context::Closed { until: "-->", what: "comment" }
                } else if rest.starts_with("<![CDATA[") {
                    Context::Closed { until: "]]>", what: "CDATA section" }
                } else if rest.starts_with("<?") {
                    Context::Closed { until: "?>", what: "processing instruction" }
                } else if rest.starts_with("<!") {
                    return fail("a document type has no place in a layer");
                } else {
                    let name: String =
                        rest[1..].chars().take_while(|c| !c.is_whitespace() && !"/>{".contains(*c)).collect();
                    element = name;
                    Context::Tag { word: String::new() }
                };
            }
            Context::Text => {}
            Context::Tag { word } => match c {
                '>' => context = Context::Text,
                '"' | '\'' => context = Context::Attribute { name: core::mem::take(word), quote: c },
                '=' => {}
                c if c.is_whitespace() => {
                    if !rest.trim_start().starts_with(['=', '"', '\'']) {
                        word.clear();
                    }
                }
                c => word.push(c),
            },
            Context::Attribute { quote, .. } if c == *quote => context = Context::Tag { word: String::new() },
            Context::Attribute { .. } => {}
            Context::Closed { until, .. } => {
                if let Some(after) = rest.strip_prefix(*until) {
                    rest = after;
                    context = Context::Text;
                    continue;
                }
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    Ok(())
}

/// Whether an expression breaks off inside a quoted text, so that its end was no end.
fn ends_in_string(expression: &str) -> bool {
    let mut quote = None;
    let mut characters = expression.chars();
    while let Some(c) = characters.next() {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(_) if c == '\\' => _ = characters.next(),
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    quote.is_some()
}

fn is_word(tag: &str, word: &str) -> bool {
    tag.trim_start_matches(['-', '+']).split_whitespace().next() == Some(word)
}

/// Attributes whose text is a language of its own.
fn is_sensitive(name: &str) -> bool {
    let name: Box<str> = name.to_ascii_lowercase().into();
    let local = name.rsplit(':').next().unwrap_or_default();
    matches!(local, "style" | "href" | "src" | "base") || name.starts_with("on") || name.starts_with("xmlns")
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;
    use proptest::prelude::*;

    /// Longest document here, bytes.
    const MOST: u32 = 1 << 20;

    fn expand(source: &str, context: Value) -> Result<String, String> {
        let named =
            context.try_iter().unwrap().map(|name| (name.to_string(), context.get_item(&name).unwrap()));
        Template::compile(source)?
            .expand(&values(named.collect(), Seed([7; 32].into())), MOST)
            .map(|all| all.text)
    }

    #[test]
    fn values_are_escaped_in_text_and_attributes() {
        let values = context! { t => "a<b>&\"'\n" };
        let out = expand("<text x=\"{{ t }}\" y='{{ t }}'>{{ t }}</text>", values).unwrap();
        let e = "a&lt;b&gt;&amp;&quot;&#39; ";
        assert_eq!(out, format!("<text x=\"{e}\" y='{e}'>{e}</text>"));
    }

    #[test]
    fn places_that_are_no_value_s_are_refused_with_their_line() {
        for (source, word) in [
            ("<{{ t }} x='1'/>", "quoted attribute"),
            ("<g x={{ t }}/>", "quoted attribute"),
            ("<g {{ t }}='1'/>", "quoted attribute"),
            ("<!-- {{ t }} -->", "comment"),
            ("<![CDATA[ {{ t }} ]]>", "CDATA"),
            ("<?xml {{ t }}?>", "processing instruction"),
            ("<style>a {{ t }}</style>", "style sheet"),
            ("<g style='fill:{{ t }}'/>", "style"),
            ("<a xlink:href = '{{ t }}'/>", "href"),
            ("<g onclick=\"{{ t }}\"/>", "onclick"),
            ("<!DOCTYPE svg>", "document type"),
            ("{% include 'x' %}", "not part"),
            ("{% raw %}<{{ t }}>{% endraw %}", "not part"),
            ("{{ t ** 2 }}", "pow"),
            ("<g>{{ t </g>", "closes"),
            ("<g>{%}</g>", "closes"),
            ("<g x=\"{{ '}}' }}\"/>", "must not hold"),
        ] {
            let error = expand(&format!("<svg>\n{source}"), context! { t => "v" }).unwrap_err();
            assert!(error.contains(word) && error.starts_with("line 2"), "{source}: {error}");
        }
    }

    #[test]
    fn numbers_are_short_and_finite() {
        assert_eq!(
            expand("{{ 1.0 / 3.0 }} {{ -0.00001 }} {{ 2.0 }} {{ 7 }}", context! {}).unwrap(),
            "0.3333 0 2 7"
        );
        assert!(expand("{{ exp(9999) }}", context! {}).unwrap_err().contains("finite"));
    }

    #[test]
    fn a_typo_is_told_with_the_nearest_name() {
        let template =
            Template::compile("{% if a %}{% set x = 1 %}{% else %}{% set x = b %}{% endif %}{{ x }}");
        assert_eq!(template.as_ref().unwrap().check(&["a", "b"]), Ok(()));
        assert!(template.unwrap().check(&["a", "blue"]).unwrap_err().contains("\"b\""));
        let typo = Template::compile("{{ palete }}").unwrap().check(&["palette"]).unwrap_err();
        assert!(typo.contains("did you mean \"palette\""), "{typo}");
    }

    #[test]
    fn draws_repeat_and_stay_in_range() {
        let a = expand(
            "{% for i in range(9) %}{{ rand('x', i, 2, 3) }} {{ rand_int('n', i, -2, 2) }} {% endfor %}",
            context! {},
        );
        let b = expand(
            "{% for i in range(9) %}{{ rand('x', i, 2, 3) }} {{ rand_int('n', i, -2, 2) }} {% endfor %}",
            context! {},
        );
        assert_eq!(a, b);
        for pair in a.unwrap().split_whitespace().collect::<Vec<_>>().chunks(2) {
            assert!((2.0..3.0).contains(&pair[0].parse::<f64>().unwrap()));
            assert!((-2..=2).contains(&pair[1].parse::<i64>().unwrap()));
        }
    }

    #[test]
    fn expansion_always_ends() {
        let endless = "{% for i in range(99999) %}{% for j in range(99999) %}{{ j }}{% endfor %}{% endfor %}";
        assert!(expand(endless, context! {}).is_err());
        let long = "{% for i in range(90000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}";
        assert!(expand(long, context! {}).is_err());
        assert!(expand("{{ nobody }}", context! {}).unwrap_err().contains("line 1"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_checker(source in "[-<>{}%#'\"= a-z/!?\\[\\]é\n]{0,60}") {
            if let Ok(template) = Template::compile(&source) {
                let _ = template.expand(&values(BTreeMap::new(), Seed([1; 32].into())), MOST);
            }
        }

        #[test]
        fn a_value_never_becomes_markup(value: String) {
            let out = expand("<g id=\"{{ v }}\">{{ v }}</g>", context! { v => value }).unwrap();
            prop_assert_eq!(out.matches('<').count(), 2);
            prop_assert_eq!(out.matches('"').count(), 2);
        }
    }
}
