//! A closed window's web view is freed. Never touches one that is open.

use gtk::{glib::object::ObjectExt, prelude::WidgetExt};
use tauri::WebviewWindow;
use webkit2gtk::WebViewExt;

/// Sees to it that the web view goes with its window. The handler of the pages' messages holds the view, which holds
/// its manager, which holds that handler: without this none of them ever goes, some 100 kB a window.
pub fn when_closed(window: &WebviewWindow) {
    let done = window.with_webview(|platform| {
        let view = platform.inner();
        view.connect_destroy(|view| {
            if let Some(manager) = view.user_content_manager() {
                // SAFETY: the page is gone and nothing speaks to its manager any more; being disposed of only
                // takes its handlers away.
                #[allow(unsafe_code)]
                unsafe {
                    manager.run_dispose();
                }
            }
        });
    });
    if let Err(error) = done {
        tracing::warn!("the window will not be freed wholly: {error}");
    }
}
