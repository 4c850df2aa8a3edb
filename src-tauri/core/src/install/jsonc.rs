//! Edits of JSON text, with comments and trailing commas, that leave every other byte as it is. Each edit
//! undoes another exactly; an empty object or list that was filled needs the text from before for that.

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{Array, Object, Value},
    common::Ranged,
    parse_to_ast,
};

use super::{
    Wrong,
    tree::{Layout, Style, Tree, member},
};

/// Names from the top of the file to an object or list.
pub type Path<'a> = &'a [&'a str];

const fn options(comments: bool, trailing_commas: bool) -> ParseOptions {
    ParseOptions {
        allow_comments: comments,
        allow_trailing_commas: trailing_commas,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// The line of the first comment or trailing comma, where those are not allowed.
pub fn line_beyond(text: &str, comments: bool, trailing_commas: bool) -> Option<usize> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options(comments, trailing_commas));
    parsed.err().map(|error| error.line_display())
}

/// The value of a file; `None` where there is nothing but white space and comments.
pub fn parse(text: &str) -> Result<Option<Value<'_>>, Wrong> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options(true, true)).map_err(|error| {
        Wrong::Malformed { line: error.line_display(), why: error.kind().to_string().to_lowercase() }
    })?;
    match parsed.value {
        Some(Value::Object(_)) | None => Ok(parsed.value),
        Some(other) => Err(Wrong::Shape {
            line: line_of(text, other.start()),
            what: "its content".to_owned(),
            wanted: "an object",
        }),
    }
}

/// What stands at a path. Of two members with one name the last counts, as for the clients.
pub fn at<'a, 'b>(value: &'b Value<'a>, path: &[&str]) -> Option<&'b Value<'a>> {
    path.iter().try_fold(value, |value, name| {
        let object = value.as_object()?;
        object.properties.iter().rev().find(|prop| prop.name.as_str() == *name).map(|prop| &prop.value)
    })
}

/// Puts `"key": value` behind the last member of the object at `path`; objects on the way are made.
pub fn put_member(text: &str, path: Path<'_>, key: &str, value: &Tree) -> Result<String, Wrong> {
    put(text, path, Child::Member { key: key.to_owned(), value: value.clone() })
}

/// Puts a value behind the last one of the list at `path`; what is missing on the way is made.
pub fn put_item(text: &str, path: Path<'_>, value: &Tree) -> Result<String, Wrong> {
    put(text, path, Child::Item(value.clone()))
}

enum Child {
    Member { key: String, value: Tree },
    Item(Tree),
}

impl Child {
    fn render(&self, style: &Style, layout: &Layout) -> String {
        match self {
            Self::Member { key, value } => member(key, value, style, layout),
            Self::Item(value) => value.render(style, layout),
        }
    }

    /// The child in an object or list of its own, within objects named by `path`.
    fn within(self, path: &[&str]) -> Tree {
        let alone = match self {
            Self::Member { key, value } => Tree::Object(vec![(key, value)]),
            Self::Item(value) => Tree::List(vec![value]),
        };
        path.iter().rev().fold(alone, |value, name| Tree::Object(vec![((*name).to_owned(), value)]))
    }
}

fn put(text: &str, path: Path<'_>, child: Child) -> Result<String, Wrong> {
    let Some(root) = parse(text)? else { return Ok(begin(text, path, child)) };
    let style = style_of(text, &root);
    let mut here = &root;
    for (depth, name) in path.iter().enumerate() {
        let Value::Object(object) = here else { return Err(shape(text, here, path, depth, "an object")) };
        let Some(next) = at(here, &[name]) else {
            let value = child.within(path.get(depth + 1..).unwrap_or_default());
            let child = Child::Member { key: (*name).to_owned(), value };
            return Ok(insert(text, &Place::of_object(object), &style, &child));
        };
        here = next;
    }
    match (here, &child) {
        (Value::Object(object), Child::Member { .. }) => {
            Ok(insert(text, &Place::of_object(object), &style, &child))
        }
        (Value::Array(list), Child::Item(_)) => Ok(insert(text, &Place::of_list(list), &style, &child)),
        (_, Child::Member { .. }) => Err(shape(text, here, path, path.len(), "an object")),
        (_, Child::Item(_)) => Err(shape(text, here, path, path.len(), "a list")),
    }
}

