//! Every page of the window in both themes and two sizes: examined by axe, and kept as a picture to be looked at.

use serde_json::{Value, json};

use crate::{
    webdriver::{Theme, Window},
    world::World,
};

/// Page, and what it shows once it has loaded.
const PAGES: [(&str, &str); 10] = [
    ("/welcome", "found-client"),
    ("/", "headline"),
    ("/chats", "chat-row"),
    ("/crashes", "chart"),
    ("/health", "chat-health"),
    ("/experiments", "totals"),
    // A week is too little history.
    ("/opportunities", "page-empty"),
    ("/search/millisecond", "hit"),
    ("/settings", "setting-policy.auto_restore"),
    ("/doctor", "finding"),
];
/// Width and height of what is asked for; the smaller is half a laptop's screen.
const SIZES: [(u32, u32); 2] = [(1280, 800), (800, 600)];
/// Of axe's rules those of WCAG 2.2 up to AA, and its best practices.
const AXE: &str = "const done = arguments[0];
    axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
        .then(({violations}) => done(violations.map(({id, help, nodes}) =>
            ({id, help, where: nodes.slice(0, 5).map(({html, failureSummary}) => html + ' ' + failureSummary)}))))
        .catch((error) => done([{id: 'axe', help: String(error), where: []}]))";

#[test]
fn every_page_can_be_read_by_everybody_in_light() {
    examine(Theme::Light);
}

#[test]
fn every_page_can_be_read_by_everybody_in_dark() {
    examine(Theme::Dark);
}

/// A busy week has everything that a page can show.
fn examine(theme: Theme) {
    let (world, _engine) = World::demo();
    let engine = world.engine();
    let crashes = engine.crashes().unwrap();
    let restored = crashes.iter().find(|crash| crash.resolved && crash.restore.is_some()).unwrap();
    let open = crashes.iter().find(|crash| !crash.resolved && !crash.in_flight.is_empty()).unwrap();
    let chat = format!("/chats/{}", open.chat);
    let (open, restored) = (format!("/crashes/{}", open.id), format!("/crashes/{}", restored.id));
    let single =
        [("chat", chat.as_str(), "entry"), ("crash", &open, "crash-kind"), ("receipt", &restored, "receipt")];
    let pages = PAGES.into_iter().map(|(page, shows)| (name_of(page), page, shows)).chain(single);

    let window = world.window(&["--show", "/"], theme);
    let mut wrong = Vec::new();
    for (name, page, shows) in pages {
        window.go_to(page, shows);
        for (width, height) in SIZES {
            window.resize(width, height);
            assert_eq!(window.sideways(), 0, "{page} is wider than {width} pixels");
            window.screenshot(&format!("{name}-{theme:?}-{width}").to_lowercase());
        }
        if name == "crashes" {
            window.run("document.querySelector('[data-testid=chart]').scrollIntoView()", &json!([]));
            window.screenshot(&format!("crash-history-{theme:?}").to_lowercase());
        }
        wrong.extend(violations(&window).into_iter().map(|found| (name, found)));
    }
    world.quit_desktop(window);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `home` for `/`, `search` for `/search/millisecond`.
fn name_of(page: &'static str) -> &'static str {
    match page.trim_start_matches('/').split('/').next() {
        None | Some("") => "home",
        Some(noun) => noun,
    }
}

/// What axe finds on the page as it is shown.
fn violations(window: &Window) -> Vec<Value> {
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe-core is one of the pages' packages: npm ci in ui/");
    window.run(&format!("{axe}; return null"), &json!([]));
    let found = window.run_async(AXE);
    found.as_array().expect("axe gives a list").clone()
}
