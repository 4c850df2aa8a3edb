//! Which files a tool call writes, in every client's words: for folders that no repository holds.

use serde_json::Value;

/// Files named of one call.
const FILES_MAX: usize = 64;

/// The paths a call writes, as they stand in it.
pub fn touched(tool: &str, input: &Value) -> Vec<String> {
    let text = |key: &str| input.get(key).and_then(Value::as_str);
    match tool {
        "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "write_file" | "replace" | "write" | "edit"
        | "multiedit" => {
            let named = ["file_path", "filePath", "notebook_path", "path"].iter().find_map(|key| text(key));
            named.filter(|path| !path.is_empty()).map(str::to_owned).into_iter().collect()
        }
        "apply_patch" | "patch" | "shell" | "exec_command" | "local_shell_call" | "exec" => {
            let mut found = Vec::new();
            patches(input, &mut found);
            found
        }
        _ => Vec::new(),
    }
}

/// The files that patches of Codex's own form name, wherever such a patch stands in the input.
fn patches(input: &Value, found: &mut Vec<String>) {
    match input {
        Value::String(text) if text.contains("*** Begin Patch") => {
            let named = text.lines().filter_map(|line| {
                let line = line.trim();
                ["*** Add File: ", "*** Update File: ", "*** Delete File: ", "*** Move to: "]
                    .iter()
                    .find_map(|word| line.strip_prefix(word))
            });
            for path in named.map(str::trim).filter(|path| !path.is_empty()) {
                if found.len() < FILES_MAX {
                    found.push(path.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| patches(item, found)),
        Value::Object(map) => map.values().for_each(|item| patches(item, found)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::touched;

    #[test]
    fn each_clients_writing_tools_name_their_files() {
        let patch =
            "*** Begin Patch\n*** Add File: a b.txt\n+x\n*** Update File: c\n*** Move to: d\n*** End Patch";
        for (tool, input, files) in [
            ("Write", json!({"file_path": "/x/a", "content": "*** Begin Patch"}), vec!["/x/a"]),
            ("NotebookEdit", json!({"notebook_path": "n.ipynb"}), vec!["n.ipynb"]),
            ("edit", json!({"filePath": "e"}), vec!["e"]),
            ("write_file", json!({"file_path": "w"}), vec!["w"]),
            ("apply_patch", json!(patch), vec!["a b.txt", "c", "d"]),
            ("shell", json!({"command": ["apply_patch", patch]}), vec!["a b.txt", "c", "d"]),
            ("Read", json!({"file_path": "/x/a"}), vec![]),
            ("Write", json!({"file_path": 7}), vec![]),
            ("Bash", json!({"command": "rm x"}), vec![]),
        ] {
            assert_eq!(touched(tool, &input), files, "{tool}");
        }
    }
}