fn shape(text: &str, value: &Value<'_>, path: Path<'_>, depth: usize, wanted: &'static str) -> Wrong {
    let what = path.get(..depth).filter(|path| !path.is_empty());
    let what = what.map_or_else(|| "its content".to_owned(), |path| format!("`{}`", path.join(".")));
    Wrong::Shape { line: line_of(text, value.start()), what, wanted }
}

/// A file without a value gets one, behind what it holds.
fn begin(text: &str, path: Path<'_>, child: Child) -> String {
    let style = Style { newline: newline_of(text), unit: "  ".to_owned(), spaced: true };
    let value = child.within(path);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { style.newline };
    let value = value.render(&style, &Layout::Block { indent: String::new() });
    format!("{text}{gap}{value}{}", style.newline)
}

/// An object or list as far as an edit needs it: offsets of what it holds.
struct Place {
    /// After the opening bracket.
    open: usize,
    /// Before the closing bracket.
    close: usize,
    children: Vec<(usize, usize)>,
}

impl Place {
    fn of_object(object: &Object<'_>) -> Self {
        let children = object.properties.iter().map(|prop| (prop.start(), prop.end())).collect();
        Self { open: object.start() + 1, close: object.end().saturating_sub(1), children }
    }

    fn of_list(list: &Array<'_>) -> Self {
        let children = list.elements.iter().map(|value| (value.start(), value.end())).collect();
        Self { open: list.start() + 1, close: list.end().saturating_sub(1), children }
    }
}

/// What lies between two values: where its comma is, where its last comment or comma ends.
struct Gap {
    comma: Option<usize>,
    end: usize,
    line_comment: bool,
}

