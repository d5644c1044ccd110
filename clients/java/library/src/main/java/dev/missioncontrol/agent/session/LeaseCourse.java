package dev.missioncontrol.agent.session;

import dev.missioncontrol.agent.session.HeldLease.Phase;
import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.Started;
import java.util.List;

/** What is done with leases: started, stopped, ended, dropped; and what is said of it. */
final class LeaseCourse {
  private final LeaseTable table;
  private final WarmKeys warmKeys;
  private final Liveness liveness;
  private final ReportLog reports;
  private final ProgressNotes notes;
  private final Lingering lingering;
  private final List<Effect> effects;
  private final Deadlines deadlines = new Deadlines();

  /** Adds what is to be done to {@code effects}. */
  LeaseCourse(
      LeaseTable table,
      WarmKeys warmKeys,
      Liveness liveness,
      ReportLog reports,
      ProgressNotes notes,
      Lingering lingering,
      List<Effect> effects) {
    this.table = table;
    this.warmKeys = warmKeys;
    this.liveness = liveness;
    this.reports = reports;
    this.notes = notes;
    this.lingering = lingering;
    this.effects = effects;
  }

  /** When {@link #tick} has something to do. */
  double nextTime() {
    return deadlines.nextTime();
  }

  /** Stops what may not run on. */
  void tick(double now) {
    if (now >= deadlines.unrenewedTime()) {
      stopUnrenewed(now);
    }
    if (now >= deadlines.limitTime()) {
      stopAtLimit(now);
    }
  }

  /** A lease has come; its time runs. */
  void watch(HeldLease lease) {
    deadlines.unrenewed(stopTime(lease));
  }

  /** Its work starts, in a slot that the table has given it. */
  void start(HeldLease lease, double now) {
    reports.add(lease.key, Report.newBuilder().setStarted(Started.getDefaultInstance()));
    warmKeys.used(lease.lease.getSpec().getAffinityKey());
    if (lease.lease.hasRunTimeLimit()) {
      lease.limitTime = now + Times.seconds(lease.lease.getRunTimeLimit());
      deadlines.limit(lease.limitTime);
    }
    effects.add(new Effect.Start(lease.key, lease.lease));
  }

  /** Its work is over, or will never start; null if there is nothing to say of it. */
  void end(HeldLease lease, Report.Builder report) {
    table.end(lease);
    lingering.end(lease.key);
    if (lease.held && report != null) {
      reports.add(lease.key, report);
    }
  }

  /** The lease is not this agent's any more: its work stops, and nothing is said. Once. */
  void drop(LeaseKey key, double now) {
    HeldLease lease = table.get(key);
    if (lease == null || !lease.held) {
      return;
    }
    notes.forget(lease);
    table.forget(lease);
    if (lease.running()) {
      lease.stop = StopReason.DROPPED;
      lingering.begin(lease, now);
      effects.add(new Effect.Stop(key, StopReason.DROPPED));
    }
  }

  /** Its work is told to stop, or ends here if it has not started. */
  void stop(HeldLease lease, StopReason reason) {
    if (lease.phase == Phase.WAITING) {
      lease.stop = reason;
      end(lease, Outcome.report(new Outcome.Stopped(), reason));
    } else if (lease.running() && lease.mayStop(reason)) {
      lease.stop = reason;
      effects.add(new Effect.Stop(lease.key, reason));
    }
  }

  /** Stops what no heartbeat has renewed in time. */
  private void stopUnrenewed(double now) {
    deadlines.clearUnrenewed();
    for (HeldLease lease : table.all()) {
      if (!lease.held || lease.phase == Phase.ENDED || lease.stop == StopReason.LOST) {
        continue;
      }
      if (now >= stopTime(lease)) {
        stop(lease, StopReason.LOST);
      } else {
        deadlines.unrenewed(stopTime(lease));
      }
    }
  }

  /** When the work has to stop unless the lease is renewed before. */
  private double stopTime(HeldLease lease) {
    return liveness.renewedTime(lease) + lease.ttlSeconds * Limits.SELF_STOP_PART;
  }

  /** Stops what has run for as long as it may. */
  private void stopAtLimit(double now) {
    deadlines.clearLimit();
    for (HeldLease lease : table.all()) {
      if (lease.running() && now >= lease.limitTime) {
        lease.limitTime = Times.NEVER;
        stop(lease, StopReason.TIMEOUT);
      } else if (lease.running()) {
        deadlines.limit(lease.limitTime);
      }
    }
  }

  /** Gives back what has not started. */
  void returnWaiting() {
    for (HeldLease lease : table.all()) {
      if (lease.phase == Phase.WAITING) {
        end(lease, Outcome.returned(StopReason.DRAIN.explanation()));
      }
    }
  }
}
