//! What is done to which chat, and when: a pure function of the seed, so that a run can be had again.

use fastrand::Rng;
use shim_core::chats::Client;

/// How a chat is crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Its client is killed.
    Killed,
    /// Its client is killed; then its file's end is cut off or overwritten, while the engine runs.
    Torn,
    /// The same, with the engine down meanwhile.
    TornDown,
    /// Its client and the engine are killed together; then the engine is started again.
    Rebooted,
    /// Its client is stopped by a signal, and stays so.
    Stopped,
    /// Its client gets no more memory.
    Starved,
}

impl Form {
    pub const ALL: [Self; 6] =
        [Self::Killed, Self::Torn, Self::TornDown, Self::Rebooted, Self::Stopped, Self::Starved];

    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Torn => "torn",
            Self::TornDown => "torn_down",
            Self::Rebooted => "rebooted",
            Self::Stopped => "stopped",
            Self::Starved => "starved",
        }
    }
}

/// Where in the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Answer,
    Tool,
    /// At its prompt, in a terminal.
    BetweenTurns,
}

/// One crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blow {
    pub form: Form,
    pub moment: Moment,
    /// Waited after the moment has come.
    pub delay_ms: u64,
    /// Restored in a terminal, to wait for its user.
    pub in_terminal: bool,
    /// What the tearing draws from.
    pub seed: u64,
}

/// One chat and all that happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub number: u64,
    pub client: Client,
    pub blow: Blow,
    /// Killed once more, so many milliseconds after it is back and waits.
    pub again_after_ms: Option<u64>,
}

impl Plan {
    pub fn crashes(&self) -> u64 {
        1 + u64::from(self.again_after_ms.is_some())
    }
}

/// Plans of so many crashes.
pub fn schedule(seed: u64, crashes: u64, forms: &[Form]) -> Vec<Plan> {
    let mut dice = Rng::with_seed(seed);
    let (mut plans, mut planned) = (Vec::new(), 0);
    while planned < crashes {
        let mut plan = plan(&mut dice, plans.len() as u64, forms);
        if planned + plan.crashes() > crashes {
            plan.again_after_ms = None;
        }
        planned += plan.crashes();
        plans.push(plan);
    }
    plans
}

fn plan(dice: &mut Rng, number: u64, forms: &[Form]) -> Plan {
    let client = if dice.u8(..3) == 0 { Client::Codex } else { Client::ClaudeCode };
    let form = dice.choice(forms).copied().unwrap_or(Form::Killed);
    let moments: &[Moment] = match form {
        // Memory is asked for by what works.
        Form::Starved => &[Moment::Answer],
        // What is torn is the end of a turn that is open; what waits for its user is not seen to hang.
        Form::Torn | Form::TornDown | Form::Stopped => &[Moment::Answer, Moment::Tool],
        Form::Killed | Form::Rebooted => {
            &[Moment::Answer, Moment::Answer, Moment::Tool, Moment::Tool, Moment::BetweenTurns]
        }
    };
    let blow = Blow {
        form,
        moment: dice.choice(moments).copied().unwrap_or(Moment::Answer),
        delay_ms: dice.u64(..400),
        in_terminal: dice.u8(..5) == 0,
        seed: dice.u64(..),
    };
    // One that answers and ends by itself is not there to be killed again.
    let stays = client == Client::ClaudeCode || blow.in_terminal;
    let again = dice.u8(..3) == 0 && stays;
    let again_after_ms = Some(dice.u64(..1500)).filter(|_| again);
    Plan { number, client, blow, again_after_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plans_the_same_and_as_many_as_asked() {
        for crashes in [1, 7, 100] {
            let plans = schedule(5, crashes, &Form::ALL);
            assert_eq!(plans, schedule(5, crashes, &Form::ALL));
            assert_eq!(plans.iter().map(Plan::crashes).sum::<u64>(), crashes);
        }
        assert_ne!(schedule(5, 20, &Form::ALL), schedule(6, 20, &Form::ALL));
    }

    #[test]
    fn a_hundred_crashes_hold_every_form_moment_and_client() {
        let plans = schedule(1, 100, &Form::ALL);
        for form in Form::ALL {
            assert!(plans.iter().any(|plan| plan.blow.form == form), "{form:?}");
        }
        for moment in [Moment::Answer, Moment::Tool, Moment::BetweenTurns] {
            assert!(plans.iter().any(|plan| plan.blow.moment == moment), "{moment:?}");
        }
        assert!(plans.iter().any(|plan| plan.client == Client::Codex && plan.blow.in_terminal));
        assert!(plans.iter().any(|plan| plan.again_after_ms.is_some()));
        assert!(
            plans.iter().all(|plan| plan.blow.form != Form::Torn || plan.blow.moment != Moment::BetweenTurns)
        );
    }
}
