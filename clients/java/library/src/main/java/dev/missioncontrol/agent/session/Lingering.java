package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Hello;
import dev.missioncontrol.v1.Lease;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Work whose lease is gone and that does not stop: it has a slot which the coordinator takes for
 * free. What takes longer than a moment is told in the way in which the coordinator learns all else
 * of an agent, by Hello: the agent connects again with fewer slots, and once more when the work has
 * ended.
 */
final class Lingering {
  private record Work(Lease lease, double overdueTime) {}

  private final Map<LeaseKey, Work> works = new HashMap<>();

  /** What the last Hello told. */
  private Set<LeaseKey> told = Set.of();

  /** The lease is gone, its work was told to stop. */
  void begin(HeldLease lease, double now) {
    works.putIfAbsent(lease.key, new Work(lease.lease, now + Limits.LINGERING_SECONDS));
  }

  /** Its work has ended. */
  void end(LeaseKey key) {
    works.remove(key);
  }

  /** Whether the coordinator should be told anew. */
  boolean changed(double now) {
    return !overdue(now).equals(told);
  }

  /** When time alone makes it so. */
  double dueTime() {
    double due = Times.NEVER;
    for (Map.Entry<LeaseKey, Work> each : works.entrySet()) {
      if (!told.contains(each.getKey())) {
        due = Math.min(due, each.getValue().overdueTime());
      }
    }
    return due;
  }

  /** The tasks whose earlier work was told to linger: a new lease of one could not start here. */
  Set<String> toldTasks() {
    Set<String> tasks = new HashSet<>();
    told.forEach(key -> tasks.add(key.taskId()));
    return tasks;
  }

  /** Takes off Hello what is not there to be used; returns how many slots are left. */
  int tell(Hello.Builder hello, double now) {
    told = overdue(now);
    int left = hello.getSlots() - told.size();
    if (left > 0) {
      hello.setSlots(left);
    } else {
      hello.setDraining(true); // Hello must offer one at least; a drain takes none.
    }
    for (LeaseKey key : told) {
      takeResources(hello, works.get(key).lease());
    }
    return left;
  }

  private static void takeResources(Hello.Builder hello, Lease lease) {
    lease
        .getSpec()
        .getRequirements()
        .getResourcesMap()
        .forEach(
            (name, amount) -> {
              if (hello.containsResources(name)) {
                double left = hello.getResourcesOrThrow(name) - amount;
                hello.putResources(name, Math.max(0, left));
              }
            });
  }

  private Set<LeaseKey> overdue(double now) {
    Set<LeaseKey> keys = new HashSet<>();
    works.forEach(
        (key, work) -> {
          if (now >= work.overdueTime()) {
            keys.add(key);
          }
        });
    return keys;
  }
}
