package dev.missioncontrol.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AddressesTest {
  @Test
  void addressesAreSeparatedByCommasAndHaveADefaultPort() {
    assertEquals(
        List.of("one:7070", "10.0.0.2:81", "[::1]:7070"),
        Addresses.parse("one, 10.0.0.2:81,,one:7070,[::1]"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " , ", "one:0", "one:70000", "one:two", "http://one", "::1"})
  void whatIsNoAddressIsSaidSo(String text) {
    assertThrows(IllegalArgumentException.class, () -> Addresses.parse(text));
  }

  @Test
  void oneIsTriedAfterAnother() {
    Addresses addresses = new Addresses("a:1,b:2", 0.5);
    assertEquals("b:2", addresses.current());
    addresses.advance();
    assertEquals("a:1", addresses.current());
  }

  @Test
  void whatIsLearnedComesBehindAndReplacesWhatWasLearnedBefore() {
    Addresses addresses = new Addresses("a:1", 0);
    addresses.learn(List.of("b:2", "a:1"));
    addresses.advance();
    assertEquals("b:2", addresses.current());
    addresses.learn(List.of("c:3"));
    assertEquals("b:2", addresses.current(), "the address in use stays");
    addresses.advance();
    addresses.advance();
    assertEquals("c:3", addresses.current());
  }
}
