//! A Rust file taken apart as far as the rules need it: code without comments and strings, the string
//! literals, and which lines belong to tests. No syntax tree: a scan that keeps every line where it was.

/// A Rust file with the same lines as the text it was read from.
pub struct Source {
    /// Comments and the insides of literals are blanks.
    pub code: String,
    pub strings: Vec<Literal>,
    /// For each line, whether it stands inside an item under `#[cfg(test)]` or `#[test]`.
    test_lines: Vec<bool>,
}

pub struct Literal {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

impl Source {
    pub fn read(text: &str) -> Self {
        let mut scan =
            Scan { rest: text, line: 1, code: String::with_capacity(text.len()), strings: Vec::new() };
        while !scan.rest.is_empty() {
            scan.step();
        }
        let test_lines = test_lines(&scan.code);
        Self { code: scan.code, strings: scan.strings, test_lines }
    }

    /// `line` counts from 1.
    pub fn is_test(&self, line: usize) -> bool {
        line.checked_sub(1).and_then(|at| self.test_lines.get(at)).copied().unwrap_or(false)
    }

    /// Lines of code with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

struct Scan<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    strings: Vec<Literal>,
}

impl Scan<'_> {
    fn step(&mut self) {
        let after_word = self.code.chars().next_back().is_some_and(is_word);
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            let end = block_comment(self.rest);
            self.blank(end);
        } else if let Some((open, close)) = string_bounds(self.rest, after_word) {
            self.literal(open, close);
        } else if let Some(end) = char_literal(self.rest) {
            self.blank(end);
        } else if let Some(c) = self.rest.chars().next() {
            self.code.push(c);
            self.line += usize::from(c == '\n');
            self.rest = self.rest.get(c.len_utf8()..).unwrap_or("");
        }
    }

    /// Passes over a string whose text lies between the offsets `open` and `close`.
    fn literal(&mut self, open: usize, close: usize) {
        let text = self.rest.get(open..close).unwrap_or("").to_owned();
        self.strings.push(Literal { line: self.line, text });
        self.code.push('"');
        let end = self
            .rest
            .get(close..)
            .and_then(|tail| tail.find('"'))
            .map_or(self.rest.len(), |at| close + at + 1);
        self.blank(end);
        self.code.push('"');
    }

    fn blank(&mut self, end: usize) {
        let (gone, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        for _ in gone.matches('\n') {
            self.code.push('\n');
            self.line += 1;
        }
        self.code.push(' ');
        self.rest = rest;
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(tail) = text.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Where the text of a string literal that begins here begins and ends.
fn string_bounds(text: &str, after_word: bool) -> Option<(usize, usize)> {
    let prefix = if after_word { 0 } else { text.find(|c| !matches!(c, 'b' | 'c' | 'r'))? };
    let raw = text.get(..prefix)?.contains('r');
    let tail = text.get(prefix..)?;
    if raw {
        let hashes = tail.find(|c| c != '#')?;
        let open = prefix + hashes + 1;
        let body = tail.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some((open, open + body.find(&end).unwrap_or(body.len())));
    }
    let body = tail.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return Some((prefix + 1, prefix + 1 + at)),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some((prefix + 1, text.len()))
}

/// The length of a character literal that begins here; `None` for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape.get(first..)?.find('\'').map(|at| 2 + first + at + 1);
    }
    let first = body.chars().next()?.len_utf8();
    body.get(first..)?.starts_with('\'').then_some(first + 2)
}

fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = vec![false; code.lines().count()];
    for mark in ["#[cfg(test)]", "#[test]"] {
        for (at, _) in code.match_indices(mark) {
            let end = item_end(code, at + mark.len());
            let first = line_of(code, at);
            let last = line_of(code, end);
            for line in lines.iter_mut().take(last).skip(first - 1) {
                *line = true;
            }
        }
    }
    lines
}

/// The line, counted from 1, of the byte at `at`.
pub fn line_of(code: &str, at: usize) -> usize {
    code.get(..at).unwrap_or(code).matches('\n').count() + 1
}

/// The offset just after the item that begins at `from`: its closing brace, or its semicolon.
pub fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (at, c) in code.get(from..).unwrap_or("").char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => depth += 1,
            '}' if depth <= 1 && brackets == 0 => return from + at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 && brackets == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn comments_and_literals_are_blank_and_lines_stay() {
        for (text, code) in [
            ("let a = 1; // unwrap()\nb", "let a = 1;  \nb"),
            ("/* a /* b */ c\n */ d", "\n  d"),
            ("f(\"x}\\\"{\", 2)", "f(\" \", 2)"),
            ("f(r#\"x\"}\"#, 2)", "f(\" \"#, 2)"),
            ("fn f<'a>(x: &'a str) -> char { '}' }", "fn f<'a>(x: &'a str) -> char {   }"),
            ("match c { '\\'' => 1, '\"' => 2 }", "match c {   => 1,   => 2 }"),
            ("for x in b\"ab\" {}", "for x in \" \" {}"),
            ("attr\"x\"", "attr\" \""),
        ] {
            assert_eq!(Source::read(text).code, code, "{text}");
        }
    }

    #[test]
    fn string_literals_are_kept_with_their_line() {
        let source = Source::read("a\nlet q = \"SELECT 1\";\nlet r = r#\"two\nlines\"#;\nlet s = \"x\";");
        let found: Vec<_> = source.strings.iter().map(|s| (s.line, s.text.as_str())).collect();
        assert_eq!(found, [(2, "SELECT 1"), (3, "two\nlines"), (5, "x")]);
    }

    #[test]
    fn test_items_are_told_from_the_rest() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[test]\nfn d() {\n}\nfn e() {}";
        let source = Source::read(text);
        let tests: Vec<_> = (1..=10).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 7, 8, 9]);
    }
}
