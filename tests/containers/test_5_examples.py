# SPDX-License-Identifier: MIT
"""The files of packaging: each is read as its engine would, and what podman can run is run."""

import json
import os
import pathlib
import shlex
import subprocess

import pytest
import yaml

import host
import test_4_daemon
from host import CLIENT4, client_of, mapped
from test_4_daemon import HERE, podman

COMPOSE = pathlib.Path("/srv/packaging/container/compose")
QUADLET = pathlib.Path("/srv/packaging/container/quadlet")
USER = pathlib.Path("/srv/packaging/container/user")
KUBERNETES = pathlib.Path("/srv/packaging/kubernetes")

image = test_4_daemon.image


@pytest.fixture(scope="module", autouse=True)
def application(image):
    podman("build", "--quiet", "--tag=lowport", "--file=/srv/context/Containerfile", "/srv/context")
    podman("build", "--quiet", "--tag=application", "/srv/application")


def answer(*names):
    """What the client is told by one of these of root's containers."""
    try:
        return host.eventually(host.fetch, "an answer")
    except AssertionError as error:
        told = [subprocess.run(["podman", "logs", name], env=host.ENVIRONMENT, check=False, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
                for name in names]
        raise AssertionError("\n".join([str(error), *told])) from None


# docker-compose: what an engine makes of each key of a service (compose-spec).


COMPOSE_KEYS = {
    "network_mode": lambda value: [f"--network={value}"],
    "user": lambda value: [f"--user={value}"],
    "read_only": lambda value: ["--read-only"] if value else [],
    "cap_drop": lambda value: [f"--cap-drop={name}" for name in value],
    "cap_add": lambda value: [f"--cap-add={name}" for name in value],
    "security_opt": lambda value: [f"--security-opt={word}" for word in value],
    "volumes": lambda value: [f"--volume={volume.replace('./', f'{COMPOSE}/')}" for volume in value],
    "restart": lambda value: [f"--restart={value}"],
    "entrypoint": lambda value: [f"--entrypoint={json.dumps(value)}"],
}


def test_the_compose_file_runs():
    """Not by podman-compose, which makes a pod of it and a second network in Debian 12."""
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    assert set(document) == {"services", "volumes"}
    names = []
    try:
        for name, service in document["services"].items():
            names.append(f"compose-{name}")
            options = [option for key, value in service.items() if key not in ("image", "command")
                       for option in COMPOSE_KEYS[key](value)]
            podman("run", "--detach", f"--name={names[-1]}", *options, service["image"],
                   *service["command"])
        seen = answer(*names)
        assert (client_of(seen), seen["uid"], seen["root"]) == (CLIENT4, "1000", "read-only")
        assert int(seen["CapBnd"], 16) == 0
        # A daemon that was restarted is found in the volume, and a policy that changed is loaded.
        podman("restart", "--time=5", "compose-lowportd")
        explain = ["exec", "compose-web", "lowport", "explain", "tcp:80"]
        host.eventually(lambda: "granted" in asked(explain), "a new daemon")
        policy = COMPOSE / "policy/policy.conf"
        policy.write_text(policy.read_text().replace("user 1000", "user 1001"))
        host.eventually(lambda: "denied" in asked(explain), "the new policy")
    finally:
        podman("rm", "--force", "--time=5", *names)
        podman("volume", "rm", "--force", *document["volumes"])


def asked(command):
    return subprocess.run(["podman", *command], env=host.ENVIRONMENT, capture_output=True, text=True,
                          timeout=host.DEADLINE, check=False).stdout


# Quadlet: what it makes of each key (podman-systemd.unit(5)).


def each(option):
    return lambda value: [f"{option}={word}" for word in value.split()]


def switch(option):
    return lambda value: {"true": [option], "false": []}[value]


CONTAINER_KEYS = {
    "Network": each("--network"),
    "User": each("--user"),
    "Volume": each("--volume"),
    "ReadOnly": switch("--read-only"),
    "DropCapability": each("--cap-drop"),
    "AddCapability": each("--cap-add"),
    "NoNewPrivileges": switch("--security-opt=no-new-privileges"),
    "Notify": switch("--sdnotify=container"),
}
UNIT_KEYS = {
    "Unit": {"Description"},
    "Service": {"Restart", "RuntimeDirectory", "RuntimeDirectoryPreserve", "Type", "NotifyAccess",
                "ExecStartPre", "ExecStart", "ExecStop"},
    "Install": {"WantedBy"},
}


def unit(path):
    """A unit file: {section: [(key, value)]}."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(tuple(line.split("=", 1)))
    for name, keys in UNIT_KEYS.items():
        assert {key for key, _ in found.get(name, [])} <= keys, path
    assert set(found) <= {*UNIT_KEYS, "Container"}, path
    return found


def quadlet(name):
    """The options, and the image with its command, that podman is started with."""
    options, rest = [], {}
    for key, value in unit(QUADLET / f"{name}.container")["Container"]:
        if key in ("Image", "Exec"):
            rest[key] = value
        else:
            options += CONTAINER_KEYS[key](value)
    return options, [rest["Image"], *shlex.split(rest["Exec"])]


def test_the_quadlets_serve_the_host_s_port(container):
    options, (_, *arguments) = quadlet("lowportd")
    assert "--sdnotify=container" in options
    options = [option.replace("=/run/lowport:", f"={HERE}:") for option in options]
    host.allow(f"allow user {mapped(1000)} tcp 80 netns any")
    daemon = test_4_daemon.DaemonContainer(*options, arguments=arguments)
    try:
        options, command = quadlet("web")
        options = [option.replace("=/run/lowport:", f"={HERE}:") for option in options]
        seen = container(*options, *command).answers()
        assert (client_of(seen), seen["uid"], seen["root"]) == (CLIENT4, "1000", "read-only")
        assert seen["NoNewPrivs"] == "1"
    finally:
        assert daemon.stop() == 0


@pytest.mark.parametrize("name", ["web-descriptor", "web-published"])
def test_the_user_s_units_run(name, daemon):
    daemon("allow user web tcp 80")
    service = dict(unit(USER / f"{name}.service")["Service"])
    if "ExecStartPre" in service:
        host.web(*shlex.split(service["ExecStartPre"]))
    one = host.Program([*host.as_web(), *shlex.split(service["ExecStart"])], host.AS_WEB,
                       cwd="/home/web")
    try:
        seen = one.answers()
        assert seen["uid"] == "1000"
        assert client_of(seen) == (CLIENT4 if name == "web-descriptor" else "10.0.2.100")
    finally:
        host.web(*shlex.split(service["ExecStop"]))
        one.ended()


# Kubernetes: the fields of the API that the manifests use, with their types.


TEXT_MAP = {str: str}
METADATA = {"name": str, "namespace": str, "labels": TEXT_MAP}
CAPABILITIES = {"drop": [str], "add": [str]}
SECCOMP = {"type": str}
CONTAINER = {
    "name": str, "image": str, "imagePullPolicy": str, "command": [str], "args": [str],
    "readinessProbe": {"exec": {"command": [str]}, "periodSeconds": int},
    "securityContext": {"runAsUser": int, "allowPrivilegeEscalation": bool,
                        "readOnlyRootFilesystem": bool, "capabilities": CAPABILITIES},
    "resources": {"requests": TEXT_MAP, "limits": TEXT_MAP},
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
}
POD = {
    "hostNetwork": bool, "automountServiceAccountToken": bool, "enableServiceLinks": bool,
    "terminationGracePeriodSeconds": int,
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int,
                        "seccompProfile": SECCOMP},
    "containers": [CONTAINER],
    "volumes": [{"name": str, "configMap": {"name": str, "defaultMode": int},
                 "hostPath": {"path": str, "type": str}}],
}
KINDS = {
    ("v1", "Namespace"): {"metadata": METADATA},
    ("v1", "ConfigMap"): {"metadata": METADATA, "data": TEXT_MAP},
    ("v1", "Pod"): {"metadata": METADATA, "spec": POD},
    ("apps/v1", "DaemonSet"): {"metadata": METADATA,
                               "spec": {"selector": {"matchLabels": TEXT_MAP},
                                        "template": {"metadata": METADATA, "spec": POD}}},
}


def misfits(value, schema, where):
    """What of a value the API would not take."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [one for at, item in enumerate(value)
                for one in misfits(item, schema[0], f"{where}[{at}]")]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        free = schema == TEXT_MAP
        return [one for key, item in value.items()
                for one in ([f"{where}.{key} is unknown"] if not free and key not in schema else
                            misfits(item, str if free else schema[key], f"{where}.{key}"))]
    return [] if type(value) is schema else [f"{where} is {value!r}, not {schema.__name__}"]


