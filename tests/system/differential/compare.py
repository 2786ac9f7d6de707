# SPDX-License-Identifier: MIT
"""compare.py DECIDE_CLI [--seed N] [--pairs N] [--policies N]: random policies and requests, decided twice."""

import argparse
import ipaddress
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # nothing is left in the source tree

import model  # noqa: E402

NAMES = model.Names(
    users={"alice": 1001, "bob": 1002},
    groups={"www": 2001, "dns": 2002},
    services={("http", "tcp"): 80, ("https", "tcp"): 443, ("https", "udp"): 443,
              ("split", "tcp"): 101, ("split", "udp"): 102, ("split", "sctp"): 101,
              ("only-udp", "udp"): 53},
)
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
ADDRESSES = ["0.0.0.0", "127.0.0.1", "127.0.0.2", "10.0.0.1", "10.1.2.3", "192.168.1.1",
             "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:8000::1", "fe80::1",
             "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "ffff::1"]
UNITS = ["nginx.service", "app@1.service", "app@2.service", "app@.service", "session-1.scope"]
GLOBS = ["nginx.service", "app@*.service", "*", "*.service", "app@1.*", "*-*.scope", "a*1*e*"]
REQUESTS = 4  # for each policy: it is the policies that differ most


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, probability):
        return self.random.random() < probability

    def place(self):
        address = ipaddress.ip_address(self.random.choice(ADDRESSES))
        bits = address.max_prefixlen
        length = self.pick(0, 1, 8, 9, 24, bits, bits, self.random.randint(0, bits))
        if self.chance(0.9):
            address = type(address)((int(address) >> (bits - length)) << (bits - length))
        text = str(address)
        if address.version == 4:
            if self.chance(0.1):
                return f"[::ffff:{text}]/{96 + length}:"
            return f"{text}/{length}:" if length < 32 or self.chance(0.1) else f"{text}:"
        if length == 128 and self.chance(0.9):
            return f"[{text}]:"
        return self.pick(f"[{text}]/{length}:", f"[{text}/{length}]:")

    def ports(self):
        kind = self.random.random()
        if kind < 0.5:
            return str(self.pick(53, 80, 80, 80, 443, 1, 1023, 1024, 101))
        if kind < 0.8:
            low = self.pick(1, 50, 80, 400)
            return f"{low}-{low + self.pick(0, 1, 50, 1000)}"
        return self.pick("http", "https", "split", "only-udp", "nosuch")

    def protocols(self):
        words = [self.pick(*model.PROTOCOLS) for _ in range(self.pick(1, 1, 1, 2))]
        return self.pick(",", " , ").join(words)

    def grant(self):
        text = self.protocols() + " "
        for index in range(self.pick(1, 1, 2, 3)):
            if index > 0:
                text += self.pick(",", " ", " ", ", ")
            text += (self.place() if self.chance(0.4) else "") + self.ports()
        return text

    def who(self):
        if self.chance(0.15):
            words = ["anyone"]
        else:
            words = []
            if self.chance(0.7):
                words.append("user " + self.pick("alice", "bob", "1001", "1002", "65534", "nosuch"))
            for _ in range(self.pick(0, 0, 1, 2) if words else self.pick(1, 1, 2)):
                words.append("group " + self.pick("www", "dns", "2001", "2003", "65533", "nosuch"))
        if self.chance(0.2):
            words.append("unit " + self.random.choice(GLOBS))
        self.random.shuffle(words)
        return " ".join(words)

    def rule(self):
        text = f"{self.pick('allow', 'allow', 'allow', 'deny')} {self.who()} "
        text += " ".join(self.grant() for _ in range(self.pick(1, 1, 1, 2)))
        if self.chance(0.2):
            text += " netns any"
        return text + (self.pick("", "  # comment", "#") if self.chance(0.2) else "")

    def mutate(self, text):
        at = self.random.randrange(len(text))
        junk = self.random.choice(" ,:[]/-.#0123456789aux*%\t\r\n\0\x7f")
        return self.pick(text[:at] + text[at + 1:], text[:at] + junk + text[at:],
                         text[:at] + junk + text[at + 1:], text[:at] + text[at:at + 3] * 2,
                         text[:at])

    def policy(self):
        """Mostly right: what is wrong in one line ends the whole policy."""
        lines = []
        for _ in range(self.pick(0, 1, 2, 3, 5, 8, 8, 12)):
            line = self.rule()
            for _ in range(20):
                if model.parse(line.encode("latin-1"), NAMES)[0] is not None or self.chance(0.01):
                    break
                line = self.rule()
            lines.append(self.mutate(line) if self.chance(0.08) else line)
            if self.chance(0.05):
                lines.append(self.pick("", "# caf\xe9", "   ", "\t# x"))
        text = self.pick("\n", "\n", "\r\n").join(lines)
        return (text + self.pick("", "\n")).encode("latin-1")

    def facts(self):
        return model.Facts(self.pick(4294967295, 65534), self.pick(4294967295, 65533),
                           self.pick(1023, 1023, 1023, 2047, 65535))

    def question(self, rules):
        """A peer and a request; mostly close to what some rule is about."""
        peer, request = self.peer(), self.request()
        if rules and self.chance(0.8):
            rule = self.random.choice(rules)
            if isinstance(rule.user, int):
                peer.uid = rule.user
            if self.chance(0.8):
                peer.gids += [gid for gid in rule.groups if isinstance(gid, int)]
            request = self.request_like(self.random.choice(rule.items))
        return peer, request

    def request_like(self, item):
        protocol, version = self.random.choice(sorted(item.protocols))
        address = ipaddress.ip_address(self.pick("0.0.0.0", "127.0.0.1") if version == 4 else
                                       self.pick("::", "::", "::1"))
        if item.network is not None and self.chance(0.7):
            address = item.network[self.pick(0, -1)]
        port = self.pick(item.low, item.low, item.high, max(item.low - 1, 0), item.high + 1)
        return protocol, address, min(port, 65535), address.version == 6 and self.chance(0.4)

    def peer(self):
        gids = self.random.sample([2001, 2002, 2003, 65533, 7], self.pick(0, 1, 2, 3))
        return model.Peer(self.pick(1001, 1001, 1002, 1001, 1002, 65534, 0), gids,
                          self.pick(None, *UNITS), self.chance(0.7))

    def request(self):
        protocol = self.pick("tcp", "tcp", "tcp", "udp", "sctp")
        address = ipaddress.ip_address(self.random.choice(ADDRESSES + ["::", "0.0.0.0"]))
        port = self.pick(80, 80, 80, 443, 53, 101, 102, 1, 1023, 1024, 0, 65535,
                         self.random.randint(1, 1100))
        return protocol, address, port, address.version == 6 and self.chance(0.4)


