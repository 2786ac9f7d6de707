/* SPDX-License-Identifier: MIT */
#include "policy/extent.h"

#include <string.h>

#include "common/address.h"
#include "policy/protocols.h"

/* The addresses of an item. `tcp4 80` and `tcp 0.0.0.0/0:80` are the same. */
struct place {
        struct address address;
        uint8_t length;
};

static struct place place_of(const struct item *item) {
        struct place place = { .address.family = item->family, .length = item->prefix_length };

        memcpy(place.address.bytes, item->address, sizeof(item->address));
        if (item->family == 0 && (item->protocols & PROTOCOLS_V6) == 0)
                place.address.family = ADDRESS_V4;
        if (item->family == 0 && (item->protocols & PROTOCOLS_V4) == 0)
                place.address.family = ADDRESS_V6;
        return place;
}

/* One address only, and that is 0.0.0.0 or [::]. */
static bool is_wildcard(const struct place *place) {
        return place->length == (place->address.family == ADDRESS_V4 ? 32 : 128) &&
               address_is_wildcard(&place->address);
}

static bool place_covers(const struct place *outer, const struct place *inner) {
        if (outer->address.family == 0)
                return true;
        return outer->address.family == inner->address.family && outer->length <= inner->length &&
               address_in_prefix(&inner->address, outer->address.bytes, outer->length);
}

static bool ports_cover(const struct item *outer, const struct item *inner) {
        return (inner->protocols & ~outer->protocols) == 0 && outer->low <= inner->low &&
               outer->high >= inner->high;
}

bool item_covers(const struct item *outer, const struct item *inner) {
        struct place out = place_of(outer), in = place_of(inner);

        return ports_cover(outer, inner) && place_covers(&out, &in);
}

bool item_forbids(const struct item *outer, const struct item *inner) {
        struct place out = place_of(outer), in = place_of(inner);

        if (!ports_cover(outer, inner))
                return false;
        return place_covers(&out, &in) ||
               (out.address.family == in.address.family && is_wildcard(&in));
}

bool item_overlaps(const struct item *a, const struct item *b, uint8_t protocols) {
        struct place pa = place_of(a), pb = place_of(b);

        if ((a->protocols & b->protocols & protocols) == 0 || a->low > b->high || b->low > a->high)
                return false;
        if (place_covers(&pa, &pb) || place_covers(&pb, &pa))
                return true;
        return pa.address.family == pb.address.family && (is_wildcard(&pa) || is_wildcard(&pb));
}
