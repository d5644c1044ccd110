//! Submits a task of the kind `example.digest` for each argument and waits for all of them, as clients/README.md describes it.

#[path = "../shared/settings.rs"]
mod settings;

use std::{ffi::OsString, process::ExitCode};

use missioncontrol::{Client, Error, v1};
use serde_json::{Value, json};
use uuid::Uuid;

const NOT_ALL_SUCCEEDED: u8 = 1;
const REFUSED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let client = match Client::connect(&settings::address(), &settings::namespace()) {
        Ok(client) => client,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(REFUSED);
        }
    };
    let inputs = std::env::args_os().skip(1).map(OsString::into_encoded_bytes);
    let submits: Vec<_> = inputs.map(|input| tokio::spawn(submit_and_wait(client.clone(), input))).collect();
    let mut code = 0;
    for submit in submits {
        code = code.max(tell(submit.await.expect("a submit does not panic")));
    }
    ExitCode::from(code)
}

async fn submit_and_wait(client: Client, input: Vec<u8>) -> Result<v1::Task, Error> {
    let requirements =
        v1::Requirements { capabilities: settings::list("MISSIONCONTROL_CAPABILITIES"), ..v1::Requirements::default() };
    let spec = v1::TaskSpec {
        queue: settings::text("MISSIONCONTROL_QUEUE", "default"),
        kind: settings::KIND.into(),
        payload: Some(v1::Payload { data: input, content_type: "application/json".into() }),
        requirements: Some(requirements),
        ..v1::TaskSpec::default()
    };
    let request = v1::CreateTaskRequest { spec: Some(spec), request_id: Uuid::new_v4().to_string() };
    let task = client.submit(request).await?;
    client.wait(&task.id).await
}

/// Prints what became of a submit, and returns the exit code that it asks for.
fn tell(result: Result<v1::Task, Error>) -> u8 {
    match result {
        Ok(task) => {
            println!("{}", line(&task));
            if task.state() == v1::TaskState::Succeeded { 0 } else { NOT_ALL_SUCCEEDED }
        }
        Err(error) => {
            eprintln!("{error}");
            REFUSED
        }
    }
}

fn line(task: &v1::Task) -> Value {
    let output = task.output.as_ref().and_then(|output| output.decode().ok());
    json!({
        "task_id": task.id,
        "state": task.state().as_str_name().trim_start_matches("TASK_STATE_"),
        "agent_id": task.agent_id,
        "output": output.unwrap_or(Value::Null),
    })
}
