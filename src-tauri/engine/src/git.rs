//! A repository's head and branch, read from git's own files: no git program is run beside a chat.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub commit: Option<String>,
    pub branch: Option<String>,
}

/// Symbolic references followed at most.
const REFS_FOLLOWED_MAX: usize = 5;

/// The head of the repository that `folder` lies in; empty outside one.
pub fn head(folder: &Path) -> Head {
    let Some(git) = folder.ancestors().find_map(git_folder) else { return Head::default() };
    let common =
        fs::read_to_string(git.join("commondir")).map_or(git.clone(), |common| git.join(common.trim()));
    let Ok(mut text) = fs::read_to_string(git.join("HEAD")) else { return Head::default() };
    let branch = text.trim().strip_prefix("ref: refs/heads/").map(str::to_owned);
    for _ in 0..REFS_FOLLOWED_MAX {
        let Some(name) = text.trim().strip_prefix("ref: ") else { break };
        let Some(next) = reference(&git, &common, name) else { return Head { commit: None, branch } };
        text = next;
    }
    let commit = text.trim().to_owned();
    let whole = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    Head { commit: whole.then_some(commit), branch }
}

/// `.git` is a folder, or in a worktree a file that names one.
pub fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(folder.join(text.trim().strip_prefix("gitdir: ")?))
}

fn reference(git: &Path, common: &Path, name: &str) -> Option<String> {
    let loose = fs::read_to_string(git.join(name)).or_else(|_| fs::read_to_string(common.join(name)));
    loose.ok().or_else(|| {
        let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
        let line = packed.lines().find(|line| line.split(' ').nth(1) == Some(name))?;
        line.split(' ').next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use super::{Head, head};

    fn git(folder: &Path, arguments: &[&str]) -> String {
        let identity =
            ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main"];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn agrees_with_git_in_every_layout() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("r");
        std::fs::create_dir_all(repository.join("deep/er")).unwrap();
        assert_eq!(head(&repository), Head::default());
        git(&repository, &["init", "-q"]);
        assert_eq!(head(&repository), Head { commit: None, branch: Some("main".to_owned()) });
        git(&repository, &["commit", "-q", "--allow-empty", "-m", "one"]);
        let one = git(&repository, &["rev-parse", "HEAD"]);
        let on_main = Head { commit: Some(one.clone()), branch: Some("main".to_owned()) };
        assert_eq!(head(&repository.join("deep/er")), on_main);
        git(&repository, &["pack-refs", "--all"]);
        assert_eq!(head(&repository), on_main);
        git(&repository, &["worktree", "add", "-q", "-b", "side/x", "../w"]);
        let side = Head { commit: Some(one.clone()), branch: Some("side/x".to_owned()) };
        assert_eq!(head(&folder.path().join("w")), side);
        git(&repository, &["checkout", "-q", "--detach"]);
        assert_eq!(head(&repository), Head { commit: Some(one), branch: None });
    }
}
