package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Progress;
import dev.missioncontrol.v1.Report;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Progress on its way into the report log: the newest of each lease, at most once a second, and one
 * unacknowledged at a time. That bounds the log, however often a handler reports.
 */
final class ProgressNotes {
  private final Set<HeldLease> pending = new LinkedHashSet<>();
  private double dueTime = Times.NEVER;

  /** When {@link #flush} may have something to say; not later than that. */
  double dueTime() {
    return dueTime;
  }

  void note(HeldLease lease, Progress progress) {
    lease.progress = progress;
    pending.add(lease);
    expect(lease);
  }

  /** A progress was judged: the next one may go. */
  void acknowledged(HeldLease lease) {
    lease.progressInFlight = false;
    expect(lease);
  }

  /** Puts into the log what may go now. */
  void flush(ReportLog log, double now) {
    if (now < dueTime) {
      return;
    }
    dueTime = Times.NEVER;
    pending.removeIf(lease -> put(lease, log, now));
    pending.forEach(this::expect);
  }

  /** The lease's work ends: its last progress goes before its outcome, if it is due. */
  void finish(HeldLease lease, ReportLog log, double now) {
    if (lease.held && pending.contains(lease)) {
      put(lease, log, now);
    }
    forget(lease);
  }

  /** The lease has nothing more to say. */
  void forget(HeldLease lease) {
    lease.progress = null;
    pending.remove(lease);
  }

  private void expect(HeldLease lease) {
    if (lease.progress != null && !lease.progressInFlight) {
      dueTime = Math.min(dueTime, lease.progressTime + Limits.PROGRESS_SECONDS);
    }
  }

  private boolean put(HeldLease lease, ReportLog log, double now) {
    if (lease.progressInFlight || now < lease.progressTime + Limits.PROGRESS_SECONDS) {
      return false;
    }
    log.add(lease.key, Report.newBuilder().setProgress(lease.progress));
    lease.progress = null;
    lease.progressInFlight = true;
    lease.progressTime = now;
    return true;
  }
}
