# SPDX-License-Identifier: MIT
# The tests of src/common and src/policy.

add_library(policy-fixture STATIC policy-fixture.c)
target_link_libraries(policy-fixture PUBLIC policy PkgConfig::CMOCKA)

foreach(noun address wire ruleset decide parse compile source names lint trial unit)
    add_executable(test-${noun} test-${noun}.c)
    target_link_libraries(test-${noun} PRIVATE policy-fixture)
    add_test(NAME unit-${noun} COMMAND test-${noun})
    set_tests_properties(unit-${noun} PROPERTIES TIMEOUT 60)
endforeach()

# The look-ups of the C library, answered by the test.
target_link_options(test-names PRIVATE
    -Wl,--wrap=getpwnam_r,--wrap=getgrnam_r,--wrap=getservbyname_r,--wrap=access)
target_link_options(test-unit PRIVATE -Wl,--wrap=fopen)

# The tools for a policy, as people see them.
find_program(PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(PYTHON3)
    add_test(NAME policy-cli COMMAND ${PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/policy_cli_test.py
        $<TARGET_FILE:lowport-cli>)
    set_tests_properties(policy-cli PROPERTIES TIMEOUT 120)
endif()