fn gap(text: &str, from: usize, to: usize) -> Gap {
    let mut gap = Gap { comma: None, end: from, line_comment: false };
    let mut at = from;
    while let Some(rest) = text.get(at..to).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("//") {
            at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            (gap.end, gap.line_comment) = (at, true);
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            (gap.end, gap.line_comment) = (at, false);
        } else if rest.starts_with(',') {
            gap.comma = gap.comma.or(Some(at));
            at += 1;
            (gap.end, gap.line_comment) = (at, false);
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    gap
}

fn insert(text: &str, place: &Place, style: &Style, child: &Child) -> String {
    let behind = place.children.last().map_or(place.open, |(_, end)| *end);
    let gap = gap(text, behind, place.close);
    let first = place.children.first().map(|(start, _)| *start);
    let own_lines = match first {
        Some(first) => gap.line_comment || slice(text, place.open, first).contains(['\n', '\r']),
        None => gap.line_comment || text.trim().contains(['\n', '\r']) || is_all(text, place),
    };
    let mut written = slice(text, 0, behind).to_owned();
    if first.is_some() && gap.comma.is_none() {
        written.push(',');
    }
    written.push_str(slice(text, behind, gap.end));
    let outer = indent_at(text, place.open.saturating_sub(1));
    if own_lines {
        let indent = match first {
            Some(first) if begins_its_line(text, first) => indent_at(text, first),
            Some(_) | None => format!("{outer}{}", style.unit),
        };
        written.push_str(style.newline);
        written.push_str(&indent);
        written.push_str(&child.render(style, &Layout::Block { indent }));
    } else {
        if style.spaced && (first.is_some() || gap.end > place.open) {
            written.push(' ');
        }
        written.push_str(&child.render(style, &Layout::Line));
    }
    if gap.comma.is_some() {
        written.push(',');
    }
    let rest = slice(text, gap.end, place.close);
    if own_lines && first.is_none() && !rest.contains(['\n', '\r']) {
        written.push_str(style.newline);
        written.push_str(&outer);
    }
    written.push_str(slice(text, gap.end, text.len()));
    written
}

/// Whether an object is all that a file holds.
fn is_all(text: &str, place: &Place) -> bool {
    slice(text, 0, place.open.saturating_sub(1)).trim().is_empty()
        && slice(text, place.close + 1, text.len()).trim().is_empty()
}

/// Takes the child that begins at offset `start` out of an object or list. What is then empty looks as
/// `before`, the inside it had when it was empty.
pub fn remove(text: &str, from: &Value<'_>, start: usize, before: Option<&str>) -> String {
    let Some(place) = place_of(from) else { return text.to_owned() };
    let Some(index) = place.children.iter().position(|(child, _)| *child == start) else {
        return text.to_owned();
    };
    let previous = index.checked_sub(1).and_then(|index| place.children.get(index));
    let behind = previous.map_or(place.open, |(_, end)| *end);
    let ahead = gap(text, behind, start);
    let end = place.children.get(index).map_or(start, |(_, end)| *end);
    let next = place.children.get(index + 1).map_or(place.close, |(start, _)| *start);
    let comma = gap(text, end, next).comma;
    let from = if ahead.line_comment && !slice(text, end, next).contains(['\n', '\r']) {
        // What follows would be drawn into the comment.
        ahead.end + line_break(slice(text, ahead.end, start))
    } else {
        ahead.end
    };
    let cuts = match (comma, ahead.comma) {
        (Some(comma), _) => vec![(from, end), (comma, comma + 1)],
        // The comma before it belonged to it.
        (None, Some(comma)) => vec![(comma, comma + 1), (from.max(comma + 1), end)],
        (None, None) => vec![(from, end)],
    };
    if place.children.len() > 1 {
        return without(text, &cuts);
    }
    let left = without(slice(text, 0, place.close), &cuts);
    let left = slice(&left, place.open, left.len());
    let inside = match before {
        Some(before) if before.trim() == left.trim() => before,
        _ if left.trim().is_empty() => "",
        _ => left,
    };
    format!("{}{inside}{}", slice(text, 0, place.open), slice(text, place.close, text.len()))
}

fn line_break(text: &str) -> usize {
    if text.starts_with("\r\n") { 2 } else { usize::from(text.starts_with(['\r', '\n'])) }
}

/// What the object or list at `path` holds, when it is there and empty but for white space and comments.
pub fn empty_inside<'a>(text: &'a str, path: Path<'_>) -> Option<&'a str> {
    let root = parse(text).ok()??;
    let place = place_of(at(&root, path)?)?;
    place.children.is_empty().then(|| slice(text, place.open, place.close))
}

/// Puts a value in the place of the one between two offsets.
pub fn replace(text: &str, root: &Value<'_>, (start, end): (usize, usize), value: &Tree) -> String {
    let layout = if slice(text, start, end).contains('\n') {
        Layout::Block { indent: indent_at(text, start) }
    } else {
        Layout::Line
    };
    let value = value.render(&style_of(text, root), &layout);
    format!("{}{value}{}", slice(text, 0, start), slice(text, end, text.len()))
}

fn place_of(value: &Value<'_>) -> Option<Place> {
    match value {
        Value::Object(object) => Some(Place::of_object(object)),
        Value::Array(list) => Some(Place::of_list(list)),
        _ => None,
    }
}

/// Cuts lie in order and do not touch each other.
fn without(text: &str, cuts: &[(usize, usize)]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in cuts {
        kept.push_str(slice(text, at, *start));
        at = *end;
    }
    kept.push_str(slice(text, at, text.len()));
    kept
}

fn style_of(text: &str, root: &Value<'_>) -> Style {
    let first = root.as_object().and_then(|object| object.properties.first());
    let unit = first.filter(|first| begins_its_line(text, first.start())).map(|first| {
        let (outer, inner) = (indent_at(text, root.start()), indent_at(text, first.start()));
        inner.strip_prefix(&outer).unwrap_or(&inner).to_owned()
    });
    let spaced = first.is_none_or(|first| slice(text, first.name.end(), first.value.start()) != ":");
    let unit = unit.filter(|unit| !unit.is_empty()).unwrap_or_else(|| "  ".to_owned());
    Style { newline: newline_of(text), unit, spaced }
}

fn newline_of(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if slice(text, 0, at).ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// The white space that begins the line an offset lies on.
fn indent_at(text: &str, offset: usize) -> String {
    let line = slice(text, line_start(text, offset), offset);
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}

fn begins_its_line(text: &str, offset: usize) -> bool {
    line_start(text, offset) > 0 && slice(text, line_start(text, offset), offset).trim().is_empty()
}

fn line_start(text: &str, offset: usize) -> usize {
    slice(text, 0, offset).rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

/// The line an offset lies on, counted from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    slice(text, 0, offset).matches('\n').count() + 1
}

fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}
