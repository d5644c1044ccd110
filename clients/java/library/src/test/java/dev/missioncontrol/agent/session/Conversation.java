package dev.missioncontrol.agent.session;

import com.google.protobuf.Duration;
import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.CoordinatorMessage;
import dev.missioncontrol.v1.HeartbeatEcho;
import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.LeaseBatch;
import dev.missioncontrol.v1.LeaseReference;
import dev.missioncontrol.v1.Orders;
import dev.missioncontrol.v1.Payload;
import dev.missioncontrol.v1.Refusal;
import dev.missioncontrol.v1.RefusalReason;
import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.ReportAck;
import dev.missioncontrol.v1.TaskSpec;
import dev.missioncontrol.v1.Welcome;
import java.util.ArrayList;
import java.util.List;

/** A session with a clock that the test moves, and all that it said and asked for since. */
final class Conversation {
  static final double TTL_SECONDS = 30;
  static final double INTERVAL_SECONDS = 5;
  static final double ECHO_SECONDS = 12;

  final Session session;
  final List<AgentMessage> said = new ArrayList<>();
  final List<Effect> asked = new ArrayList<>();
  double now = 100;
  private long batches;

  Conversation(int slots, int queueLimit) {
    session =
        new Session(
            Hello.newBuilder()
                .setAgentId("agent-1")
                .addKinds("work")
                .setSlots(slots)
                .setQueueLimit(queueLimit)
                .putResources("gpu", 2)
                .build());
  }

  /** Connected, and welcomed. */
  static Conversation begun(int slots, int queueLimit) {
    Conversation conversation = new Conversation(slots, queueLimit);
    conversation.connect();
    return conversation;
  }

  /** A new stream, whose Welcome keeps all that Hello named. */
  Hello connect() {
    Hello hello = session.connect(now).getHello();
    welcome(hello.getHeldList());
    return hello;
  }

  void welcome(List<LeaseReference> keep) {
    receive(message().setWelcome(welcomeOf(keep)).build());
  }

  static Welcome.Builder welcomeOf(List<LeaseReference> keep) {
    return Welcome.newBuilder()
        .addAllKeep(keep)
        .setHeartbeatInterval(duration(INTERVAL_SECONDS))
        .setEchoTimeout(duration(ECHO_SECONDS))
        .setReconnectJitterMax(duration(3));
  }

  void receive(CoordinatorMessage message) {
    session.receive(message, now);
    turn();
  }

  void lease(Lease... leases) {
    LeaseBatch batch =
        LeaseBatch.newBuilder().setNumber(++batches).addAllLeases(List.of(leases)).build();
    receive(message().setLeases(batch).build());
  }

  void orders(Orders.Builder orders) {
    receive(message().setOrders(orders).build());
  }

  void acknowledge(long number) {
    receive(message().setReportAck(ReportAck.newBuilder().setNumber(number)).build());
  }

  void refuse(long number, RefusalReason reason) {
    Refusal refusal = Refusal.newBuilder().setNumber(number).setReason(reason).build();
    ReportAck ack = ReportAck.newBuilder().setNumber(number).addRefusals(refusal).build();
    receive(message().setReportAck(ack).build());
  }

  /** Answers every heartbeat that was said and not yet answered, and forgets what was said. */
  void echoAll() {
    List<AgentMessage> heartbeats = said.stream().filter(AgentMessage::hasHeartbeat).toList();
    said.clear();
    for (AgentMessage each : heartbeats) {
      HeartbeatEcho.Builder echo =
          HeartbeatEcho.newBuilder()
              .setNumber(each.getHeartbeat().getNumber())
              .setHeldVersion(each.getHeartbeat().getHeldVersion());
      receive(message().setHeartbeatEcho(echo).build());
    }
  }

  void end(LeaseKey key, Outcome outcome) {
    session.ended(key, outcome, now);
    turn();
  }

  void succeed(LeaseKey key) {
    end(key, new Outcome.Success(Payload.getDefaultInstance()));
  }

  /** What an owner does: all that is due, and all that there is to say. */
  void turn() {
    session.tick(now);
    asked.addAll(session.takeEffects(now));
    for (AgentMessage next = session.nextMessage(now);
        next != null;
        next = session.nextMessage(now)) {
      said.add(next);
    }
  }

  void pass(double seconds) {
    now += seconds;
    turn();
  }

  /** The reports that were said, in their order. */
  List<Report> reports() {
    return said.stream().flatMap(each -> each.getReports().getReportsList().stream()).toList();
  }

  Report lastReport() {
    List<Report> all = reports();
    return all.get(all.size() - 1);
  }

  List<LeaseKey> started() {
    return asked.stream()
        .filter(Effect.Start.class::isInstance)
        .map(each -> ((Effect.Start) each).key())
        .toList();
  }

  static CoordinatorMessage.Builder message() {
    return CoordinatorMessage.newBuilder();
  }

  static LeaseKey key(String taskId) {
    return new LeaseKey(taskId, 1);
  }

  static LeaseReference reference(String taskId) {
    return key(taskId).reference();
  }

  static Lease.Builder leaseOf(String taskId) {
    return Lease.newBuilder()
        .setTaskId(taskId)
        .setToken(1)
        .setTtl(duration(TTL_SECONDS))
        .setSpec(TaskSpec.newBuilder().setKind("work"));
  }

  static Lease lease(String taskId) {
    return leaseOf(taskId).build();
  }

  static Duration duration(double seconds) {
    long nanos = Math.round(seconds * 1e9);
    return Duration.newBuilder()
        .setSeconds(nanos / 1_000_000_000)
        .setNanos((int) (nanos % 1_000_000_000))
        .build();
  }
}
