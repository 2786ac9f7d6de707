/* SPDX-License-Identifier: MIT */
#include "cli/wrap_desk.h"

#include <string.h>
#include <sys/mman.h>

struct wrap_desk *wrap_desk_new(void) {
        void *memory = mmap(NULL,
                            sizeof(struct wrap_desk),
                            PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS,
                            -1,
                            0);

        return memory == MAP_FAILED ? NULL : memory;
}

bool wrap_seat_taken(const struct wrap_seat *seat) {
        return seat->notif.data.arch != 0; /* no machine has the number 0 */
}

void wrap_seat_free(struct wrap_seat *seat) {
        memset(seat, 0, sizeof(*seat));
}

struct wrap_seat *wrap_desk_free_seat(struct wrap_desk *desk) {
        for (size_t i = 0; i < WRAP_SEATS; i++)
                if (!wrap_seat_taken(&desk->seats[i]))
                        return &desk->seats[i];
        return NULL;
}

struct wrap_seat *wrap_desk_next(struct wrap_desk *desk) {
        struct wrap_seat *next = NULL;

        for (size_t i = 0; i < WRAP_SEATS; i++) {
                struct wrap_seat *seat = &desk->seats[i];

                if (wrap_seat_taken(seat) && seat->helper == 0 &&
                    (next == NULL || seat->order < next->order))
                        next = seat;
        }
        return next;
}

struct wrap_seat *wrap_desk_of(struct wrap_desk *desk, pid_t helper) {
        for (size_t i = 0; i < WRAP_SEATS; i++)
                if (wrap_seat_taken(&desk->seats[i]) && desk->seats[i].helper == helper)
                        return &desk->seats[i];
        return NULL;
}
