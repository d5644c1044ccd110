package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.CoordinatorMessage;
import dev.missioncontrol.v1.Heartbeat;
import dev.missioncontrol.v1.HeartbeatEcho;
import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.LeaseBatch;
import dev.missioncontrol.v1.LeaseReference;
import dev.missioncontrol.v1.Refusal;
import dev.missioncontrol.v1.RefusalReason;
import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.ReportAck;
import dev.missioncontrol.v1.ReportBatch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The other side of the conversation, as far as the contract says it: it judges, and remembers. */
final class FakeCoordinator {
  /** What has become of a task. */
  static final class Task {
    long token;
    boolean held;
    int successes;
  }

  final Map<String, Task> tasks = new LinkedHashMap<>();
  private long lastNumber;
  private long batches;

  FakeCoordinator(int count) {
    for (int i = 0; i < count; i++) {
      tasks.put("task-" + i, new Task());
    }
  }

  boolean done() {
    return tasks.values().stream().allMatch(each -> each.successes > 0);
  }

  /** Takes in a message; what it answers. */
  List<CoordinatorMessage> receive(AgentMessage message) {
    List<CoordinatorMessage> answers = new ArrayList<>();
    switch (message.getContentCase()) {
      case HELLO -> {
        answers.add(welcome(message.getHello()));
        answers.addAll(leases(message.getHello().getSlots()));
      }
      case HEARTBEAT -> answers.add(echo(message.getHeartbeat()));
      case REPORTS -> {
        answers.add(judge(message.getReports()));
        answers.addAll(leases(1));
      }
      default -> {}
    }
    return answers;
  }

  private CoordinatorMessage welcome(Hello hello) {
    batches = 0;
    tasks.forEach((id, task) -> task.held &= hello.getHeldList().contains(reference(id, task)));
    List<LeaseReference> keep =
        hello.getHeldList().stream().filter(each -> tasks.get(each.getTaskId()).held).toList();
    return Conversation.message().setWelcome(Conversation.welcomeOf(keep)).build();
  }

  private static LeaseReference reference(String id, Task task) {
    return new LeaseKey(id, task.token).reference();
  }

  private List<CoordinatorMessage> leases(int count) {
    LeaseBatch.Builder batch = LeaseBatch.newBuilder().setNumber(++batches);
    for (Map.Entry<String, Task> each : tasks.entrySet()) {
      Task task = each.getValue();
      if (!task.held && task.successes == 0 && batch.getLeasesCount() < count) {
        task.held = true;
        task.token++;
        batch.addLeases(Conversation.leaseOf(each.getKey()).setToken(task.token));
      }
    }
    return batch.getLeasesCount() == 0
        ? List.of()
        : List.of(Conversation.message().setLeases(batch).build());
  }

  private static CoordinatorMessage echo(Heartbeat heartbeat) {
    HeartbeatEcho.Builder echo =
        HeartbeatEcho.newBuilder()
            .setNumber(heartbeat.getNumber())
            .setHeldVersion(heartbeat.getHeldVersion());
    return Conversation.message().setHeartbeatEcho(echo).build();
  }

  private CoordinatorMessage judge(ReportBatch batch) {
    ReportAck.Builder ack = ReportAck.newBuilder();
    for (Report report : batch.getReportsList()) {
      if (report.getNumber() > lastNumber) {
        if (report.getNumber() != lastNumber + 1) {
          throw new AssertionError(report.getNumber() + " comes after " + lastNumber);
        }
        lastNumber = report.getNumber();
        judge(report, ack);
      }
    }
    return Conversation.message().setReportAck(ack.setNumber(lastNumber)).build();
  }

  private void judge(Report report, ReportAck.Builder ack) {
    Task task = tasks.get(report.getTaskId());
    if (!task.held || task.token != report.getToken()) {
      ack.addRefusals(
          Refusal.newBuilder()
              .setNumber(report.getNumber())
              .setReason(RefusalReason.REFUSAL_REASON_STALE));
    } else if (report.hasSucceeded()) {
      task.successes++;
      task.held = false;
    } else if (report.hasReturned() || report.hasRejected()) {
      task.held = false;
    }
  }
}
