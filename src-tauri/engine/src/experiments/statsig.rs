//! Values of knobs by a Statsig project, for those who run their experiments there: its SDK decides by the specs
//! in a file, reaches no network and logs nothing.

use std::{fs, path::Path, sync::Arc};

use shim_core::{
    experiments::assignment::{Context, ErrorCode, Provider, Reason, Resolution},
    settings::Value,
};
use statsig_rust::{
    DynamicConfigEvaluationOptions, StatsigBootstrapSpecsAdapter, StatsigOptions, StatsigUser,
    output_logger::LogLevel,
};

/// What of a config or an experiment is the knob's value. Each is called as the knob is.
const PARAMETER: &str = "value";

pub struct Statsig(statsig_rust::Statsig);

impl Statsig {
    pub fn open(specs: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(specs)?;
        let options = StatsigOptions {
            specs_adapter: Some(Arc::new(StatsigBootstrapSpecsAdapter::new(text))),
            disable_network: Some(true),
            disable_all_logging: Some(true),
            disable_country_lookup: Some(true),
            output_log_level: Some(LogLevel::None),
            ..StatsigOptions::default()
        };
        let sdk = statsig_rust::Statsig::new("secret-none", Some(Arc::new(options)));
        // On a runtime of its own, with which whatever it does in the background ends.
        let initialize = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(sdk.initialize())
                .map_err(|why| anyhow::anyhow!("these are no specs that the SDK reads: {why}"))
        };
        let initialized = std::thread::scope(|scope| scope.spawn(initialize).join());
        initialized.map_err(|_| anyhow::anyhow!("the SDK panicked"))??;
        Ok(Self(sdk))
    }
}

impl Provider for Statsig {
    fn name(&self) -> &'static str {
        "statsig"
    }

    fn resolve(&self, flag: &str, default: &Value, context: &Context) -> Resolution {
        let Some(key) = &context.targeting_key else {
            return Resolution::failed(default, ErrorCode::TargetingKeyMissing);
        };
        let quietly = DynamicConfigEvaluationOptions { disable_exposure_logging: true };
        let told = self.0.get_dynamic_config_with_options(&StatsigUser::with_user_id(key), flag, quietly);
        let Some(value) = told.value.get(PARAMETER) else {
            return Resolution::failed(default, ErrorCode::FlagNotFound);
        };
        let value = match default {
            Value::Whole(_) => value.as_u64().map(Value::Whole),
            Value::Switch(_) => value.as_bool().map(Value::Switch),
            Value::Text(_) => value.as_str().map(|word| Value::Text(word.to_owned())),
            Value::Texts(_) => None,
        };
        let Some(value) = value else { return Resolution::failed(default, ErrorCode::TypeMismatch) };
        let (variant, reason) = match told.rule_id.as_str() {
            "" | "default" => (None, Reason::Default),
            rule => (Some(rule.to_owned()), Reason::Split),
        };
        Resolution { value, variant, reason, error: None }
    }
}
