# SPDX-License-Identifier: MIT
# What a program without a dynamic linker is linked with: the interface library `static-program`.
# Its code still lies where the kernel likes (-static-pie). lowport-binder always is one; where
# LOWPORT_STATIC is ON, all programs are.

add_library(static-program INTERFACE)
target_compile_options(static-program INTERFACE -fPIE)
target_link_options(static-program INTERFACE -static-pie)

if(LOWPORT_STATIC)
    # Small: of the archives only what is used, no tables for exceptions and debuggers, and no pages
    # that are half empty.
    target_compile_options(flags-plain INTERFACE -ffunction-sections -fdata-sections
        -fno-asynchronous-unwind-tables -fno-unwind-tables)
    target_link_options(static-program INTERFACE LINKER:--gc-sections,-z,noseparate-code)
endif()

# musl-gcc(1) is gcc with other paths. It knows nothing of -static-pie, so the start-up file and the
# linker's options are told here; and it hides the kernel's headers with those of glibc, so that they
# are shown again, alone.
if(CMAKE_C_COMPILER MATCHES "musl-gcc$")
    set(machine ${CMAKE_SYSTEM_PROCESSOR})
    find_file(MUSL_START rcrt1.o REQUIRED NO_DEFAULT_PATH
        PATHS /usr/lib/${machine}-linux-musl /usr/local/musl/lib)
    target_link_options(static-program INTERFACE -nostartfiles ${MUSL_START}
        LINKER:-static,-pie,--no-dynamic-linker,-z,text)

    # Its ioctl(2) takes an int, and the kernel's constants are unsigned; the other presets look. As
    # its own code lacks them, marks for indirect branches would be in vain.
    target_compile_options(flags-plain INTERFACE -Wno-sign-conversion -fcf-protection=none)

    set(kernel ${CMAKE_BINARY_DIR}/kernel-headers)
    find_path(KERNEL_ASM asm/types.h REQUIRED NO_DEFAULT_PATH
        PATHS /usr/include/${machine}-linux-gnu /usr/include)
    file(MAKE_DIRECTORY ${kernel})
    foreach(folder ${KERNEL_ASM}/asm /usr/include/asm-generic /usr/include/linux)
        cmake_path(GET folder FILENAME name)
        file(CREATE_LINK ${folder} ${kernel}/${name} SYMBOLIC)
    endforeach()
    target_include_directories(flags-plain SYSTEM INTERFACE ${kernel})
endif()