def manifests():
    found = {}
    for name in ("lowport.yaml", "application.yaml"):
        for document in yaml.safe_load_all((KUBERNETES / name).read_text()):
            found[document["kind"]] = document
    return found


def pod_specs():
    every = manifests()
    return every["DaemonSet"]["spec"]["template"]["spec"], every["Pod"]["spec"]


def test_the_manifests_have_fields_of_the_api_only():
    for kind, document in manifests().items():
        schema = KINDS[document.pop("apiVersion"), document.pop("kind")]
        assert not misfits(document, schema, kind)
        assert document["metadata"]["name"]


def test_the_checker_of_fields_finds_what_is_wrong():
    pod = manifests()["Pod"]
    pod["spec"]["hostnetwork"] = True
    pod["spec"]["containers"][0]["securityContext"]["runAsUser"] = "0"
    pod["spec"]["volumes"][0]["hostPath"] = "/run/lowport"
    del pod["apiVersion"], pod["kind"]
    assert misfits(pod, KINDS["v1", "Pod"], "Pod") == [
        "Pod.spec.containers[0].securityContext.runAsUser is '0', not int",
        "Pod.spec.volumes[0].hostPath is no object", "Pod.spec.hostnetwork is unknown"]


def test_the_manifests_agree_with_each_other():
    every = manifests()
    daemons = every["DaemonSet"]["spec"]
    assert daemons["selector"]["matchLabels"] == daemons["template"]["metadata"]["labels"]
    for spec in pod_specs():
        volumes = [volume["name"] for volume in spec["volumes"]]
        for one in spec["containers"]:
            assert sorted(mount["name"] for mount in one["volumeMounts"]) == sorted(volumes)
    daemon, web = pod_specs()
    assert daemon["volumes"][0]["configMap"]["name"] == every["ConfigMap"]["metadata"]["name"]
    assert every["ConfigMap"]["metadata"]["namespace"] == every["DaemonSet"]["metadata"]["namespace"]
    assert daemon["volumes"][1]["hostPath"]["path"] == web["volumes"][0]["hostPath"]["path"]
    assert f"user {web['securityContext']['runAsUser']} " in every["ConfigMap"]["data"]["policy.conf"]


