package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Report;
import dev.missioncontrol.v1.Report.EventCase;
import dev.missioncontrol.v1.ReportBatch;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The reports that are not acknowledged: numbered, kept, sent in bounded batches, and sent again. A
 * start that was not sent before the work has succeeded or failed need not be said, since the
 * outcome says it, too: short work takes one report.
 */
final class ReportLog {
  /** One report; its content may change as long as it is unsent. */
  static final class Entry {
    final long number;
    final LeaseKey key;
    private Report report;
    private int size;

    private Entry(long number, LeaseKey key) {
      this.number = number;
      this.key = key;
    }

    EventCase event() {
      return report.getEventCase();
    }

    /** Whether it is the last word on its lease. */
    boolean isOutcome() {
      return switch (event()) {
        case SUCCEEDED, FAILED, CANCELLED, RETURNED, REJECTED -> true;
        default -> false;
      };
    }
  }

  private final Deque<Entry> sent = new ArrayDeque<>();
  private final Deque<Entry> unsent = new ArrayDeque<>();

  /** Unsent starts that are the last word on their lease so far. */
  private final Map<LeaseKey, Entry> starts = new HashMap<>();

  private long lastNumber;
  private long bytes;

  /** How much memory all of it takes, about. */
  long unacknowledgedBytes() {
    return bytes;
  }

  /** Appends a report with the next number, or puts an outcome in its lease's unsent start. */
  void add(LeaseKey key, Report.Builder content) {
    Entry start = starts.remove(key);
    if (start != null && (content.hasSucceeded() || content.hasFailed())) {
      fill(start, content);
      return;
    }
    Entry entry = new Entry(++lastNumber, key);
    fill(entry, content);
    unsent.add(entry);
    if (content.hasStarted()) {
      starts.put(key, entry);
    }
  }

  private void fill(Entry entry, Report.Builder content) {
    entry.report =
        content
            .setNumber(entry.number)
            .setTaskId(entry.key.taskId())
            .setToken(entry.key.token())
            .build();
    bytes -= entry.size;
    entry.size = entry.report.getSerializedSize();
    bytes += entry.size;
  }

  /** A new stream: all is to be sent again, in order, with the same numbers. */
  void rewind() {
    while (!sent.isEmpty()) {
      unsent.addFirst(sent.removeLast());
    }
  }

  /** The next reports to send, at most one message full; null if there are none. */
  ReportBatch.Builder nextBatch() {
    if (unsent.isEmpty()) {
      return null;
    }
    ReportBatch.Builder batch = ReportBatch.newBuilder();
    int size = 0;
    while (!unsent.isEmpty() && batch.getReportsCount() < Limits.BATCH_ITEMS_MAX) {
      Entry entry = unsent.element();
      size += entry.size;
      if (batch.getReportsCount() > 0 && size > Limits.BATCH_BYTES_MAX) {
        break; // One that is larger than that goes alone.
      }
      sent.add(unsent.remove());
      starts.remove(entry.key, entry);
      batch.addReports(entry.report);
    }
    return batch;
  }

  /**
   * Takes off, and returns, every report up to this number. One that was not sent on this stream
   * counts, too: an earlier stream's acknowledgement may have been lost.
   */
  List<Entry> acknowledged(long number) {
    List<Entry> done = new ArrayList<>();
    for (Deque<Entry> queue : List.of(sent, unsent)) {
      while (!queue.isEmpty() && queue.element().number <= number) {
        Entry entry = queue.remove();
        bytes -= entry.size;
        starts.remove(entry.key, entry);
        done.add(entry);
      }
    }
    return done;
  }
}
