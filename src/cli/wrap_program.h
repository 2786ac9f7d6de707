/* SPDX-License-Identifier: MIT */
#pragma once

/* The file that a command runs, as far as it decides what can be done for it. */

#include <stdbool.h>

struct wrap_program {
        char *path;      /* the binary: of a script, its interpreter's; NULL: not found */
        bool gains;      /* its mode or file capabilities give it privileges */
        bool is_static;  /* no dynamic loader */
        bool is_foreign; /* for another kind of processor, or 32-bit here */
};

/* Looks `command` up as execvp(3) does. What cannot be read counts as ordinary. */
void wrap_program_look(const char *command, struct wrap_program *ret);
void wrap_program_done(struct wrap_program *program);
