/* SPDX-License-Identifier: MIT */
#include <sys/capability.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* capset(2), version 3: two structures, of which the first has the capabilities below 32. */
struct capability_sets {
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};

/* The version goes both ways: a kernel that has another one writes that. */
static struct __user_cap_header_struct header_of_self(void) {
        return (struct __user_cap_header_struct){ .version = _LINUX_CAPABILITY_VERSION_3 };
}

static __u32 *word_of(cap_t set, cap_value_t value, cap_flag_t flag) {
        struct __user_cap_data_struct *data;

        if (set == NULL || value < 0 || CAP_TO_INDEX(value) >= _LINUX_CAPABILITY_U32S_3) {
                errno = EINVAL;
                return NULL;
        }
        data = &set->data[CAP_TO_INDEX(value)];
        switch (flag) {
        case CAP_EFFECTIVE:
                return &data->effective;
        case CAP_PERMITTED:
                return &data->permitted;
        case CAP_INHERITABLE:
                return &data->inheritable;
        default:
                errno = EINVAL;
                return NULL;
        }
}

cap_t cap_init(void) {
        return calloc(1, sizeof(struct capability_sets));
}

cap_t cap_get_proc(void) {
        struct __user_cap_header_struct header = header_of_self();
        cap_t set = cap_init();

        if (set != NULL && syscall(SYS_capget, &header, set->data) < 0) {
                free(set);
                return NULL;
        }
        return set;
}

int cap_free(void *set) {
        free(set);
        return 0;
}

int cap_set_proc(cap_t set) {
        struct __user_cap_header_struct header = header_of_self();

        if (set == NULL) {
                errno = EINVAL;
                return -1;
        }
        return (int)syscall(SYS_capset, &header, set->data);
}

int cap_get_flag(cap_t set, cap_value_t value, cap_flag_t flag, cap_flag_value_t *ret_raised) {
        const __u32 *word = word_of(set, value, flag);

        if (word == NULL)
                return -1;
        *ret_raised = (*word & CAP_TO_MASK(value)) != 0 ? CAP_SET : CAP_CLEAR;
        return 0;
}

int cap_set_flag(cap_t set,
                 cap_flag_t flag,
                 int n_values,
                 const cap_value_t *values,
                 cap_flag_value_t raise) {
        for (int i = 0; i < n_values; i++) {
                __u32 *word = word_of(set, values[i], flag);

                if (word == NULL)
                        return -1;
                if (raise == CAP_SET)
                        *word |= CAP_TO_MASK(values[i]);
                else
                        *word &= ~CAP_TO_MASK(values[i]);
        }
        return 0;
}

int cap_get_bound(cap_value_t value) {
        return prctl(PR_CAPBSET_READ, (unsigned long)value, 0L, 0L, 0L);
}

int cap_drop_bound(cap_value_t value) {
        return prctl(PR_CAPBSET_DROP, (unsigned long)value, 0L, 0L, 0L);
}

int cap_set_ambient(cap_value_t value, cap_flag_value_t raise) {
        unsigned long how = raise == CAP_SET ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER;

        return prctl(PR_CAP_AMBIENT, how, (unsigned long)value, 0L, 0L);
}

int cap_reset_ambient(void) {
        return prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
}

int cap_set_secbits(unsigned bits) {
        return prctl(PR_SET_SECUREBITS, (unsigned long)bits, 0L, 0L, 0L);
}
