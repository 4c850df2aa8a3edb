//! Debian's own Prometheus, with the rules of `deploy`, in a folder of its own and on loopback alone.

use std::{
    fs::{self, File},
    net::TcpListener,
    process::{Child, Command},
};

use serde_json::Value;
use shim_standin::{client::wait, observers};

use super::deploy;
use crate::world::WAIT;

pub struct Prometheus {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// One that asks this engine every second.
    pub fn watching(metrics: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("shim-prometheus-").tempdir().unwrap();
        let target = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
        // The configuration that people get, but for its times, its target and where the rules lie.
        let config = fs::read_to_string(deploy().join("prometheus/prometheus.yml")).unwrap();
        let config = config
            .replace("15s", "1s")
            .replace("30s", "1s")
            .replace("127.0.0.1:47615", target)
            .replace("rules/", &format!("{}/prometheus/rules/", deploy().display()));
        assert!(config.contains(target) && config.contains("interval: 1s"), "{config}");
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(observers::prometheus().unwrap().join("prometheus"));
        command
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=exemplar-storage")
            .current_dir(folder.path())
            .env_clear()
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = command.spawn().unwrap();
        let prometheus = Self { child, url: format!("http://127.0.0.1:{port}"), folder };
        prometheus.wait_for("up == 1");
        prometheus
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let mut request = ureq::Agent::new_with_config(config).get(format!("{}/api/v1/{path}", self.url));
        for (name, value) in query {
            request = request.query(*name, *value);
        }
        let mut answer = request.call().map_err(|error| error.to_string())?;
        let text = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if value["status"] == "success" { Ok(value["data"].clone()) } else { Err(value["error"].to_string()) }
    }

    /// What an expression gives at this moment; an error where it makes no sense.
    pub fn ask(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.get("query", &[("query", expression)])?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until an expression gives something.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) -> Vec<Value> {
        let found = wait(WAIT, expression, || self.ask(expression).ok().filter(|answer| !answer.is_empty()));
        found.unwrap_or_else(|error| {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            panic!("{error}: {:?}\n{log}", self.ask(expression))
        })
    }

    #[track_caller]
    pub fn target_is_up(&self) {
        let targets = self.get("targets", &[]).unwrap();
        let [target] = &targets["activeTargets"].as_array().unwrap()[..] else { panic!("{targets}") };
        assert_eq!(
            (target["health"].as_str(), target["lastError"].as_str()),
            (Some("up"), Some("")),
            "{target}"
        );
    }

    /// Every exemplar of these series, as text.
    pub fn exemplars(&self, series: &str) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let (start, end) = ((now - 3600).to_string(), (now + 60).to_string());
        let query = [("query", series), ("start", start.as_str()), ("end", end.as_str())];
        self.get("query_exemplars", &query).unwrap().to_string()
    }

    /// The expressions of all rules, by name; those that record must have an answer, those that alert need none.
    pub fn rules(&self) -> Vec<(String, String, bool)> {
        let all = self.all_rules();
        let expression = |rule: &Value| {
            let text = |key: &str| rule[key].as_str().unwrap().to_owned();
            (text("name"), text("query"), rule["type"] == "recording")
        };
        all.iter().map(expression).collect()
    }

    /// Every rule was evaluated, without an error.
    #[track_caller]
    pub fn rules_are_well(&self) {
        for rule in self.all_rules() {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }

    fn all_rules(&self) -> Vec<Value> {
        let data = self.get("rules", &[]).unwrap();
        let groups = data["groups"].as_array().unwrap().iter();
        groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
