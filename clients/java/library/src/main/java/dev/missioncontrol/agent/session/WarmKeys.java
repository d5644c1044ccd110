package dev.missioncontrol.agent.session;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.List;

/** The affinity keys that an agent is warm for, newest first: declared, and of what it has run. */
final class WarmKeys {
  private final Deque<String> keys;

  WarmKeys(Collection<String> declared) {
    keys = new ArrayDeque<>(declared);
  }

  /** Work with this key runs, or has run. "" is none. */
  void used(String key) {
    if (key.isEmpty()) {
      return;
    }
    keys.remove(key);
    keys.addFirst(key);
    if (keys.size() > Limits.WARM_KEYS_MAX) {
      keys.removeLast();
    }
  }

  List<String> newestFirst() {
    return List.copyOf(keys);
  }
}
