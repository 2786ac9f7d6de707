# SPDX-License-Identifier: MIT
# Flags that every target shares: the interface library `flags`, and `flags-plain` for what is
# loaded into programs that are not ours, where a sanitizer's runtime would come too late.

add_library(flags-plain INTERFACE)
add_library(flags INTERFACE)
target_link_libraries(flags INTERFACE flags-plain)
target_include_directories(flags-plain INTERFACE
    ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(flags-plain INTERFACE _GNU_SOURCE LOWPORT_VERSION="${PROJECT_VERSION}"
    LOWPORT_POLICY_DIR="${LOWPORT_POLICY_DIR}")

target_compile_options(flags-plain INTERFACE
    -Wall -Wextra          # the usual mistakes
    -Wshadow               # two variables of one name in sight of each other
    -Wformat=2             # formats that are not literals
    -Wconversion -Wsign-conversion # sizes and ids that change their value on the way
    -Wcast-qual            # a const that was promised and taken back
    -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition # functions no header declares
    -Wredundant-decls      # a declaration that may drift from its twin
    -Wundef                # a misspelt macro in #if is 0
    -Wwrite-strings        # literals are const
    -Wpointer-arith        # arithmetic on void
    -Wimplicit-fallthrough # a forgotten break
    -Wswitch-enum          # a value that nobody thought of
    -Wvla -Wframe-larger-than=4096 # the stack stays small and known
)
if(LOWPORT_WERROR)
    target_compile_options(flags-plain INTERFACE -Werror)
endif()

# Hardening; what a compiler or machine lacks is left out.
foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection -fno-common
        -fvisibility=hidden -ftrivial-auto-var-init=zero)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
        target_compile_options(flags-plain INTERFACE ${flag})
    endif()
endforeach()
target_link_options(flags-plain INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)

if(LOWPORT_SANITIZE)
    target_compile_definitions(flags INTERFACE LOWPORT_SANITIZED)
    target_compile_options(flags INTERFACE -fsanitize=${LOWPORT_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(flags INTERFACE -fsanitize=${LOWPORT_SANITIZE})
else()
    # Needs optimisation, and contradicts the sanitizers' own checks.
    target_compile_options(flags-plain INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
