# SPDX-License-Identifier: MIT
# What the scripts share: packages, stages with their logs and counts, and a private world.
# Sourced by bash; `root` is the source tree.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$root/build/logs
python=/usr/bin/python3

# Debian packages, by what they are for.
packages_build="gcc libc6-dev cmake ninja-build pkgconf libcap-dev libseccomp-dev libsystemd-dev"
packages_build+=" libcmocka-dev"
packages_test="python3 python3-pytest util-linux iproute2 libcap2-bin strace procps"
packages_user="uidmap"
packages_full="clang clang-tidy clang-format cppcheck libclang-rt-14-dev mmdebstrap xz-utils"
packages_full+=" python3-markdown-it python3-mdit-py-plugins mandoc bsdextrautils bash-completion"
packages_full+=" zsh fish netbase"
packages_full+=" systemd-container"
packages_full+=" musl-tools"
packages_full+=" qemu-system-x86 busybox-static"
packages_demo="python3 curl util-linux iproute2"

am_root() {
        [ "$(id -u)" = 0 ]
}

# Prints which of the packages are not there, each asked for by itself.
missing_packages() {
        local package
        for package; do
                [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
                        echo "$package"
        done
}

# Installs what is missing of the packages; an ordinary user is told what to install.
need_packages() {
        local missing
        if ! command -v dpkg-query >/dev/null; then
                echo "This is no Debian: not checked, but needed: $*" >&2
                return 0
        fi
        missing=$(missing_packages "$@" | tr '\n' ' ')
        [ -n "$missing" ] || return 0
        if ! am_root; then
                echo "Missing packages; run as root:  apt-get install ${missing% }" >&2
                return 1
        fi
        # An old package list is no reason to stop: the install says what it cannot find.
        apt-get -qq update || true
        # shellcheck disable=SC2086 # a list
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
}

# Configures and builds a preset, or only some targets of it.
build_preset() { # PRESET [TARGET]...
        local preset=$1
        shift
        (
                cd "$root"
                cmake --preset "$preset"
                cmake --build --preset "$preset" ${1:+--target "$@"}
        )
}

# Runs a command in namespaces of its own (network, mounts, processes; users too unless root), with
# users and groups of its own: tests/system/enter says which. Nothing of it stays on the machine.
in_world() {
        local how=()
        if am_root; then
                how=()
        elif unshare --user --map-root-user --map-auto true 2>/dev/null; then
                how=(--user --map-root-user --map-auto)
        else
                # One uid is all there is: it is the daemon's, with the capabilities that making
                # the world takes.
                how=(--user --map-user=990 --map-group=990 --keep-caps)
        fi
        unshare "${how[@]}" --mount --net --pid --uts --ipc --fork --kill-child --mount-proc \
                "$root/tests/system/enter" "$@"
}

passed=0
failed=0

# Adds up what a stage's log counts; a stage without a count of its own is one check.
tally() { # LOG STATUS
        local good=0 bad=0 line=
        if line=$(grep -aE '[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$1" | tail -1) &&
                [ -n "$line" ]; then
                bad=$(sed -E 's/.* ([0-9]+) tests failed out of.*/\1/' <<<"$line")
                good=$(($(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$line") - bad))
        elif line=$(grep -aE '^=+ .*in [0-9.]+s.* =+$|^[0-9]+ (passed|failed).* in [0-9.]+s' "$1" |
                tail -1) && [ -n "$line" ]; then
                good=$(sed -nE 's/(.*[^0-9])?([0-9]+) passed.*/\2/p' <<<"$line")
                bad=$(sed -nE 's/(.*[^0-9])?([0-9]+) failed.*/\2/p' <<<"$line")
                line=$(sed -nE 's/(.*[^0-9])?([0-9]+) errors?.*/\2/p' <<<"$line")
                good=${good:-0}
                bad=$((${bad:-0} + ${line:-0}))
        elif [ "$2" = 0 ]; then
                good=1
        fi
        if [ "$2" != 0 ] && [ "$bad" = 0 ]; then
                bad=1
        fi
        passed=$((passed + good))
        failed=$((failed + bad))
        stage_counts="$good passed"
        [ "$good" != 1 ] || stage_counts=ok
        if [ "$bad" != 0 ]; then
                stage_counts="$good passed, $bad FAILED"
        fi
}

# Runs a command as one stage: its output goes to a log, one line says how it went, and a failure
# shows the end of the log. The command's status is left in stage_status, and not returned: where a
# status is looked at, bash has no `set -e`, also inside the command.
stage() { # NAME SECONDS COMMAND...
        local name=$1 limit=$2 begin=$SECONDS log status=0 watchdog
        shift 2
        log=$logs/${name// /-}.log
        mkdir -p "$logs"
        (
                set -e
                "$@"
        ) >"$log" 2>&1 </dev/null &
        stage_pid=$!
        (
                trap 'kill "$sleeper" 2>/dev/null; exit' TERM
                sleep "$limit" &
                sleeper=$!
                wait "$sleeper"
                echo "stopped: more than $limit seconds" >>"$log"
                kill_tree "$stage_pid"
        ) &
        watchdog=$!
        wait "$stage_pid" || status=$?
        kill "$watchdog" 2>/dev/null || true
        wait "$watchdog" 2>/dev/null || true
        stage_pid=
        tally "$log" "$status"
        printf '%-22s %-24s %4d s\n' "$name" "$stage_counts" $((SECONDS - begin))
        if [ "$status" != 0 ]; then
                printf -- '-------- %s failed; the end of %s:\n' "$name" "${log#"$root"/}"
                tail -n 60 "$log"
                printf -- '--------\n'
        fi
        stage_status=$status
}

# Ends a process of ours and all below it.
kill_tree() {
        local child
        for child in $(ps -o pid= --ppid "$1" 2>/dev/null); do
                kill_tree "$child"
        done
        kill -KILL "$1" 2>/dev/null || true
}

# The closing line, alone; the exit status follows it.
closing_line() {
        echo "$passed passed, $failed failed"
        [ "$failed" = 0 ]
}
