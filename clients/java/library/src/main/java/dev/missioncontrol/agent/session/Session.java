package dev.missioncontrol.agent.session;

import dev.missioncontrol.agent.session.HeldLease.Phase;
import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.CoordinatorMessage;
import dev.missioncontrol.v1.DrainMode;
import dev.missioncontrol.v1.DrainNotice;
import dev.missioncontrol.v1.DrainOrder;
import dev.missioncontrol.v1.Goodbye;
import dev.missioncontrol.v1.Heartbeat;
import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.LeaseBatch;
import dev.missioncontrol.v1.LeaseReceipt;
import dev.missioncontrol.v1.LeaseReference;
import dev.missioncontrol.v1.Moving;
import dev.missioncontrol.v1.Orders;
import dev.missioncontrol.v1.Progress;
import dev.missioncontrol.v1.Refusal;
import dev.missioncontrol.v1.RefusalReason;
import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.ReportAck;
import dev.missioncontrol.v1.ReportBatch;
import dev.missioncontrol.v1.Welcome;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One incarnation of an agent, over any number of streams.
 *
 * <p>Its owner calls {@link #connect} for each stream, {@link #receive} for each message, {@link
 * #progress} and {@link #ended} for the work; after any of them, and at {@link #nextTime} at the
 * latest, {@link #tick}, {@link #takeEffects} and {@link #nextMessage} until there is nothing more.
 */
public final class Session {
  private static final String STUCK = "the agent's slots are held by work that does not stop";
  private static final int OUTCOMES_REFUSED_MAX = 2;

  private final Hello hello;
  private final LeaseTable leases;
  private final WarmKeys warmKeys;
  private final LeaseCourse course;
  private final Liveness liveness = new Liveness();
  private final ReportLog reports = new ReportLog();
  private final ProgressNotes notes = new ProgressNotes();
  private final Drain drain = new Drain();
  private final Lingering lingering = new Lingering();
  private Receipts receipts = new Receipts();
  private final List<Effect> effects = new ArrayList<>();

  /** What the Hello of this stream named. */
  private Set<LeaseKey> helloHeld = Set.of();

  /** The session of an agent that {@code hello} describes, but for what it holds. */
  public Session(Hello hello) {
    this.hello = hello;
    this.leases = new LeaseTable(hello.getSlots(), hello.getQueueLimit());
    this.warmKeys = new WarmKeys(hello.getWarmKeysList());
    this.course = new LeaseCourse(leases, warmKeys, liveness, reports, notes, lingering, effects);
  }

  // --- The stream

  /** A new stream is open: the Hello to send on it. */
  public AgentMessage connect(double now) {
    List<LeaseReference> held = leases.references();
    helloHeld = keys(held);
    reports.rewind();
    receipts = new Receipts();
    liveness.begin(leases.version(), now);
    Hello.Builder own = hello.toBuilder();
    own.clearHeld().addAllHeld(held).setHeldVersion(leases.version()).setDraining(drain.own());
    own.clearWarmKeys().addAllWarmKeys(warmKeys.newestFirst());
    int slotsLeft = lingering.tell(own, now);
    for (HeldLease lease : leases.surplus(slotsLeft, lingering.toldTasks())) {
      course.end(lease, Outcome.returned(STUCK));
    }
    return AgentMessage.newBuilder().setHello(own).build();
  }

  /** The stream is gone. Work goes on until its leases run out. */
  public void disconnect() {
    liveness.end();
  }

  /** Whether the current stream was welcomed. */
  public boolean connected() {
    return liveness.welcomed();
  }

  /** Whether the agent has said Goodbye, or there was nobody to say it to. */
  public boolean left() {
    return drain.left();
  }

  /** The longest random wait before the next stream, as the coordinator said it last. */
  public double jitterSeconds() {
    return liveness.jitterSeconds();
  }

  /** Takes in a message of the current stream. What is not known is ignored. */
  public void receive(CoordinatorMessage message, double now) {
    if (now >= liveness.silenceTime()) {
      // The stream counts as broken, and `tick` says so. What comes all the same may have waited in
      // the socket for as long as this process was stopped: its leases are not new, its echoes
      // prove
      // nothing.
      return;
    }
    switch (message.getContentCase()) {
      case WELCOME -> onWelcome(message.getWelcome(), now);
      case HEARTBEAT_ECHO -> liveness.echo(message.getHeartbeatEcho(), now);
      case LEASES -> onLeases(message.getLeases(), now);
      case REPORT_ACK -> onAck(message.getReportAck(), now);
      case ORDERS -> onOrders(message.getOrders(), now);
      case MOVING -> onMoving(message.getMoving());
      case CONTENT_NOT_SET -> {}
    }
  }

  /** The next message to send, null if there is none. Heartbeats first: nothing may delay them. */
  public AgentMessage nextMessage(double now) {
    if (!connected()) {
      return null;
    }
    if (now >= liveness.heartbeatTime(leases.shortestTtl())) {
      return heartbeat(now);
    }
    if (drain.takeNotice()) {
      return message().setDrainNotice(DrainNotice.getDefaultInstance()).build();
    }
    notes.flush(reports, now);
    ReportBatch.Builder batch = reports.nextBatch();
    if (batch != null) {
      return message().setReports(batch.setLeaseBatch(receipts.take())).build();
    }
    if (now >= receipts.dueTime()) {
      return message()
          .setLeaseReceipt(LeaseReceipt.newBuilder().setNumber(receipts.take()))
          .build();
    }
    if (drain.takeGoodbye(idle(), now)) {
      String why = idle() ? "the agent leaves" : "the agent leaves; some work did not stop in time";
      return message().setGoodbye(Goodbye.newBuilder().setMessage(why)).build();
    }
    return null;
  }

  private AgentMessage heartbeat(double now) {
    Heartbeat.Builder heartbeat = liveness.heartbeat(leases.version(), now);
    if (heartbeat.getHeldIncluded()) {
      heartbeat.addAllHeld(leases.references());
    }
    return message().setHeartbeat(heartbeat).build();
  }

  /** What to do now, in order. Work that starts is said to have started. */
  public List<Effect> takeEffects(double now) {
    if (!drain.closed() && reports.unacknowledgedBytes() < Limits.UNACKNOWLEDGED_BYTES_MAX) {
      for (HeldLease next = leases.start(); next != null; next = leases.start()) {
        course.start(next, now);
      }
    }
    if (drain.takeLeave(idle(), connected(), now)) {
      effects.add(new Effect.Leave());
    }
    List<Effect> taken = List.copyOf(effects);
    effects.clear();
    return taken;
  }

  // --- Time

  /** Does what is due by the time alone. */
  public void tick(double now) {
    if (now >= liveness.silenceTime()) {
      reconnect("no answer of the coordinator in time", 0, true);
    }
    course.tick(now);
    if (drain.takeTimeUp(now)) {
      leases.all().forEach(lease -> course.stop(lease, StopReason.DRAIN));
    }
    if (tellsOfLingering() && lingering.changed(now)) {
      reconnect("work whose lease is gone does not stop, or has stopped at last", 0, false);
    }
  }

  /** When {@link #tick} and {@link #takeEffects} have something to do, if nothing comes before. */
  public double nextTime() {
    double next = Math.min(liveness.silenceTime(), course.nextTime());
    next = Math.min(next, drain.nextTime());
    next = Math.min(next, tellsOfLingering() ? lingering.dueTime() : Times.NEVER);
    return Math.min(next, connected() ? Times.NEVER : drain.leaveTime());
  }

  /**
   * When {@link #nextMessage} has something to say by the time alone. Apart from {@link #nextTime},
   * since an owner that cannot send just now must not be woken for it again and again.
   */
  public double nextMessageTime() {
    if (!connected()) {
      return Times.NEVER;
    }
    double next = Math.min(liveness.heartbeatTime(leases.shortestTtl()), receipts.dueTime());
    return Math.min(next, Math.min(notes.dueTime(), drain.leaveTime()));
  }

  // --- What happens in the agent

  /** The work got further. Only the newest is sent, at most once a second. */
  public void progress(LeaseKey key, Progress progress) {
    HeldLease lease = leases.get(key);
    if (lease != null && lease.held && lease.running()) {
      notes.note(lease, progress);
    }
  }

  /** The work has ended, in whatever way. Its slot is free. */
  public void ended(LeaseKey key, Outcome outcome, double now) {
    HeldLease lease = leases.get(key);
    if (lease == null || !lease.running()) {
      return;
    }
    notes.finish(lease, reports, now);
    course.end(lease, Outcome.report(outcome, lease.stop));
  }

  /**
   * The agent is to end: no more work; what runs may finish within {@code drainSeconds}, then
   * stops, and is left behind {@code stopSeconds} later. A second call can only shorten that.
   */
  public void leave(double now, double drainSeconds, double stopSeconds) {
    drain.leaveWithin(now, drainSeconds, stopSeconds);
    course.returnWaiting();
    tick(now);
  }

  private boolean idle() {
    return leases.isEmpty();
  }

  private boolean tellsOfLingering() {
    return connected() && !drain.own();
  }

  // --- Messages of the coordinator

  private void onWelcome(Welcome welcome, double now) {
    liveness.welcome(welcome, now);
    drain.welcomed();
    Set<LeaseKey> keep = keys(welcome.getKeepList());
    helloHeld.stream().filter(key -> !keep.contains(key)).forEach(key -> course.drop(key, now));
    onOrders(welcome.getOrders(), now);
  }

  private void onLeases(LeaseBatch batch, double now) {
    receipts.arrived(batch.getNumber(), now);
    for (Lease lease : batch.getLeasesList()) {
      if (leases.get(LeaseKey.of(lease)) == null) {
        onLease(lease, now);
      }
    }
  }

  private void onLease(Lease lease, double now) {
    boolean full = leases.isFull();
    double unconfirmed = Times.seconds(lease.getTtl()) * Limits.UNCONFIRMED_PART;
    HeldLease held = leases.add(lease, Math.max(liveness.echoedTime(), now - unconfirmed));
    course.watch(held);
    String kind = lease.getSpec().getKind();
    if (drain.closed()) {
      course.end(held, Outcome.returned(StopReason.DRAIN.explanation()));
    } else if (!hello.getKindsList().contains(kind)) {
      course.end(held, Outcome.rejected("no handler for the kind " + kind));
    } else if (lingering.toldTasks().contains(lease.getTaskId())) {
      course.end(held, Outcome.rejected(STUCK));
    } else if (full) {
      course.end(held, Outcome.rejected("all slots and places in the queue are taken"));
    }
  }

  private void onAck(ReportAck ack, double now) {
    Map<Long, Refusal> refusals = new HashMap<>();
    ack.getRefusalsList().forEach(each -> refusals.put(each.getNumber(), each));
    for (ReportLog.Entry entry : reports.acknowledged(ack.getNumber())) {
      HeldLease lease = leases.get(entry.key);
      Refusal refusal = refusals.get(entry.number);
      if (lease != null && refusal == null) {
        onAccepted(entry, lease);
      } else if (lease != null) {
        onRefused(entry, lease, refusal, now);
      }
    }
  }

  private void onAccepted(ReportLog.Entry entry, HeldLease lease) {
    if (entry.isOutcome()) {
      leases.forget(lease);
    } else if (entry.event() == Report.EventCase.PROGRESS) {
      notes.acknowledged(lease);
    }
  }

  private void onRefused(ReportLog.Entry entry, HeldLease lease, Refusal refusal, double now) {
    if (refusal.getReason() != RefusalReason.REFUSAL_REASON_INVALID) {
      course.drop(entry.key, now);
    } else if (!entry.isOutcome()) {
      onAccepted(entry, lease); // The lease itself goes on.
    } else if (lease.refused >= OUTCOMES_REFUSED_MAX) {
      course.drop(entry.key, now);
    } else {
      lease.refused++;
      reports.add(entry.key, replacement(lease.refused, refusal.getMessage()));
    }
  }

  /** What is said in place of an outcome that the coordinator called invalid. */
  private static Report.Builder replacement(int refused, String message) {
    return refused == 1
        ? Outcome.refused(message)
        : Outcome.returned("the coordinator refused two outcomes of this lease");
  }

  private void onOrders(Orders orders, double now) {
    keys(orders.getDropList()).forEach(key -> course.drop(key, now));
    for (LeaseKey key : keys(orders.getCancelList())) {
      HeldLease lease = leases.get(key);
      if (lease != null) {
        course.stop(lease, StopReason.CANCEL);
      }
    }
    for (LeaseKey key : keys(orders.getRecallList())) {
      HeldLease lease = leases.get(key);
      if (lease != null && lease.phase == Phase.WAITING) {
        course.end(lease, Outcome.returned("recalled"));
      }
    }
    if (orders.getResume()) {
      drain.resume();
    } else if (orders.hasDrain()) {
      onDrain(orders.getDrain(), now);
    }
  }

  private void onDrain(DrainOrder order, double now) {
    double limit = order.hasTimeLimit() ? Times.seconds(order.getTimeLimit()) : Times.NEVER;
    drain.order(now, order.getMode() == DrainMode.DRAIN_MODE_RETURN ? 0 : limit);
    course.returnWaiting();
    tick(now);
  }

  private void onMoving(Moving moving) {
    String why = "the coordinator said: " + moving.getMessage();
    effects.add(new Effect.Reconnect(why, Times.seconds(moving.getDelay()), true));
  }

  private void reconnect(String why, double delaySeconds, boolean elsewhere) {
    disconnect();
    effects.add(new Effect.Reconnect(why, delaySeconds, elsewhere));
  }

  private static Set<LeaseKey> keys(List<LeaseReference> references) {
    Set<LeaseKey> keys = new HashSet<>();
    references.forEach(each -> keys.add(LeaseKey.of(each)));
    return keys;
  }

  private static AgentMessage.Builder message() {
    return AgentMessage.newBuilder();
  }
}
