//! A JSON value in the order it is to be written, and its text in the style of the file around it.

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Text(String),
    Number(u32),
    Yes,
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    pub newline: &'static str,
    /// One step of indentation.
    pub unit: String,
    /// A space after each colon and comma of one line.
    pub spaced: bool,
}

/// Where a value is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// All on one line.
    Line,
    /// One line for each part; the line it begins on has this indentation.
    Block { indent: String },
}

impl Tree {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
            Self::Yes => Value::from(true),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(key, value)| (key.clone(), value.value())).collect())
            }
        }
    }

    pub fn render(&self, style: &Style, layout: &Layout) -> String {
        match self {
            Self::Text(_) | Self::Number(_) | Self::Yes => self.value().to_string(),
            Self::List(items) => {
                let parts = items.iter().map(|item| item.render(style, &deeper(style, layout)));
                enclosed('[', parts.collect(), ']', style, layout)
            }
            Self::Object(members) => {
                let part = |(key, value): &(String, Self)| member(key, value, style, &deeper(style, layout));
                enclosed('{', members.iter().map(part).collect(), '}', style, layout)
            }
        }
    }
}

/// `"key": value`.
pub fn member(key: &str, value: &Tree, style: &Style, layout: &Layout) -> String {
    let space = match layout {
        Layout::Line if !style.spaced => "",
        Layout::Line | Layout::Block { .. } => " ",
    };
    format!("{}:{space}{}", Value::from(key), value.render(style, layout))
}

fn deeper(style: &Style, layout: &Layout) -> Layout {
    match layout {
        Layout::Line => Layout::Line,
        Layout::Block { indent } => Layout::Block { indent: format!("{indent}{}", style.unit) },
    }
}

fn enclosed(open: char, parts: Vec<String>, close: char, style: &Style, layout: &Layout) -> String {
    match layout {
        _ if parts.is_empty() => format!("{open}{close}"),
        Layout::Line => {
            let space = if style.spaced { " " } else { "" };
            format!("{open}{}{close}", parts.join(&format!(",{space}")))
        }
        Layout::Block { indent } => {
            let inner = format!("{}{indent}{}", style.newline, style.unit);
            format!("{open}{inner}{}{}{indent}{close}", parts.join(&format!(",{inner}")), style.newline)
        }
    }
}
