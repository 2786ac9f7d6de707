# SPDX-License-Identifier: MIT
# The client library and the command-line tool.

function(add_client_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;WRAP")
    list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/)
    add_executable(test-${name} ${arg_SOURCES})
    target_link_libraries(test-${name} PRIVATE ${arg_LIBRARIES} PkgConfig::CMOCKA)
    foreach(function IN LISTS arg_WRAP)
        target_link_options(test-${name} PRIVATE -Wl,--wrap=${function})
    endforeach()
    add_test(NAME ${name} COMMAND test-${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 60)
endfunction()

find_package(Threads REQUIRED)
add_client_test(client SOURCES test-client.c fake-daemon.c LIBRARIES client Threads::Threads
    WRAP socket)
add_client_test(own SOURCES test-own.c fake-daemon.c LIBRARIES client Threads::Threads
    WRAP bind)
add_client_test(spec SOURCES test-spec.c LIBRARIES cli WRAP getservbyname)
add_client_test(output SOURCES test-output.c LIBRARIES cli WRAP isatty)
add_client_test(run SOURCES test-run.c fake-daemon.c LIBRARIES cli Threads::Threads
    WRAP socket bind listen setsockopt)

# The programs as users see them, against a daemon in Python.
find_program(PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(PYTHON3)
    add_test(NAME cli COMMAND ${PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/cli_test.py
        $<TARGET_FILE:lowport-cli> ${PROJECT_SOURCE_DIR})
    # It takes a namespace, which a build in a chroot has not: packages leave out what has this label.
    set_tests_properties(cli PROPERTIES TIMEOUT 120 LABELS namespace)
endif()