def encode(facts, text, questions):
    out = [b"policy %d %d %d %d\n%s" % (len(text), facts.overflow_uid, facts.overflow_gid,
                                          facts.port_max, text)]
    for peer, (protocol, address, port, v6only) in questions:
        gids = ",".join(map(str, peer.gids)) or "-"
        out.append(f"ask {peer.uid} {gids} {peer.unit or '-'} {int(peer.same_netns)} "
                   f"{NUMBERS[protocol]} {address} {port} {int(v6only)}\n".encode())
    return b"".join(out)


def read_answers(pipe, count):
    return [pipe.readline().decode().strip() for _ in range(count)]


def compare(process, generator, tally):
    """One policy with its requests. Returns how many pairs were compared."""
    facts, text = generator.facts(), generator.policy()
    rules, error_line = model.parse(text, NAMES)
    questions = []
    if rules is not None:
        questions = [generator.question(rules) for _ in range(REQUESTS)]
    process.stdin.write(encode(facts, text, questions))
    process.stdin.flush()
    answers = read_answers(process.stdout, 1 + len(questions))
    expected = [f"error {error_line}" if rules is None else f"ok {len(rules)}"]
    for peer, (protocol, address, port, v6only) in questions:
        reason, line = model.decide(rules, facts, peer, protocol, address, port, v6only)
        expected.append(f"{reason} {line}")
        tally[reason] = tally.get(reason, 0) + 1
    for index, (got, wanted) in enumerate(zip(answers, expected)):
        if got != wanted:
            what = questions[index - 1] if index > 0 else "the policy"
            sys.exit(f"{text.decode('latin-1')!r}\n{facts}\n{what}\n"
                     f"decided: {got}\nexpected: {wanted}")
    tally["rejected"] = tally.get("rejected", 0) + (rules is None)
    return len(questions)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--pairs", type=int, default=20_000, help="at least so many decisions")
    parser.add_argument("--policies", type=int, default=0, help="at least so many policies")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    start, pairs, policies, tally = time.monotonic(), 0, 0, {}
    generator = Generator(seed)
    with subprocess.Popen([arguments.program], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        while pairs < arguments.pairs or policies < arguments.policies:
            pairs += compare(process, generator, tally)
            policies += 1
        process.stdin.close()
        if process.wait(timeout=10) != 0:
            sys.exit("the program failed")
    print(f"{policies} policies, {tally.pop('rejected')} of them rejected, {pairs} decisions "
          f"(by reason: {dict(sorted(tally.items()))}), {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
