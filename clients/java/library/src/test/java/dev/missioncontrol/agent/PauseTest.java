package dev.missioncontrol.agent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class PauseTest {
  /** A chance that always gives the most, so that the bound shows. */
  private final Pause pause = new Pause(() -> -1L);

  @Test
  void theFirstWaitIsUpToTheJitterAndLaterOnesDouble() {
    assertEquals(0.5, pause.nextSeconds(0.5), 1e-3);
    assertEquals(0.4, pause.nextSeconds(0.5), 1e-3);
    assertEquals(0.8, pause.nextSeconds(0.5), 1e-3);
  }

  @Test
  void noWaitIsLongerThanThreeSeconds() {
    for (int i = 0; i < 100; i++) {
      assertTrue(pause.nextSeconds(3) <= 3);
    }
  }

  @Test
  void aWelcomeBeginsAnew() {
    for (int i = 0; i < 5; i++) {
      pause.nextSeconds(0.1);
    }
    pause.reset();
    assertEquals(0.1, pause.nextSeconds(0.1), 1e-3);
  }
}