def test_the_manifests_restrict_what_can_be_restricted():
    daemon, web = pod_specs()
    for spec in (daemon, web):
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for one in spec["containers"]:
            context = one["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]
            assert "memory" in one["resources"]["limits"]
    assert daemon["containers"][0]["securityContext"]["capabilities"]["add"] == \
        test_4_daemon.CAPABILITIES
    assert web["securityContext"]["runAsNonRoot"] is True
    assert "hostNetwork" not in web
    assert "add" not in web["containers"][0]["securityContext"]["capabilities"]


def test_the_application_s_pod_runs(daemon):
    """By `podman play kube`, as a rootless one."""
    daemon(f"allow user {mapped(20080)} tcp 80 netns any")
    path = KUBERNETES / "application.yaml"
    host.web("podman", "play", "kube", "--network=none", path)
    try:
        seen = host.eventually(host.fetch, "an answer")
        assert (client_of(seen), seen["uid"], seen["root"]) == (CLIENT4, "20080", "read-only")
        assert int(seen["CapBnd"], 16) == 0 and seen["NoNewPrivs"] == "1"
    finally:
        host.web("podman", "play", "kube", "--down", path)


def test_the_daemonset_s_container_runs(container):
    """podman knows no DaemonSet: its one container, with what its security context says."""
    daemon, _ = pod_specs()
    one = daemon["containers"][0]
    context = one["securityContext"]
    assert daemon["hostNetwork"] and context["readOnlyRootFilesystem"]
    host.allow(manifests()["ConfigMap"]["data"]["policy.conf"].replace("20080", str(mapped(1000))))
    service = test_4_daemon.DaemonContainer(
        "--network=host", "--read-only", "--security-opt=no-new-privileges",
        *(f"--cap-drop={name}" for name in context["capabilities"]["drop"]),
        *(f"--cap-add={name}" for name in context["capabilities"]["add"]),
        f"--user={context['runAsUser']}", f"--volume={HERE}:/run/lowport",
        "--volume=/etc/lowport:/etc/lowport:ro", arguments=one["args"])
    try:
        assert container(*test_4_daemon.SERVE).answers()
        probe = one["readinessProbe"]["exec"]["command"]
        assert "1 rules in force" in podman("exec", "lowportd", *probe)
    finally:
        assert service.stop() == 0


# A ConfigMap that changes, as kubelet does it.


def test_a_daemon_in_a_container_follows_its_configmap(container):
    folder = pathlib.Path("/run/configmap")
    folder.mkdir()

    def put(name, rule):
        (folder / name).mkdir()
        (folder / name / "policy.conf").write_text(f"{rule}\n")
        (folder / "..data_tmp").symlink_to(name)
        (folder / "..data_tmp").rename(folder / "..data")

    put("..2025_01", "allow user 1 tcp 80")
    (folder / "policy.conf").symlink_to("..data/policy.conf")
    options = [option for option in test_4_daemon.OPTIONS if "/etc/lowport" not in option]
    one = test_4_daemon.DaemonContainer(*options, f"--volume={folder}:/etc/lowport:ro",
                                        arguments=["--watch"])
    try:
        put("..2025_02", test_4_daemon.ALLOWED)
        one.says("reloaded: 1 rules")
        assert container(*test_4_daemon.SERVE).answers()
    finally:
        assert one.stop() == 0
    os.unlink(folder / "policy.conf")
