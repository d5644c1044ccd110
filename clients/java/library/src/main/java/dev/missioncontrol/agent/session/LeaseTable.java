package dev.missioncontrol.agent.session;

import dev.missioncontrol.agent.session.HeldLease.Phase;
import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.LeaseReference;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The leases that an agent has. A lease is <em>held</em> from its delivery until its last report is
 * acknowledged; held leases are what heartbeats name. Work that runs takes a slot until it has
 * really ended, held or not.
 */
final class LeaseTable {
  private final int slots;
  private final int queueLimit;
  private final Map<LeaseKey, HeldLease> leases = new LinkedHashMap<>();
  private final Map<LeaseKey, HeldLease> waiting = new LinkedHashMap<>();
  private final Set<String> runningTasks = new HashSet<>();
  private long version;
  private int heldCount;
  private int runningCount;
  private int lingeringCount;
  private double shortestTtl = Times.NEVER;

  LeaseTable(int slots, int queueLimit) {
    this.slots = slots;
    this.queueLimit = queueLimit;
  }

  /** One more with each lease that comes to the held set or goes from it. */
  long version() {
    return version;
  }

  /** Not longer than any time to live of a lease held; exact after {@link #references}. */
  double shortestTtl() {
    return shortestTtl;
  }

  /** Whether nothing is held and nothing runs. */
  boolean isEmpty() {
    return heldCount == 0 && runningCount == 0;
  }

  /** The lease, held or running; null if it is neither. */
  HeldLease get(LeaseKey key) {
    return leases.get(key);
  }

  /** All leases, held or running, as they are now. */
  List<HeldLease> all() {
    return new ArrayList<>(leases.values());
  }

  /**
   * Whether one more would be more than the agent offered to take. Work that lingers has no lease
   * any more: one that comes for its slot waits for its end.
   */
  boolean isFull() {
    return load() >= slots + queueLimit;
  }

  private int load() {
    return waiting.size() + runningCount - lingeringCount;
  }

  HeldLease add(Lease lease, double trustedTime) {
    version++;
    heldCount++;
    HeldLease added = new HeldLease(lease, version, trustedTime);
    shortestTtl = Math.min(shortestTtl, added.ttlSeconds);
    leases.put(added.key, added);
    waiting.put(added.key, added);
    return added;
  }

  /**
   * Takes the oldest waiting lease into a free slot; null if there is none. A task whose earlier
   * work still runs waits for its end.
   */
  HeldLease start() {
    if (runningCount >= slots) {
      return null;
    }
    for (HeldLease lease : waiting.values()) {
      if (runningTasks.add(lease.key.taskId())) {
        waiting.remove(lease.key);
        lease.phase = Phase.RUNNING;
        runningCount++;
        return lease;
      }
    }
    return null;
  }

  /**
   * The waiting leases that cannot stay if so many slots are left: those of tasks whose earlier
   * work is stuck, and the newest that are too many; all, if no slot is left.
   */
  List<HeldLease> surplus(int slotsLeft, Set<String> stuckTasks) {
    List<HeldLease> surplus = new ArrayList<>();
    List<HeldLease> others = new ArrayList<>();
    for (HeldLease lease : waiting.values()) {
      (stuckTasks.contains(lease.key.taskId()) ? surplus : others).add(lease);
    }
    int room = slotsLeft > 0 ? slotsLeft + queueLimit : 0;
    int tooMany = Math.max(0, Math.min(others.size(), load() - surplus.size() - room));
    Collections.reverse(others);
    surplus.addAll(others.subList(0, tooMany));
    return surplus;
  }

  /** The work is over, or will never start: its slot, or its place in the queue, is free. */
  void end(HeldLease lease) {
    waiting.remove(lease.key);
    if (lease.running()) {
      runningCount--;
      lingeringCount -= lease.held ? 0 : 1;
      runningTasks.remove(lease.key.taskId());
    }
    lease.phase = Phase.ENDED;
    if (!lease.held) {
      leases.remove(lease.key);
    }
  }

  /** Takes the lease off the held set. Work that still runs keeps its slot until its end. */
  void forget(HeldLease lease) {
    if (lease.held) {
      lease.held = false;
      version++;
      heldCount--;
      lingeringCount += lease.running() ? 1 : 0;
    }
    if (!lease.running()) {
      end(lease);
    }
  }

  /** The set of leases held, as Hello and heartbeats name it. */
  List<LeaseReference> references() {
    List<LeaseReference> references = new ArrayList<>(heldCount);
    shortestTtl = Times.NEVER;
    for (HeldLease lease : leases.values()) {
      if (lease.held) {
        references.add(lease.key.reference());
        shortestTtl = Math.min(shortestTtl, lease.ttlSeconds);
      }
    }
    return references;
  }
}
