# SPDX-License-Identifier: MIT
"""The servers, one row each way: what is run, who asks, and what must be listened on."""

from dataclasses import dataclass

SITE = "/srv/site"
CURL = ["curl", "-sS", "--max-time", "10", "--insecure"]


@dataclass(frozen=True)
class Ask:
    """A client, and what it must print. With $SERVER in its environment, the server's pid."""
    what: str
    command: list
    expected: str


def web(server, *urls):
    return [Ask(url, [*CURL, url], f"hello from {server}") for url in urls]


def dns(*protocols):
    return [Ask(f"DNS over {protocol.upper()}",
                ["dig", "+short", "+time=5", "+tries=1", "+tcp" if protocol == "tcp" else "+notcp",
                 "@127.0.0.1", "www.example"], "192.0.2.7") for protocol in protocols]


HTTP = ["http://127.0.0.1/", "http://[::1]/"]
HTTPS = "https://127.0.0.1/"
BOTH = ["-l", "udp:127.0.0.1:53", "-l", "tcp:127.0.0.1:53"]
DNS = ["tcp 127.0.0.1:53", "udp 127.0.0.1:53"]
ANY = ["tcp [::]:80"]


@dataclass(frozen=True)
class Row:
    """Listens names all low ports that must be listened on in the end. Where a server cannot be
    had to work, cannot is what it says then, and why."""
    server: str
    version: list
    via: str  # wrap or run
    command: list
    asks: list
    listens: list
    options: tuple = ()
    cannot: tuple = ()


def wrap(*arguments):
    server, version, command, asks, listens = arguments
    return Row(server, version, "wrap", command, asks, listens)


def run(*arguments):
    server, version, options, command, asks, listens = arguments
    return Row(server, version, "run", command, asks, listens, tuple(options))


def add_port(server):
    """nginx gets one more port while it runs."""
    more = "'server { listen 88; return 200 \"hello from nginx\\n\"; }'"
    return [Ask("a port more by SIGHUP",
                ["sh", "-c", f"echo {more} >/run/www/more.conf && kill -HUP $SERVER"], ""),
            *web(server, "http://127.0.0.1:88/")]


def mosquitto():
    where = ["-h", "127.0.0.1", "-p", "883", "-t", "hello"]
    return [Ask("publish", ["mosquitto_pub", *where, "-r", "-m", "hello from mosquitto"], ""),
            Ask("subscribe", ["mosquitto_sub", *where, "-C", "1", "-W", "10"],
                "hello from mosquitto")]


NGINX = ["nginx", "-g", "daemon off;", "-c", f"{SITE}/nginx.conf"]
NGINX_LISTENS = ["tcp 0.0.0.0:80", "tcp [::]:80", "tcp 0.0.0.0:443"]
HAPROXY = ["haproxy", "-W", "-db", "-f", f"{SITE}/haproxy.cfg"]
LIGHTTPD = ["lighttpd", "-D", "-f", f"{SITE}/lighttpd.conf"]
CADDY = ["caddy", "run", "--adapter", "caddyfile", "--config"]
GUNICORN = ["gunicorn", "--workers", "2", "app:app"]
UVICORN = ["uvicorn", "--workers", "2", "app:asgi"]
PHP_FPM = ["php-fpm8.2", "-F", "-y", f"{SITE}/php-fpm.conf"]
FASTCGI = [Ask("FastCGI", ["env", f"SCRIPT_FILENAME={SITE}/hello.php", "REQUEST_METHOD=GET", "sh",
                           "-c", "cgi-fcgi -bind -connect 127.0.0.1:999 | tail -n 1"],
               "hello from php-fpm")]
JAVA = ["java", f"{SITE}/Server.java"]
DOVECOT = ["dovecot", "-F", "-c", f"{SITE}/dovecot.conf"]
IMAP = [Ask("IMAP login", [*CURL, "--user", "somebody:secret", "imap://127.0.0.1/"],
            '* LIST (\\HasNoChildren) "." INBOX')]
SSH = [Ask("SSH with a key",
           ["ssh", "-F", "none", "-i", "/run/keys/client", "-o", "BatchMode=yes", "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
            "www@127.0.0.1", "echo hello from sshd"], "hello from sshd")]
SSHD = ["/usr/sbin/sshd", "-D", "-e", "-f", f"{SITE}/sshd_config"]

