//! The window through WebKitWebDriver: W3C WebDriver over plain HTTP. The driver starts the program.

use std::{
    net::TcpListener,
    process::{Child, Command},
    time::Duration,
};

use serde_json::{Value, json};
use shim_standin::client::wait;

use crate::world::{self, LONG};

/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// No single step of the driver takes longer.
const STEP_WAIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

pub struct Window {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Window {
    /// `driver` is the driver's command, in the world's environment.
    pub fn open_app(mut driver: Command, program: &str, args: &[&str], theme: Theme) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        driver.args([format!("--port={port}"), "--host=127.0.0.1".to_owned()]);
        driver.envs([("TAURI_AUTOMATION", "true"), ("TAURI_WEBVIEW_AUTOMATION", "true")]);
        driver.env("GTK_THEME", if theme == Theme::Dark { "Adwaita:dark" } else { "Adwaita" });
        let driver = driver.spawn().expect("WebKitWebDriver starts; Debian calls it webkit2gtk-driver");
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(STEP_WAIT))
            .proxy(None)
            .build();
        let mut window = Self { driver, session: String::new(), agent: ureq::Agent::new_with_config(config) };
        let base = format!("http://127.0.0.1:{port}");
        wait(LONG, "the web driver", || window.agent.get(format!("{base}/status")).call().ok()).unwrap();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "webkitgtk:browserOptions": {"binary": program, "args": args},
        }}});
        let session = window.post(&format!("{base}/session"), &wanted);
        window.session = format!("{base}/session/{}", session["sessionId"].as_str().unwrap());
        window
    }

    /// The text of the element, once it is there. The driver's own way of reading it takes links whose
    /// click area covers a whole row for hidden.
    pub fn text(&self, selector: &str) -> String {
        self.property(selector, "innerText")
    }

    pub fn property(&self, selector: &str, name: &str) -> String {
        self.of(selector, &format!("property/{name}"))
    }

    /// Waits until the element shows this text, among other.
    pub fn wait_for_text(&self, selector: &str, part: &str) {
        let shown = wait(LONG, part, || self.text(selector).contains(part).then_some(()));
        assert!(shown.is_ok(), "{selector} shows {:?}, not {part:?}", self.text(selector));
    }

    pub fn attribute(&self, selector: &str, name: &str) -> String {
        self.of(selector, &format!("attribute/{name}"))
    }

    pub fn count(&self, selector: &str) -> usize {
        self.elements(selector).len()
    }

    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("{}/element/{element}/click", self.session), &json!({}));
    }

    /// Types into a field in place of what stands in it, and leaves it by Enter.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        // The driver's own way of clearing a field leaves it, which saves it empty.
        self.run("document.querySelector(arguments[0]).select()", &json!([selector]));
        let keys = json!({"text": format!("{text}\u{e007}")});
        self.post(&format!("{}/element/{element}/value", self.session), &keys);
    }

    /// Clicks a link and waits for what the page it leads to shows.
    pub fn open(&self, link: &str, shows: &str) {
        self.click(&format!("[data-testid={link}]"));
        self.element(&format!("[data-testid={shows}]"));
    }

    /// Goes to a page by its address, such as `/crashes/12`, and waits for what it shows.
    pub fn go_to(&self, page: &str, shows: &str) {
        self.run("location.hash = arguments[0]", &json!([page]));
        self.element(&format!("[data-testid='{shows}']"));
    }

    pub fn resize(&self, width: u32, height: u32) {
        self.post(&format!("{}/window/rect", self.session), &json!({"width": width, "height": height}));
        let inner = "return [innerWidth, innerHeight]";
        let came = wait(LONG, "the new size", || {
            (self.run(inner, &json!([])) == json!([width, height])).then_some(())
        });
        assert!(came.is_ok(), "the page is {} large", self.run(inner, &json!([])));
    }

    /// How many pixels the page is wider than the window.
    pub fn sideways(&self) -> i64 {
        let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.run(wider, &json!([])).as_i64().unwrap()
    }

    /// Runs a script in the page; gives what it returns.
    pub fn run(&self, script: &str, args: &Value) -> Value {
        self.post(&format!("{}/execute/sync", self.session), &json!({"script": script, "args": args}))
    }

    /// Runs a script that hands its result to its last argument.
    pub fn run_async(&self, script: &str) -> Value {
        self.post(&format!("{}/execute/async", self.session), &json!({"script": script, "args": []}))
    }

    /// Keeps a picture of the page, as painted after the latest change, among the tests' output.
    pub fn screenshot(&self, name: &str) {
        self.run_async(
            "const done = arguments[0];
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100)))",
        );
        let picture = self.get(&format!("{}/screenshot", self.session));
        world::keep_picture(name, &decode_base64(picture.as_str().unwrap()));
    }

    fn of(&self, selector: &str, what: &str) -> String {
        let element = self.element(selector);
        let value = self.get(&format!("{}/element/{element}/{what}", self.session));
        value.as_str().unwrap_or_else(|| panic!("{selector} has no {what}")).to_owned()
    }

    fn element(&self, selector: &str) -> String {
        let found = wait(LONG, selector, || self.elements(selector).into_iter().next());
        found.unwrap_or_else(|error| panic!("{error}; the page is {}", self.page()))
    }

    fn elements(&self, selector: &str) -> Vec<String> {
        let ask = json!({"using": "css selector", "value": selector});
        let found = self.post(&format!("{}/elements", self.session), &ask);
        let ids = found.as_array().into_iter().flatten();
        ids.filter_map(|element| element[ELEMENT].as_str()).map(str::to_owned).collect()
    }

    fn page(&self) -> String {
        self.run("return document.body.innerText", &json!([])).to_string()
    }

    fn get(&self, url: &str) -> Value {
        value(url, self.agent.get(url).call())
    }

    fn post(&self, url: &str, body: &Value) -> Value {
        value(url, self.agent.post(url).send_json(body))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.agent.delete(&self.session).call();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn value(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
    let mut body: Value = answer.body_mut().with_config().limit(64 << 20).read_json().unwrap();
    assert!(body["value"]["error"].is_null(), "{url}: {body}");
    body["value"].take()
}

fn decode_base64(text: &str) -> Vec<u8> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
