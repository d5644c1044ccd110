package dev.missioncontrol.agent;

import dev.missioncontrol.v1.Payload;

/** Does the work of one kind of task, in a thread of its own. */
@FunctionalInterface
public interface Handler {
  /**
   * Does the work and returns its output. The thread is interrupted when the work must stop (a
   * cancel, a time limit, a drain, a lost lease): end soon then, by whatever exception. Until it
   * has ended the work takes a slot.
   *
   * @throws WorkException to fail with a code of your own; any other exception is a failure, too
   */
  Payload run(Work work) throws Exception;
}
