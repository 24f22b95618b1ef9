# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# The bug museum and the models: scripts that end with 0, or 77 when a tool is
# missing. A run of all tests shows three exhibits, another three each day;
# TENON_EXHAUSTIVE shows all.

function(tenon_add_proof name seconds script)
  add_test(NAME ${name} COMMAND sh "${tenon_SOURCE_DIR}/${script}" ${ARGN})
  tenon_test_properties(${name} ${seconds} proof)
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

tenon_add_proof(museum-check 30 tests/museum/run.sh --check)
# A patched file is compiled by Ninja's command. With gcov its counters would be
# another file's; under TSan a race may be reported before the test has failed.
if(CMAKE_GENERATOR STREQUAL "Ninja" AND NOT CMAKE_C_FLAGS MATCHES "--coverage"
    AND NOT TENON_SANITIZE MATCHES "thread")
  tenon_add_proof(museum 120 tests/museum/run.sh "${tenon_BINARY_DIR}"
    --sample 3)
  set_tests_properties(museum PROPERTIES PROCESSORS 2)
endif()
tenon_add_proof(model-wake 60 tests/model/run.sh)
