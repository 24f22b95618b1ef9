/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/*
 * tenon-conformance: the suite on every loop that this build knows. The build
 * writes the table.
 */

#include <tenon/conformance.h>

extern const tenon_fixture *const tenon_fixtures[];

int main(int argc, char **argv)
{
    return tenon_conformance_main(argc, argv, tenon_fixtures);
}
