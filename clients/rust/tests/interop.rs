//! Against the fleet at `MISSIONCONTROL_ADDRESS`: unary calls, errors with their details, an agent on its stream, and the feed.

use std::{collections::BTreeSet, io::Write as _, time::Duration};

use missioncontrol::{
    Agent, AgentConfig, AgentError, Client, Failure, Feed, FeedMessage, Handlers, LeaveHandle, Work, WorkError, v1,
};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tonic::Code;
use uuid::Uuid;

const KIND: &str = "interop.rust";
const PATIENCE: Duration = Duration::from_secs(30);

/// A fleet to test against, and a name of which nobody else knows.
struct Fleet {
    address: String,
    client: Client,
    name: String,
}

impl Fleet {
    /// `None` if there is no fleet, which is said where no test harness hides it.
    fn find(test: &str) -> Option<Self> {
        let Some(address) = std::env::var("MISSIONCONTROL_ADDRESS").ok().filter(|address| !address.is_empty()) else {
            let skipped = format!("SKIPPED {test}: MISSIONCONTROL_ADDRESS IS NOT SET\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        };
        // Nobody listens at the first: everything here finds the second by itself.
        let address = format!("127.0.0.1:1,{address}");
        let client = Client::connect(&address, "").unwrap();
        Some(Self { address, client, name: format!("rust-{}", Uuid::new_v4()) })
    }

    /// An agent that alone can do what `submit` submits.
    fn start_agent(&self) -> (LeaveHandle, JoinHandle<Result<(), AgentError>>) {
        let config = AgentConfig {
            addresses: self.address.clone(),
            id: self.name.clone(),
            slots: 3,
            capabilities: vec![self.name.clone()],
            ..AgentConfig::default()
        };
        let agent = Agent::new(config, Handlers::new().on(KIND, double)).unwrap();
        (agent.leave_handle(), tokio::spawn(agent.run()))
    }

    /// A task that only the agent of this name takes.
    fn request(&self, input: i64) -> v1::CreateTaskRequest {
        let requirements = v1::Requirements { capabilities: vec![self.name.clone()], ..v1::Requirements::default() };
        let spec = v1::TaskSpec {
            queue: self.name.clone(),
            kind: KIND.into(),
            payload: Some(v1::Payload::json(&input).unwrap()),
            requirements: Some(requirements),
            ..v1::TaskSpec::default()
        };
        v1::CreateTaskRequest { spec: Some(spec), ..v1::CreateTaskRequest::default() }
    }

    async fn submit(&self, input: i64) -> String {
        self.client.submit(self.request(input)).await.unwrap().id
    }

    async fn wait(&self, task_id: &str) -> v1::Task {
        timeout(PATIENCE, self.client.wait(task_id)).await.expect("the task ends in time").unwrap()
    }

    /// Of a queue what its tasks say; the queue itself may say at any time that nobody takes them, or that somebody does again.
    fn feed(&self, after: &str, follow: bool) -> Feed {
        use v1::EventType::{TaskCreated, TaskLeased, TaskStarted, TaskSucceeded};
        let types = [TaskCreated, TaskLeased, TaskStarted, TaskSucceeded].map(i32::from).to_vec();
        let filter = v1::EventFilter { queue: self.name.clone(), types, ..v1::EventFilter::default() };
        self.client.follow(v1::WatchEventsRequest { after: after.into(), filter: Some(filter), follow })
    }
}

/// Doubles a number. It never comes to an end with 0, and fails below.
async fn double(work: Work) -> Result<v1::Payload, WorkError> {
    match work.decode::<i64>().map_err(|error| Failure::invalid_input("bad-input", error))? {
        0 => Err(work.unless_stopped(std::future::pending()).await?),
        number if number < 0 => Err(Failure { permanent: true, ..Failure::new("negative", "below zero") }.into()),
        number => Ok(v1::Payload::json(&json!({ "double": number * 2 })).map_err(|error| Failure::new("json", error))?),
    }
}

#[tokio::test]
async fn a_refusal_has_its_code_its_reason_and_the_fields_that_are_wrong() {
    let Some(fleet) = Fleet::find("errors") else { return };
    let spec = v1::TaskSpec { queue: "no/such name".into(), kind: String::new(), ..v1::TaskSpec::default() };

    let invalid =
        fleet.client.submit(v1::CreateTaskRequest { spec: Some(spec), ..Default::default() }).await.unwrap_err();
    let unknown = fleet.client.get(&Uuid::new_v4().to_string()).await.unwrap_err();
    let unknown_watched = fleet.client.wait(&Uuid::new_v4().to_string()).await.unwrap_err();

    let fields: BTreeSet<&str> = invalid.fields().iter().map(|each| each.field.as_str()).collect();
    assert_eq!((invalid.code(), invalid.domain()), (Code::InvalidArgument, "missioncontrol"));
    assert_eq!(fields, ["spec.kind", "spec.queue"].into());
    assert!(invalid.fields().iter().all(|each| !each.description.is_empty()));
    for error in [unknown, unknown_watched] {
        assert_eq!((error.code(), error.domain()), (Code::NotFound, "missioncontrol"));
        assert_eq!(error.reason(), "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_submit_that_is_repeated_with_its_request_id_makes_one_task() {
    let Some(fleet) = Fleet::find("request ids") else {
        return;
    };
    let request = v1::CreateTaskRequest { request_id: fleet.name.clone(), ..fleet.request(1) };

    let first = fleet.client.submit(request.clone()).await.unwrap();
    let second = fleet.client.submit(request.clone()).await.unwrap();
    let mut other = request;
    other.spec.as_mut().unwrap().priority = 1;
    let reused = fleet.client.submit(other).await.unwrap_err();

    assert_eq!(first.id, second.id);
    assert_eq!((reused.code(), reused.metadata("task_id")), (Code::AlreadyExists, Some(first.id.as_str())));
    fleet.client.cancel(&first.id, "the test is over").await.unwrap();
    assert_eq!(fleet.wait(&first.id).await.state(), v1::TaskState::Cancelled);
}

#[tokio::test]
async fn an_agent_runs_tasks_stops_what_is_cancelled_and_leaves() {
    let Some(fleet) = Fleet::find("agent") else { return };
    let (leaving, agent) = fleet.start_agent();
    let endless = fleet.submit(0).await;
    let mut watch = fleet.client.watch(&endless);
    while watch.next().await.unwrap().state() != v1::TaskState::Running {}
    let mut doubled = Vec::new();
    for number in 1..=5 {
        doubled.push(fleet.submit(number).await);
    }
    let negative = fleet.submit(-1).await;

    for (number, task_id) in (1..).zip(&doubled) {
        let task = fleet.wait(task_id).await;
        let output: serde_json::Value = task.output.unwrap().decode().unwrap();
        assert_eq!((output, task.agent_id), (json!({ "double": number * 2 }), fleet.name.clone()));
    }
    let failure = fleet.wait(&negative).await.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("negative", "below zero"));
    fleet.client.cancel(&endless, "enough").await.unwrap();
    assert_eq!(fleet.wait(&endless).await.state(), v1::TaskState::Cancelled);

    leaving.leave(PATIENCE);
    timeout(PATIENCE, agent).await.expect("the agent leaves in time").unwrap().unwrap();
}

#[tokio::test]
async fn the_feed_goes_on_after_a_position_with_nothing_missing_doubled_or_reordered() {
    let Some(fleet) = Fleet::find("feed") else { return };
    let (leaving, agent) = fleet.start_agent();
    // A task for each message that was read: however slow the reader is, it never finds everything in a few of them.
    let (tell, mut told) = mpsc::unbounded_channel();
    let tasks = async {
        for number in 1..=20 {
            fleet.submit(number).await;
            told.recv().await.unwrap();
        }
    };

    let (read, ()) = tokio::join!(read_in_parts(&fleet, 20, &tell), tasks);

    let mut at_once = Vec::new();
    let mut feed = fleet.feed("", false);
    while let Some(message) = feed.next().await.unwrap() {
        at_once.extend(sequences(&message));
    }
    assert!(read.parts > 3, "the feed was read in {} parts", read.parts);
    assert_eq!(read.sequences, at_once);
    leaving.leave(PATIENCE);
    timeout(PATIENCE, agent).await.expect("the agent leaves in time").unwrap().unwrap();
}

#[tokio::test]
async fn a_position_that_cannot_be_continued_is_answered_with_a_reset() {
    let Some(fleet) = Fleet::find("reset") else { return };
    let mut feed = fleet.feed("head", true);
    timeout(PATIENCE, feed.next()).await.expect("the head is told in time").unwrap();
    let (epoch, sequence) = feed.position().rsplit_once(':').unwrap();
    let ahead = format!("{epoch}:{}", sequence.parse::<u64>().unwrap() + 1_000_000);

    let message = fleet.feed(&ahead, false).next().await.unwrap();

    let Some(FeedMessage::Reset { reason, requested, position }) = message else { panic!("{message:?}") };
    assert_eq!((reason, requested), (v1::ResetReason::Ahead, ahead));
    assert!(!position.is_empty());
}

struct Read {
    sequences: Vec<u64>,
    parts: usize,
}

/// Reads until so many tasks have succeeded; after every few messages the stream is dropped, and a new one goes on after the position.
async fn read_in_parts(fleet: &Fleet, tasks: usize, tell: &mpsc::UnboundedSender<()>) -> Read {
    let mut read = Read { sequences: Vec::new(), parts: 0 };
    let (mut position, mut succeeded) = (String::new(), 0);
    while succeeded < tasks {
        let mut feed = fleet.feed(&position, true);
        read.parts += 1;
        for _ in 0..4 {
            if succeeded == tasks {
                break;
            }
            let message = timeout(PATIENCE, feed.next()).await.expect("the feed goes on").unwrap().unwrap();
            read.sequences.extend(sequences(&message));
            succeeded += successes(&message);
            tell.send(()).unwrap();
        }
        position = feed.position().to_owned();
    }
    read
}

fn events(message: &FeedMessage) -> &[v1::Event] {
    match message {
        FeedMessage::Events { events, .. } => events,
        FeedMessage::Reset { .. } => panic!("a reset that nobody asked for: {message:?}"),
    }
}

fn sequences(message: &FeedMessage) -> impl Iterator<Item = u64> {
    events(message).iter().map(|event| event.sequence)
}

fn successes(message: &FeedMessage) -> usize {
    events(message).iter().filter(|event| event.r#type() == v1::EventType::TaskSucceeded).count()
}
