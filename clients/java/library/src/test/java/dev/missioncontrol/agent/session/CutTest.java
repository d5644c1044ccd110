package dev.missioncontrol.agent.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.CoordinatorMessage;
import dev.missioncontrol.v1.Payload;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The connection is cut after every message, in either direction: nothing is lost or done twice.
 */
class CutTest {
  private static final int TASKS = 4;
  private static final int MESSAGES_MAX = 60;
  private static final int TURNS_MAX = 400;

  private final Deque<CoordinatorMessage> down = new ArrayDeque<>();
  private final List<LeaseKey> running = new ArrayList<>();
  private FakeCoordinator coordinator;
  private Session session;
  private double now;
  private int messages;
  private int cutAt;
  private boolean cut;
  private int starts;

  @Test
  void nothingIsLostOrAcceptedTwiceWhereverTheConnectionIsCut() {
    for (int at = 1; at <= MESSAGES_MAX; at++) {
      for (boolean lost : List.of(true, false)) {
        converse(at, lost);
        for (FakeCoordinator.Task task : coordinator.tasks.values()) {
          assertEquals(1, task.successes, "cut at message " + at);
        }
        // A lease whose delivery was cut goes back and is given again; work is never done twice.
        assertEquals(TASKS, starts, "cut at message " + at);
      }
    }
  }

  /** With `lost` the message that is cut does not arrive; without, it is the last that does. */
  private void converse(int at, boolean lost) {
    coordinator = new FakeCoordinator(TASKS);
    session = new Conversation(2, 1).session;
    cutAt = at;
    messages = 0;
    starts = 0;
    now = 100;
    running.clear();
    int turns = 0;
    connect(lost);
    while (!coordinator.done() || session.connect(now).getHello().getHeldCount() > 0) {
      connect(lost);
      for (int i = 0; i < TURNS_MAX && !cut && !coordinator.done(); i++) {
        turn(lost);
      }
      settle(lost);
      assertTrue(++turns < TURNS_MAX, "no end after a cut at message " + at);
    }
  }

  private void connect(boolean lost) {
    session.disconnect();
    down.clear();
    cut = false;
    up(session.connect(now), lost);
  }

  private void turn(boolean lost) {
    receiveAll(lost);
    now += 0.5;
    session.tick(now);
    for (Effect effect : session.takeEffects(now)) {
      if (effect instanceof Effect.Start start) {
        running.add(start.key());
        starts++;
      }
    }
    say(lost);
    if (!running.isEmpty()) {
      Payload output = Payload.getDefaultInstance();
      session.ended(running.remove(0), new Outcome.Success(output), now);
      say(lost);
    }
  }

  /** What is still on its way arrives. */
  private void settle(boolean lost) {
    receiveAll(lost);
    say(lost);
    receiveAll(lost);
  }

  private void receiveAll(boolean lost) {
    while (!cut && !down.isEmpty()) {
      CoordinatorMessage next = down.remove();
      if (passes(lost)) {
        session.receive(next, now);
      }
    }
  }

  private void say(boolean lost) {
    AgentMessage next = cut ? null : session.nextMessage(now);
    while (next != null) {
      up(next, lost);
      next = cut ? null : session.nextMessage(now);
    }
  }

  private void up(AgentMessage message, boolean lost) {
    if (passes(lost)) {
      down.addAll(coordinator.receive(message));
    }
  }

  private boolean passes(boolean lost) {
    if (++messages != cutAt) {
      return true;
    }
    cut = true;
    return !lost;
  }
}
