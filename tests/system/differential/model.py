# SPDX-License-Identifier: MIT
"""The policy language of docs/policy.md: a parser and the decision, written from that page alone."""

import ipaddress
import re
from dataclasses import dataclass, field

PROTOCOLS = {
    "tcp": {("tcp", 4), ("tcp", 6)},
    "tcp4": {("tcp", 4)},
    "tcp6": {("tcp", 6)},
    "udp": {("udp", 4), ("udp", 6)},
    "udp4": {("udp", 4)},
    "udp6": {("udp", 6)},
    "sctp": {("sctp", 4), ("sctp", 6)},
}
PROTOCOLS["any"] = PROTOCOLS["tcp"] | PROTOCOLS["udp"] | PROTOCOLS["sctp"]
SUFFIXES = (".service", ".scope", ".socket", ".slice", ".mount", ".swap", "*")
LINE_MAX = 8192

GRANTED, RULE_DENIES, NO_RULE, NOT_LOW_PORT, OTHER_NETNS, UNMAPPED_USER = 0, 1, 2, 5, 6, 14


class PolicyError(Exception):
    """Something is wrong in a line."""


@dataclass
class Item:
    protocols: set
    network: object  # None: any address
    low: int
    high: int


@dataclass
class Rule:
    line: int
    allow: bool
    user: object = None  # None: not named; "?" no such user
    groups: list = field(default_factory=list)
    unit: object = None
    anyone: bool = False
    netns_any: bool = False
    items: list = field(default_factory=list)

    def matches_nobody(self):
        return self.user == "?" or "?" in self.groups


@dataclass
class Names:
    users: dict
    groups: dict
    services: dict  # (name, protocol) -> port


def need(condition):
    if not condition:
        raise PolicyError


def number(text, low, high):
    need(re.fullmatch(r"0|[1-9][0-9]*", text))
    need(low <= int(text) <= high)
    return int(text)


class LineParser:
    def __init__(self, text, line, names):
        self.tokens = re.findall(r",|[^ \t,]+", text)
        self.names = names
        self.rule = None
        self.line = line

    def peek(self):
        return self.tokens[0] if self.tokens else None

    def take(self):
        need(self.tokens)
        return self.tokens.pop(0)

    def word(self):
        word = self.take()
        need(word != ",")
        return word

    def parse(self):
        action = self.take()
        need(action in ("allow", "deny"))
        self.rule = Rule(self.line, action == "allow")
        self.who()
        need(self.peek() in PROTOCOLS)
        while self.peek() in PROTOCOLS:
            self.grant()
        if self.peek() == "netns":
            self.take()
            need(self.take() == "any")
            self.rule.netns_any = True
        need(not self.tokens)
        return self.rule

    def identity(self, table):
        word = self.word()
        if word.isdigit():
            return number(word, 0, 4294967294)
        need(word in table or self.rule.allow)
        return table.get(word, "?")

    def who(self):
        rule = self.rule
        need(self.peek() in ("user", "group", "unit", "anyone"))
        while self.peek() in ("user", "group", "unit", "anyone"):
            keyword = self.take()
            if keyword == "user":
                need(rule.user is None)
                rule.user = self.identity(self.names.users)
            elif keyword == "group":
                rule.groups.append(self.identity(self.names.groups))
            elif keyword == "unit":
                need(rule.unit is None)
                rule.unit = self.word()
                need(re.fullmatch(r"[A-Za-z0-9:_.\\@*-]+", rule.unit))
                need(len(rule.unit) <= 255 and rule.unit.endswith(SUFFIXES))
            else:
                need(not rule.anyone)
                rule.anyone = True
        need(not (rule.anyone and (rule.user is not None or rule.groups)))

    def grant(self):
        words = []
        while True:
            word = self.take()
            need(word in PROTOCOLS)
            words.append(word)
            if self.peek() != ",":
                break
            self.take()
        addressed = False  # in this comma list
        while True:
            word = self.word()
            need(word not in PROTOCOLS and word != "netns")
            has_address = self.item(words, word)
            need(has_address or not addressed)
            addressed = addressed or has_address
            if self.peek() == ",":
                self.take()
                continue
            addressed = False
            if self.peek() is None or self.peek() in PROTOCOLS or self.peek() == "netns":
                return

    def item(self, words, text):
        network, ports = None, text
        if text.startswith("["):
            match = re.fullmatch(r"\[([^\]/]*)(?:/([^\]]*))?\](?:/([^:]*))?:(.*)", text)
            need(match and not (match[2] is not None and match[3] is not None))
            length = match[2] if match[2] is not None else match[3]
            network, ports = self.network6(match[1], length), match[4]
        elif ":" in text:
            place, ports = text.split(":", 1)
            need(":" not in ports)
            address, slash, length = place.partition("/")
            network = self.network4(address, length if slash else None)
        protocols = set().union(*(PROTOCOLS[w] for w in words))
        if network is not None:
            other = "6" if network.version == 4 else "4"
            need(not any(word.endswith(other) for word in words))
            protocols = {p for p in protocols if p[1] == network.version}
        self.ports(words, protocols, network, ports)
        return network is not None

    @staticmethod
    def network4(address, length):
        need(re.fullmatch(r"[0-9.]+", address))
        return LineParser.network(ipaddress.IPv4Address, ipaddress.IPv4Network, address,
                                  32 if length is None else number(length, 0, 32))

    @staticmethod
    def network6(address, length):
        need(re.fullmatch(r"[0-9A-Fa-f:.]+", address))
        bits = 128 if length is None else number(length, 0, 128)
        try:
            mapped = ipaddress.IPv6Address(address).ipv4_mapped
        except ValueError:
            raise PolicyError from None
        if mapped is not None:
            need(bits >= 96)
            return LineParser.network4(str(mapped), str(bits - 96))
        return LineParser.network(ipaddress.IPv6Address, ipaddress.IPv6Network, address, bits)

    @staticmethod
    def network(address_type, network_type, address, bits):
        try:
            return network_type((int(address_type(address)), bits), strict=True)
        except ValueError:
            raise PolicyError from None

    def ports(self, words, protocols, network, text):
        need(text)
        if re.fullmatch(r"[0-9-]+", text):
            low, dash, high = text.partition("-")
            low = number(low, 1, 65535)
            high = number(high, 1, 65535) if dash else low
            need(low <= high)
            self.rule.items.append(Item(protocols, network, low, high))
            return
        found = False
        for name in ("tcp", "udp", "sctp"):
            part = {p for p in protocols if p[0] == name}
            if not part:
                continue
            port = self.names.services.get((text, name))
            need(port is not None or not any(w.rstrip("46") == name for w in words))
            if port is not None:
                found = True
                self.rule.items.append(Item(part, network, port, port))
        need(found)


