package dev.missioncontrol.agent.session;

import dev.missioncontrol.v1.Lease;
import dev.missioncontrol.v1.LeaseReference;

/**
 * Names one lease.
 *
 * @param taskId the task
 * @param token the lease's token, which is the number of the attempt
 */
public record LeaseKey(String taskId, long token) {
  static LeaseKey of(Lease lease) {
    return new LeaseKey(lease.getTaskId(), lease.getToken());
  }

  static LeaseKey of(LeaseReference reference) {
    return new LeaseKey(reference.getTaskId(), reference.getToken());
  }

  LeaseReference reference() {
    return LeaseReference.newBuilder().setTaskId(taskId).setToken(token).build();
  }
}