ROWS = [
    run("python3", ["python3", "--version"], ["-l", "tcp:80"], ["python3", f"{SITE}/server.py"],
        web("python3", *HTTP), ANY),
    wrap("python3", ["python3", "--version"],
         ["python3", "-m", "http.server", "--directory", "/run/files", "--bind", "::", "80"],
         web("a file", *HTTP), ANY),
    wrap("nginx", ["nginx", "-v"], NGINX, web("nginx", *HTTP, HTTPS) + add_port("nginx"),
         [*NGINX_LISTENS, "tcp 0.0.0.0:88"]),
    run("nginx", ["nginx", "-v"],
        ["-l", "tcp4:80", "-l", "tcp6:80", "-l", "tcp4:443", "--env", "NGINX={fd;}"], NGINX,
        web("nginx", *HTTP, HTTPS), NGINX_LISTENS),
    wrap("apache2", ["apache2", "-v"], ["apache2", "-D", "FOREGROUND", "-f", f"{SITE}/apache2.conf"],
         web("a file", *HTTP, HTTPS), [*ANY, "tcp [::]:443"]),
    wrap("lighttpd", ["lighttpd", "-v"], LIGHTTPD, web("a file", *HTTP),
         ["tcp 0.0.0.0:80", "tcp [::]:80"]),
    run("lighttpd", ["lighttpd", "-v"], ["-l", "tcp4:80", "-l", "tcp6:80"], LIGHTTPD,
        web("a file", *HTTP), ["tcp 0.0.0.0:80", "tcp [::]:80"]),
    wrap("haproxy", ["haproxy", "-v"], HAPROXY, web("haproxy", *HTTP, HTTPS),
         [*ANY, "tcp [::]:443"]),
    run("haproxy", ["haproxy", "-v"],
        ["-l", "http,name=web", "-l", "https,name=secure", "--env", "WEB=fd@{fd:web}", "--env",
         "SECURE=fd@{fd:secure}"], HAPROXY, web("haproxy", *HTTP, HTTPS), [*ANY, "tcp [::]:443"]),
    wrap("caddy", ["caddy", "version"], [*CADDY, f"{SITE}/Caddyfile"], web("caddy", *HTTP, HTTPS),
         [*ANY, "tcp [::]:443", "udp [::]:443"]),
    Row("caddy", ["caddy", "version"], "run", [*CADDY, f"{SITE}/Caddyfile.run"],
        web("caddy", *HTTP), ANY, ("-l", "tcp:80"),
        cannot=("unsupported network type: fd", "caddy takes an open socket from 2.9 on")),
    wrap("node", ["node", "--version"], ["node", f"{SITE}/server.js"], web("node", *HTTP), ANY),
    run("node", ["node", "--version"], ["-l", "tcp:80"], ["node", f"{SITE}/server.js"],
        web("node", *HTTP), ANY),
    wrap("node cluster", ["node", "--version"], ["node", f"{SITE}/cluster.js"], web("node", *HTTP),
         ANY),
    run("node cluster", ["node", "--version"], ["-l", "tcp:80"], ["node", f"{SITE}/cluster.js"],
        web("node", *HTTP), ANY),
    wrap("gunicorn", ["gunicorn", "--version"], [*GUNICORN, "--bind", "[::]:80"],
         web("gunicorn", *HTTP), ANY),
    run("gunicorn", ["gunicorn", "--version"], ["-l", "tcp:80"], GUNICORN, web("gunicorn", *HTTP),
        ANY),
    wrap("uvicorn", ["uvicorn", "--version"], [*UVICORN, "--host", "::", "--port", "80"],
         web("uvicorn", *HTTP), ANY),
    run("uvicorn", ["uvicorn", "--version"], ["-l", "tcp:80"], [*UVICORN, "--fd", "3"],
        web("uvicorn", *HTTP), ANY),
    wrap("php-fpm", ["php-fpm8.2", "-v"], PHP_FPM, FASTCGI, ["tcp 127.0.0.1:999"]),
    run("php-fpm", ["php-fpm8.2", "-v"],
        ["-l", "tcp:127.0.0.1:999", "--env", "FPM_SOCKETS=127.0.0.1:999={fd}"], PHP_FPM, FASTCGI,
        ["tcp 127.0.0.1:999"]),
    wrap("java", ["java", "-version"], JAVA, web("java", *HTTP), ANY),
    run("java", ["java", "-version"], ["-l", "tcp:80", "--stdin"], JAVA, web("java", *HTTP), ANY),
    wrap("go, static", ["go", "version"], ["/run/keys/server-static"], web("go", *HTTP), ANY),
    run("go, static", ["go", "version"], ["-l", "tcp:80"], ["/run/keys/server-static"],
        web("go", *HTTP), ANY),
    wrap("go, cgo", ["go", "version"], ["/run/keys/server-cgo"], web("go", *HTTP), ANY),
    run("go, cgo", ["go", "version"], ["-l", "tcp:80"], ["/run/keys/server-cgo"],
        web("go", *HTTP), ANY),
    wrap("unbound", ["unbound", "-V"], ["unbound", "-d", "-c", f"{SITE}/unbound.conf"],
         dns("udp", "tcp"), DNS),
    run("unbound", ["unbound", "-V"], BOTH, ["unbound", "-d", "-c", f"{SITE}/unbound-run.conf"],
        dns("udp", "tcp"), DNS),
    wrap("dnsmasq", ["dnsmasq", "--version"], ["dnsmasq", "-k", "-C", f"{SITE}/dnsmasq.conf"],
         dns("udp", "tcp"), DNS),
    wrap("bind9", ["named", "-v"], ["named", "-g", "-c", f"{SITE}/named.conf"], dns("udp", "tcp"),
         DNS),
    wrap("dovecot", ["dovecot", "--version"], DOVECOT, IMAP, ["tcp 127.0.0.1:143"]),
    run("dovecot", ["dovecot", "--version"], ["-l", "tcp:127.0.0.1:143"], DOVECOT, IMAP,
        ["tcp 127.0.0.1:143"]),
    wrap("openssh-server", ["ssh", "-V"], SSHD, SSH, ["tcp 0.0.0.0:22", "tcp [::]:22"]),
    wrap("docker-registry", ["docker-registry", "--version"],
         ["docker-registry", "serve", f"{SITE}/registry.yml"],
         [Ask("https://127.0.0.1/v2/", [*CURL, "https://127.0.0.1/v2/"], "{}")], ["tcp [::]:443"]),
    wrap("mosquitto", ["mosquitto", "-h"], ["mosquitto", "-c", f"{SITE}/mosquitto.conf"],
         mosquitto(), ["tcp 127.0.0.1:883"]),
]
