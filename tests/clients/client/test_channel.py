"""Addresses, and the gRPC targets that they become."""

from __future__ import annotations

import pytest
from missioncontrol.channel import Addresses, open_channel, parse_addresses, targets


def test_addresses_are_split_completed_with_the_port_and_each_kept_once() -> None:
    assert parse_addresses("a:1, b ,10.0.0.1:2,a:1") == ("a:1", "b:7070", "10.0.0.1:2")
    assert parse_addresses(["a:1,b:2", "dns:///c:3"]) == ("a:1", "b:2", "dns:///c:3")


def test_ipv6_addresses_may_have_brackets_and_a_port_or_neither() -> None:
    assert parse_addresses("[::1]:5,::1,[::2]") == ("[::1]:5", "[::1]:7070", "[::2]:7070")


@pytest.mark.parametrize("text", ["", " , ", "a:b", "a:0", "a:65536", ":7070", "a:"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_addresses(text)


def test_plain_ip_addresses_are_one_target_to_balance_over() -> None:
    assert targets("10.0.0.1:1,10.0.0.2:2") == ("ipv4:10.0.0.1:1,10.0.0.2:2",)


def test_ip_addresses_of_both_kinds_are_one_target_too() -> None:
    assert targets("10.0.0.1:1,[::1]:2") == ("ipv6:[::ffff:10.0.0.1]:1,[::1]:2",)


def test_each_name_stays_a_target_of_its_own_so_that_it_is_resolved_again() -> None:
    assert targets("mc-0.mc:7070,mc-1.mc:7070") == ("mc-0.mc:7070", "mc-1.mc:7070")


def test_one_channel_cannot_lead_to_two_names() -> None:
    with pytest.raises(ValueError, match="2 targets"):
        open_channel("a:1,b:1")


def test_an_agents_addresses_go_round() -> None:
    addresses = Addresses("a:1,b:1")

    assert [addresses.current, addresses.advance(), addresses.advance()] == ["a:1", "b:1", "a:1"]


def test_learned_addresses_come_behind_the_given_ones_and_replace_those_learned_before() -> None:
    addresses = Addresses("a:1")

    addresses.learn(["b:1", "c:1"])
    addresses.learn(["c:1", "a:1"])

    assert addresses.ring == ("a:1", "c:1")
    assert addresses.current == "a:1"


def test_the_current_address_stays_even_if_nobody_names_it_any_more() -> None:
    addresses = Addresses("a:1")
    addresses.learn(["b:1"])
    addresses.advance()

    addresses.learn([])

    assert addresses.current == "b:1"
