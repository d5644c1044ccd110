package dev.missioncontrol.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ResumedTest {
  private final Deque<Iterator<String>> streams = new ArrayDeque<>();

  /** A stream that gives messages, and then breaks with a status, or ends with null. */
  private void stream(Status end, String... messages) {
    Iterator<String> all = List.of(messages).iterator();
    streams.add(
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            if (!all.hasNext() && end != null) {
              throw end.asRuntimeException();
            }
            return all.hasNext();
          }

          @Override
          public String next() {
            return all.next();
          }
        });
  }

  private Resumed<String> resumed(boolean endsWell) {
    return new Resumed<>(streams::remove, "last"::equals, endsWell, () -> false);
  }

  private static List<String> all(Iterator<String> messages) {
    List<String> all = new ArrayList<>();
    messages.forEachRemaining(all::add);
    return all;
  }

  @Test
  void aStreamThatBreaksOrEndsIsOpenedAgainUntilTheLastMessage() {
    stream(Status.UNAVAILABLE, "1");
    stream(Status.INTERNAL);
    stream(null, "2");
    stream(null, "3", "last", "4");
    assertEquals(List.of("1", "2", "3", "last"), all(resumed(false)));
  }

  @Test
  void aStreamThatMayEndWellEndsWithOk() {
    stream(Status.RESOURCE_EXHAUSTED, "1");
    stream(null, "2");
    assertEquals(List.of("1", "2"), all(resumed(true)));
  }

  @Test
  void anOutageBeginsWithTheBreakHoweverLongTheStreamWasQuiet() {
    AtomicLong now = new AtomicLong();
    stream(Status.UNAVAILABLE, "1");
    stream(Status.UNAVAILABLE);
    stream(null, "2");
    var messages =
        new Resumed<String>(streams::remove, "last"::equals, false, () -> false, now::get);
    assertEquals("1", messages.next());
    now.addAndGet(Duration.ofMinutes(10).toNanos());
    assertEquals("2", messages.next());
  }

  @Test
  void whatTheServiceSaysOfTheRequestIsThrown() {
    stream(Status.NOT_FOUND);
    var error = assertThrows(ServiceException.class, resumed(false)::hasNext);
    assertEquals(Status.Code.NOT_FOUND, error.code());
  }

  @Test
  void afterCloseThereIsNoMore() {
    stream(null, "1");
    Resumed<String> messages = resumed(false);
    messages.next();
    messages.close();
    assertFalse(messages.hasNext());
  }
}
