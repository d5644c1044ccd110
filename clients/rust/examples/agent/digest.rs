//! The work of the example: takes its time, then digests a text.

use std::{fmt::Write as _, time::Duration};

use missioncontrol::{Failure, Work, WorkError, v1::Payload};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

/// Work with a duration reports its progress so often.
const STEPS: u32 = 5;

#[derive(Deserialize)]
struct Input {
    text: String,
    #[serde(default)]
    seconds: f64,
    #[serde(default)]
    fail: String,
}

#[derive(Serialize)]
struct Output {
    sha256: String,
    length: usize,
    language: &'static str,
}

/// Works for as long as it is asked to, and digests the text.
pub async fn digest(work: Work) -> Result<Payload, WorkError> {
    let input: Input = work.decode().map_err(|error| Failure::invalid_input("bad-input", error))?;
    let duration = Duration::try_from_secs_f64(input.seconds)
        .map_err(|error| Failure::invalid_input("bad-input", format!("seconds: {error}")))?;
    take_time(&work, duration).await?;
    if !input.fail.is_empty() {
        return Err(Failure::new("asked-for", input.fail).into());
    }
    let output = Output { sha256: hex(&Sha256::digest(&input.text)), length: input.text.len(), language: "rust" };
    Ok(Payload::json(&output).map_err(|error| Failure::new("no-output", error))?)
}

/// Works in steps, and stops at once when it is told to.
async fn take_time(work: &Work, duration: Duration) -> Result<(), WorkError> {
    if duration.is_zero() {
        return Ok(());
    }
    for step in 1..=STEPS {
        work.unless_stopped(sleep(duration / STEPS)).await?;
        work.progress(f64::from(step) / f64::from(STEPS), "");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
