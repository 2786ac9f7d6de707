# SPDX-License-Identifier: MIT
# fish completion for lowport(1)

# Prints the words that are neither the command's options nor their arguments: a program and its
# arguments, or operands. Succeeds when they have begun, also right after `--`.
function __lowport_operands
    set -l words (commandline -opc)
    set -e words[1]
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        switch $word
            case -l --listen --env --wait --socket --own-socket --via --policy
                set -e words[1]
                set -q words[1]; and set -e words[1]
            case --
                set -e words[1]
                set -q words[1]; and printf '%s\n' $words
                return 0
            case '-*'
                set -e words[1]
            case '*'
                printf '%s\n' $words
                return 0
        end
    end
    return 1
end

# Whether one of these commands was given, and its own options may follow.
function __lowport_at
    set -l words (commandline -opc)
    set -q words[2]; or return 1
    contains -- $words[2] $argv; or return 1
    contains -- $words[2] run wrap; or return 0
    not __lowport_operands >/dev/null
end

function __lowport_no_command
    test (count (commandline -opc)) = 1
end

function __lowport_program_due
    set -l words (commandline -opc)
    set -q words[2]; and contains -- $words[2] run wrap
end

# The names of programs, or what the program itself completes.
function __lowport_program
    set -l current (commandline -ct)
    set -l words (__lowport_operands)
    if set -q words[1]
        complete -C (string join ' ' -- (string escape -- $words) $current)
    else if not string match -q -- '-*' $current
        complete -C $current
    end
end

function __lowport_services
    getent services | awk -v p=(string replace -r '[46]$' '' -- "$argv[1]") '{
        split($2, at, "/")
        if (at[1] < 1024 && (p == "" || p == at[2])) print $1
    }' | sort -u
end

# Protocols, then the names of low ports, then the words that follow a comma.
function __lowport_spec
    set -l current (string replace -r '^--listen=' '' -- (commandline -ct))
    if string match -q -- '*,*' $current
        set -l before (string replace -r '[^,]*$' '' -- $current)
        printf '%s\n' $before{name=,backlog=,nolisten,freebind,reuseport,mptcp}
    else if string match -q -- '*:*' $current
        set -l before (string replace -r '[^:]*$' '' -- $current)
        printf '%s\n' $before(__lowport_services (string replace -r ':.*' '' -- $current))
    else
        printf '%s\tprotocol\n' tcp: tcp4: tcp6: udp: udp4: udp6: sctp: sctp4: sctp6:
        printf '%s\tservice\n' (__lowport_services '')
    end
end

function __lowport_subject
    switch (commandline -opc)[-1]
        case user
            __fish_complete_users
        case group
            __fish_complete_groups
        case unit
            systemctl list-units --all --no-legend --plain 2>/dev/null | awk '{ print $1 }'
        case netns
            echo other
        case '*'
            printf '%s\n' user group unit netns
            __lowport_spec
    end
end

complete -c lowport -f

complete -c lowport -n __lowport_no_command -s h -l help -d 'show the options'
complete -c lowport -n __lowport_no_command -s V -l version -d 'show the release'
for where in __lowport_no_command '__lowport_at help'
    complete -c lowport -n $where -a run -d 'start a program with sockets on low ports'
    complete -c lowport -n $where -a wrap -d 'start a program that may bind low ports itself'
    complete -c lowport -n $where -a check -d 'find errors and doubtful rules in a policy'
    complete -c lowport -n $where -a explain -d 'say whether a request would be granted, and why'
    complete -c lowport -n $where -a status -d "show the daemon's state and counters"
    complete -c lowport -n $where -a help -d 'show what a command takes'
end

set -l commands run wrap check explain status
complete -c lowport -n "__lowport_at $commands" -s h -l help -d 'show the options'
complete -c lowport -n '__lowport_at check explain status' -l json -d 'one JSON object'
complete -c lowport -n '__lowport_at run explain status' -l socket -r -F -d "the daemon's socket"
complete -c lowport -n '__lowport_at run wrap' -l own-socket -r -F -d "the daemon's socket for own mode"
complete -c lowport -n '__lowport_at run wrap' -s v -l verbose -d 'say how it was done'

complete -c lowport -n '__lowport_at run' -s l -l listen -x -a '(__lowport_spec)' -d 'a socket to obtain'
complete -c lowport -n '__lowport_at run' -l stdin -d 'put the one socket on descriptor 0'
complete -c lowport -n '__lowport_at run' -l no-pid -d 'leave LISTEN_PID out'
complete -c lowport -n '__lowport_at run' -l env -x -d 'set a variable from the descriptors'
complete -c lowport -n '__lowport_at run' -l wait -x -d 'try again so long'
complete -c lowport -n '__lowport_at run' -l no-direct -d 'use the daemon or fail'
complete -c lowport -n '__lowport_at run' -l keep -d 'have the service manager keep the sockets'
complete -c lowport -n '__lowport_at run' -l own -d 'make the sockets here and have the daemon bind them'

complete -c lowport -n '__lowport_at wrap' -l via -x -a 'auto seccomp preload' -d how
complete -c lowport -n '__lowport_at wrap' -l quiet -d 'say nothing when a bind is denied'

complete -c lowport -n '__lowport_at check' -F
complete -c lowport -n '__lowport_at explain' -l policy -r -F -d 'a policy file or directory'
complete -c lowport -n '__lowport_at explain' -a '(__lowport_subject)'
complete -c lowport -n __lowport_program_due -a '(__lowport_program)'
