# SPDX-License-Identifier: MIT
# The tests of src/binder, src/lowportd, and what they share. Where a test fails a call on purpose,
# the linker hands that call to it (WRAP).

# The binder but for main() and the capability, which tests do not have: each brings its own
# capability_raise() and capability_lower().
get_target_property(binder_sources lowport-binder SOURCES)
list(REMOVE_ITEM binder_sources main.c capability.c)
list(TRANSFORM binder_sources PREPEND ${PROJECT_SOURCE_DIR}/src/binder/)
add_library(binder-parts STATIC ${binder_sources})
target_link_libraries(binder-parts PUBLIC decide common)

add_library(lowportd-parts STATIC)
foreach(noun options log child confinement listener loader entry limiter lines auditor journal-none cgroup
    service-plain watch)
    target_sources(lowportd-parts PRIVATE ${PROJECT_SOURCE_DIR}/src/lowportd/${noun}.c)
endforeach()
target_link_libraries(lowportd-parts PUBLIC policy client common)

find_package(Threads REQUIRED)
add_library(daemon-fixture STATIC daemon-fixture.c)
target_link_libraries(daemon-fixture PUBLIC flags PkgConfig::CMOCKA)

function(add_daemon_test noun)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;WRAP")
    add_executable(test-${noun} test-${noun}.c ${arg_SOURCES})
    target_link_libraries(test-${noun} PRIVATE daemon-fixture ${arg_LIBRARIES})
    foreach(function IN LISTS arg_WRAP)
        target_link_options(test-${noun} PRIVATE -Wl,--wrap=${function})
    endforeach()
    add_test(NAME unit-${noun} COMMAND test-${noun})
    set_tests_properties(unit-${noun} PROPERTIES TIMEOUT 60)
endfunction()

add_daemon_test(fdpass LIBRARIES common)
add_daemon_test(endpoint LIBRARIES common)

# Our part of libcap, whichever of the two this build links elsewhere.
add_daemon_test(libcap SOURCES ${PROJECT_SOURCE_DIR}/src/libcap/capability.c)
target_include_directories(test-libcap BEFORE PRIVATE ${PROJECT_SOURCE_DIR}/src/libcap)

add_daemon_test(board LIBRARIES binder-parts)
add_daemon_test(audit LIBRARIES binder-parts)
add_daemon_test(reason LIBRARIES binder-parts client)
add_daemon_test(peer LIBRARIES binder-parts WRAP getsockopt)
add_daemon_test(handover LIBRARIES binder-parts Threads::Threads WRAP syscall board_now)
add_daemon_test(binding LIBRARIES binder-parts
    WRAP socket fstat setsockopt bind listen syscall board_now)

# These run the whole binder, as a process of its own.
foreach(noun worker limits parent)
    add_daemon_test(${noun} SOURCES live-binder.c LIBRARIES policy-fixture binder-parts
        WRAP board_new accept4 fork socket confinement_enter_worker)
endforeach()

add_daemon_test(own-mode SOURCES live-binder.c LIBRARIES policy-fixture binder-parts
    WRAP board_new accept4 fork socket setsockopt getsockopt confinement_enter_worker)
add_daemon_test(turn LIBRARIES binder-parts)

add_daemon_test(options LIBRARIES lowportd-parts)
add_daemon_test(entry LIBRARIES lowportd-parts)
add_daemon_test(limiter LIBRARIES lowportd-parts)
add_daemon_test(lines LIBRARIES lowportd-parts WRAP write)
add_daemon_test(auditor LIBRARIES lowportd-parts WRAP entry_write)
add_daemon_test(cgroup LIBRARIES lowportd-parts)
add_daemon_test(confinement LIBRARIES lowportd-parts)
add_daemon_test(watch LIBRARIES lowportd-parts WRAP inotify_init1 clock_gettime)
add_daemon_test(service LIBRARIES lowportd-parts)
add_daemon_test(listener LIBRARIES lowportd-parts WRAP service_take_sockets)
add_daemon_test(loader LIBRARIES lowportd-parts WRAP load_ruleset fork)
