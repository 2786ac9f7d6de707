# SPDX-License-Identifier: MIT
"""`lowport check` and `lowport explain` as people and scripts see them: argv[1] is the program."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None


class PolicyTool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)

    def write(self, text, name="policy.conf"):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def run_tool(self, *arguments):
        environment = {**os.environ, "LOWPORT_SOCKET": os.path.join(self.folder.name, "none")}
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=30,
                              env=environment, check=False)

    def explain(self, policy, *arguments):
        return self.run_tool("explain", "--policy", self.write(policy), *arguments)

    def test_check_a_good_policy(self):
        result = self.run_tool("check", self.write("allow user 0 tcp 80\n"))
        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "1 file, 1 rule, no error, 0 warnings\n")

    def test_check_names_the_place(self):
        path = self.write("\nallow user 0 tcp 0\n")
        result = self.run_tool("check", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{path}:2:18: error: port 0 is never granted; expected 1 to 65535\n",
                      result.stdout)

    def test_check_looks_at_all_files(self):
        one, two = self.write("bad\n", "a.conf"), self.write("worse\n", "b.conf")
        result = self.run_tool("check", self.folder.name)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{one}:1:1: error: ", result.stdout)
        self.assertIn(f"{two}:1:1: error: ", result.stdout)
        self.assertIn("2 errors\n", result.stdout)

    def test_check_is_not_content_with_the_last_file(self):
        self.write("bad\n", "a.conf")
        self.write("allow user 0 tcp 80\n", "b.conf")
        result = self.run_tool("check", self.folder.name)
        self.assertEqual(result.returncode, 1)

    def test_check_reads_on_after_a_file_it_cannot_take(self):
        os.chmod(self.write("", "a.conf"), 0o666)
        self.write("bad\n", "b.conf")
        result = self.run_tool("check", self.folder.name)
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.conf: error: is writable", result.stdout)
        self.assertIn("b.conf:1:1: error: unknown action", result.stdout)

    def test_check_warns_and_is_content(self):
        result = self.run_tool("check", self.write("allow anyone tcp 8080\n"))
        self.assertEqual(result.returncode, 0)
        self.assertIn(":1:7: warning: anyone", result.stdout)
        self.assertIn(":1:18: warning: port 8080 needs no privilege", result.stdout)

    def test_check_json(self):
        path = self.write("allow anyone tcp 80\nallow anyone tcp 80\n")
        result = json.loads(self.run_tool("check", "--json", path).stdout)
        self.assertEqual((result["files"], result["rules"], result["errors"]), (1, 2, []))
        self.assertEqual([(w["file"], w["line"], w["column"]) for w in result["warnings"]],
                         [(path, 1, 7), (path, 2, 1), (path, 2, 7)])
        result = self.run_tool("check", "--json", self.write("allow\n"))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(json.loads(result.stdout)["errors"][0]["line"], 1)

    def test_check_without_the_file(self):
        result = self.run_tool("check", os.path.join(self.folder.name, "none"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot open: No such file or directory", result.stdout)

    def test_check_usage(self):
        self.assertEqual(self.run_tool("check", "--nonsense").returncode, 2)
        self.assertIn("Usage: lowport check", self.run_tool("check", "--help").stdout)

    def test_explain_a_grant(self):
        result = self.explain("# one\nallow user 1001 tcp 80  # web\n", "user", "1001", "tcp:80")
        self.assertEqual(result.returncode, 0)
        self.assertIn("granted: user 1001 (uid 1001), tcp [::]:80\n", result.stdout)
        self.assertIn("policy.conf:2: allow user 1001 tcp 80\n", result.stdout)

    def test_explain_says_what_would_grant(self):
        result = self.explain("allow user 1001 tcp 80\n", "user", "1001", "tcp:443")
        self.assertEqual(result.returncode, 121)
        self.assertIn("denied: user 1001 (uid 1001), tcp [::]:443: no rule allows it\n",
                      result.stdout)
        self.assertIn("policy.conf:1: allow user 1001 tcp 80 (another port)\n", result.stdout)
        self.assertIn("add:  allow user 1001 tcp 443\n", result.stdout)

    def test_explain_what_stands_in_the_way(self):
        result = self.explain("allow user 1001 tcp 80\ndeny anyone tcp 80\n",
                              "user", "1001", "tcp:80")
        self.assertEqual(result.returncode, 121)
        self.assertIn("by:   ", result.stdout)
        self.assertIn("policy.conf:2: deny anyone tcp 80\n", result.stdout)
        self.assertIn("policy.conf:1: allow user 1001 tcp 80 (would allow it)\n", result.stdout)
        self.assertNotIn("add:", result.stdout)

    def test_explain_dual_stack(self):
        policy = "allow user 1001 tcp6 80\n"
        self.assertIn("only IPv6, but [::] takes IPv4 as well",
                      self.explain(policy, "user", "1001", "tcp:80").stdout)
        self.assertEqual(self.explain(policy, "user", "1001", "tcp6:80").returncode, 0)
        both = self.explain(policy + "allow user 1001 tcp4 80\n", "user", "1001", "tcp:80")
        self.assertIn("policy.conf:2: allow user 1001 tcp4 80 (for 0.0.0.0)", both.stdout)

    def test_explain_namespaces_and_units(self):
        policy = "allow user 1001 unit a.service tcp 80\n"
        result = self.explain(policy, "user", "1001", "tcp:80")
        self.assertIn("name one with 'unit NAME'", result.stdout)
        subject = ("user", "1001", "unit", "a.service")
        self.assertEqual(self.explain(policy, *subject, "tcp:80").returncode, 0)
        result = self.explain(policy, *subject, "netns", "other", "tcp:80")
        self.assertEqual(result.returncode, 121)
        self.assertIn("add:  allow user 1001 unit a.service tcp 80 netns any\n", result.stdout)

    def test_explain_without_any_rule_in_another_namespace(self):
        result = self.explain("", "user", "1001", "netns", "other", "tcp:80")
        self.assertIn("add:  allow user 1001 tcp 80 netns any\n", result.stdout)

    def test_explain_groups(self):
        policy = "allow group 4711 udp 53\n"
        self.assertEqual(self.explain(policy, "group", "4711", "udp:53").returncode, 0)
        self.assertEqual(
            self.explain(policy, "user", "1", "group", "4711", "udp:53").returncode, 0)
        self.assertEqual(self.explain(policy, "user", "1", "udp:53").returncode, 121)
        self.assertEqual(self.explain(policy, "group", "4712", "udp:53").returncode, 121)
        # root's own groups come with the user
        self.assertEqual(self.explain("allow group 0 udp 53\n", "user", "0", "udp:53").returncode,
                         0)

    def test_explain_the_caller_on_a_policy(self):
        result = self.explain(f"allow user {os.geteuid()} tcp 80\n", "tcp:80")
        self.assertEqual(result.returncode, 0)

    def test_explain_a_port_without_privilege(self):
        result = self.explain("", "user", "1001", "tcp:8080")
        self.assertEqual(result.returncode, 121)
        self.assertNotIn("add:", result.stdout)

    def test_explain_json(self):
        policy = "allow user 1001 tcp 80\n"
        result = json.loads(self.explain(policy, "--json", "user", "1001", "tcp:80").stdout)
        self.assertTrue(result["granted"])
        self.assertEqual(result["rule"]["line"], 1)
        self.assertEqual(result["rule"]["text"], "allow user 1001 tcp 80")
        self.assertEqual(result["uid"], 1001)
        result = json.loads(self.explain(policy, "--json", "user", "1001", "tcp:81").stdout)
        self.assertFalse(result["granted"])
        self.assertIsNone(result["rule"])
        self.assertEqual(result["near"][0]["why"], "another port")
        self.assertEqual(result["suggestion"], "allow user 1001 tcp 81")

    def test_explain_a_broken_policy(self):
        result = self.explain("nonsense\n", "user", "1001", "tcp:80")
        self.assertEqual(result.returncode, 125)
        self.assertIn("policy.conf:1:1: unknown action", result.stderr)

    def test_explain_without_a_daemon(self):
        result = self.run_tool("explain", "tcp:80")
        self.assertEqual(result.returncode, 123)
        self.assertEqual(result.stdout, "")

    def test_explain_usage(self):
        for words in ([], ["user", "0"], ["user", "tcp:80"], ["user", "0", "tcp:nonsense"],
                      ["--nonsense", "tcp:80"], ["user", "no-such-user-here", "tcp:80"]):
            result = self.explain("", *words)
            self.assertEqual((words, result.returncode), (words, 2))
            self.assertNotEqual(result.stderr, "")


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
