package dev.missioncontrol.agent;

import dev.missioncontrol.agent.session.Effect;
import dev.missioncontrol.agent.session.LeaseKey;
import dev.missioncontrol.agent.session.Outcome;
import dev.missioncontrol.agent.session.Session;
import dev.missioncontrol.client.Addresses;
import dev.missioncontrol.client.ServiceException;
import dev.missioncontrol.v1.AgentMessage;
import dev.missioncontrol.v1.CoordinatorMessage;
import dev.missioncontrol.v1.Hello;
import io.grpc.ChannelCredentials;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * The session on the network: one stream after another. Everything that touches the session happens
 * in the one thread that calls {@link #run}; other threads put what they have to say into its
 * mailbox, and never wait. A coordinator that does not read keeps messages from being sent, and
 * nothing else.
 */
final class Connection {
  private static final Logger LOG = System.getLogger("dev.missioncontrol.agent");
  private static final Effect.Reconnect ENDED = new Effect.Reconnect("it ended", 0, true);

  /** A coordinator that stays away is said so often, not for hours. */
  private static final int LOUD_ATTEMPTS = 3;

  /** The mailbox is looked at this often at least; it also bounds a wait that never ends. */
  private static final double WAIT_SECONDS_MAX = 60;

  private final String agentId;
  private final Addresses addresses;
  private final ChannelCredentials credentials;
  private final Session session;
  private final Workers workers;
  private final Pause pause = new Pause(ThreadLocalRandom.current());
  private final BlockingQueue<Runnable> mailbox = new LinkedBlockingQueue<>();
  private final long startNanos = System.nanoTime();

  /** The stream that counts; null between two. What is still said of an earlier one is ignored. */
  private AgentStream stream;

  private Effect.Reconnect next = ENDED;
  private boolean left;
  private AgentException failure;

  Connection(
      Addresses addresses,
      ChannelCredentials credentials,
      Hello hello,
      Map<String, Handler> handlers) {
    this.agentId = hello.getAgentId();
    this.addresses = addresses;
    this.credentials = credentials;
    this.session = new Session(hello);
    this.workers = new Workers(handlers, new WorkListener());
  }

  /** Connects again and again, until the session has left. */
  void run() throws AgentException, InterruptedException {
    try {
      while (!left) {
        converse();
        pauseBetweenStreams();
      }
    } finally {
      endStream(ENDED);
      workers.close();
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** Has the agent leave. For any thread. */
  void leave(double drainSeconds, double stopSeconds) {
    mailbox.add(() -> session.leave(now(), drainSeconds, stopSeconds));
  }

  /** One stream, from its Hello to its end. */
  private void converse() throws InterruptedException {
    next = ENDED;
    stream = AgentStream.open(addresses.current(), credentials, mailbox::add, new Listener());
    stream.send(session.connect(now()));
    while (stream != null) {
      turn(Double.POSITIVE_INFINITY);
    }
  }

  private void pauseBetweenStreams() throws InterruptedException {
    left |= session.left();
    if (!left && next.elsewhere()) {
      addresses.advance();
    }
    double until = now() + next.delaySeconds() + pause.nextSeconds(session.jitterSeconds());
    while (!left && now() < until) {
      turn(until);
    }
  }

  /** Waits until something happens or is due, takes in all that there is, and does what follows. */
  private void turn(double until) throws InterruptedException {
    Runnable first = mailbox.poll(nanosUntil(until), TimeUnit.NANOSECONDS);
    for (Runnable each = first; each != null; each = mailbox.poll()) {
      each.run();
    }
    session.tick(now());
    session.takeEffects(now()).forEach(this::carryOut);
    while (stream != null && stream.isReady()) {
      AgentMessage message = session.nextMessage(now());
      if (message == null) {
        return;
      }
      stream.send(message);
    }
  }

  private long nanosUntil(double until) {
    double due = Math.min(until, session.nextTime());
    if (stream != null && stream.isReady()) {
      due = Math.min(due, session.nextMessageTime());
    }
    double seconds = Math.max(0, Math.min(due - now(), WAIT_SECONDS_MAX));
    return (long) Math.ceil(seconds * 1e9);
  }

  private void carryOut(Effect effect) {
    if (effect instanceof Effect.Start start) {
      workers.start(start.key(), start.lease());
    } else if (effect instanceof Effect.Stop stop) {
      workers.stop(stop.key(), stop.reason());
    } else if (effect instanceof Effect.Reconnect reconnect) {
      LOG.log(Level.INFO, "agent {0} connects again: {1}", agentId, reconnect.why());
      endStream(reconnect);
    } else if (effect instanceof Effect.Leave) {
      left = true;
      endStream(ENDED);
    }
  }

  private void endStream(Effect.Reconnect reconnect) {
    next = reconnect;
    session.disconnect();
    if (stream != null) {
      stream.close();
      stream = null;
    }
  }

  private double now() {
    return (System.nanoTime() - startNanos) * 1e-9;
  }

  /** What comes from the coordinator. */
  private final class Listener implements AgentStream.Listener {
    @Override
    public void received(AgentStream from, CoordinatorMessage message) {
      if (from != stream) {
        return;
      }
      session.receive(message, now());
      if (message.hasWelcome()) {
        pause.reset();
        addresses.learn(message.getWelcome().getCoordinatorsList());
        String coordinator = message.getWelcome().getCoordinatorId();
        LOG.log(Level.INFO, "agent {0} is connected to {1}", agentId, coordinator);
      }
    }

    @Override
    public void ended(AgentStream from, Throwable error) {
      if (from != stream) {
        return;
      }
      if (error != null) {
        onBroken(ServiceException.of(error));
      }
      endStream(ENDED);
    }

    private void onBroken(ServiceException error) {
      StreamEnd.verdict(error, agentId, session.connected())
          .ifPresent(
              fatal -> {
                failure = fatal;
                left = true;
              });
      Level level = pause.attempts() < LOUD_ATTEMPTS ? Level.INFO : Level.DEBUG;
      LOG.log(level, "the stream of agent {0} ended: {1}", agentId, error.getMessage());
    }
  }

  /** What comes from the work, in its threads. */
  private final class WorkListener implements Workers.Listener {
    @Override
    public void progressed(LeaseKey key, Work work) {
      mailbox.add(() -> session.progress(key, work.takeProgress()));
    }

    @Override
    public void ended(LeaseKey key, Outcome outcome) {
      mailbox.add(
          () -> {
            workers.forget(key);
            session.ended(key, outcome, now());
          });
    }
  }
}
