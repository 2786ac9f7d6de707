# SPDX-License-Identifier: MIT
# fish completion for lowportd(8)

complete -c lowportd -f
complete -c lowportd -l policy -r -F -d 'a policy file or directory'
complete -c lowportd -l socket -r -F -d 'the socket to make for the open mode'
complete -c lowportd -l own-socket -r -F -d 'the socket to make for the own mode'
complete -c lowportd -l binder -r -F -d 'the lowport-binder to run'
complete -c lowportd -l user -x -a '(__fish_complete_users)' -d 'the user to become when started as root'
complete -c lowportd -l watch -d 'load a policy that has changed'
complete -c lowportd -l check -d 'check the policy and exit'
complete -c lowportd -l version -d 'show the release'
complete -c lowportd -l help -d 'show the options'
complete -c lowportd -l workers -x -d 'clients served at once in open mode'
complete -c lowportd -l workers-per-user -x -d 'connections of one user at once'
complete -c lowportd -l own-workers -x -d 'clients served at once in own mode'
complete -c lowportd -l own-per-user -x -d 'of these, sockets of one user'
complete -c lowportd -l spare -x -d 'idle workers kept ready'
complete -c lowportd -l request-timeout -x -d "time for a client's first request"
complete -c lowportd -l idle-timeout -x -d 'time before each next one'
complete -c lowportd -l unread-per-user -x -d 'sockets granted to a user and not taken yet'
complete -c lowportd -l record-queue -x -d 'audit records that may wait'
complete -c lowportd -l log-burst -x -d 'records of one user that are written at once'
complete -c lowportd -l log-rate -x -d 'records of one user that are then written each second'