def parse(text, names):
    """Returns (rules, None), or (None, the line of the first error)."""
    rules = []
    lines = text.split(b"\n")
    for index, line in enumerate(lines):
        last = index == len(lines) - 1
        try:
            if not last and line.endswith(b"\r"):
                line = line[:-1]
            need(len(line) <= LINE_MAX)
            code, _, _ = line.partition(b"#")
            need(not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line))
            need(not re.search(rb"[\x80-\xff]", code))
            content = code.decode("ascii")
            if content.strip(" \t"):
                rules.append(LineParser(content, index + 1, names).parse())
        except PolicyError:
            return None, index + 1
    return rules, None


def glob(pattern, name):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name,
                        re.DOTALL) is not None


@dataclass
class Facts:
    overflow_uid: int
    overflow_gid: int
    port_max: int


@dataclass
class Peer:
    uid: int
    gids: list
    unit: object
    same_netns: bool


def fulfils(peer, rule, facts):
    if rule.matches_nobody() or (rule.user is not None and rule.user != peer.uid):
        return False
    for gid in rule.groups:
        if gid == facts.overflow_gid or gid not in peer.gids:
            return False
    return rule.unit is None or (peer.unit is not None and glob(rule.unit, peer.unit))


def item_matches(item, allow, protocol, address, port):
    if (protocol, address.version) not in item.protocols or not item.low <= port <= item.high:
        return False
    if item.network is None or address in item.network:
        return True
    return not allow and int(address) == 0  # of one family: the protocols say so


def judge(rules, facts, peer, protocol, address, port):
    matching = [rule for rule in rules if fulfils(peer, rule, facts) and
                any(item_matches(i, rule.allow, protocol, address, port) for i in rule.items)]
    denials = [rule for rule in matching if not rule.allow]
    if denials:
        return RULE_DENIES, denials[0].line
    grants = [rule for rule in matching if rule.netns_any or peer.same_netns]
    if grants:
        return GRANTED, grants[0].line
    return (OTHER_NETNS if matching else NO_RULE), 0


def decide(rules, facts, peer, protocol, address, port, v6only):
    if peer.uid == facts.overflow_uid:
        return UNMAPPED_USER, 0
    if port == 0 or port > facts.port_max:
        return NOT_LOW_PORT, 0
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    first = judge(rules, facts, peer, protocol, address, port)
    if first[0] != GRANTED or address.version == 4 or int(address) != 0 or v6only:
        return first
    second = judge(rules, facts, peer, protocol, ipaddress.IPv4Address(0), port)
    return first if second[0] == GRANTED else second
