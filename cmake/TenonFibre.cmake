# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# The tests of contexts and stacks once more: by swapcontext, on another
# processor, under valgrind.

set(fibres "")
foreach(name IN ITEMS context stack)
  set(target "test-core-${name}-ucontext")
  add_executable(${target} "${tenon_SOURCE_DIR}/tests/core/test_${name}.c"
    "${tenon_SOURCE_DIR}/core/async/context.c"
    "${tenon_SOURCE_DIR}/core/async/context_ucontext.c")
  tenon_flags(${target})
  target_compile_definitions(${target} PRIVATE TENON_CONTEXT_UCONTEXT)
  target_include_directories(${target} PRIVATE "${tenon_SOURCE_DIR}/core")
  target_link_libraries(${target} PRIVATE
    tenon_harness tenon_static PkgConfig::TENON_CHECK)
  add_test(NAME core-${name}-ucontext COMMAND ${target})
  tenon_test_properties(core-${name}-ucontext 60 core)
  list(APPEND fibres $<TARGET_FILE:test-core-${name}> $<TARGET_FILE:${target}>)
endforeach()

add_test(NAME cross-aarch64
  COMMAND sh "${tenon_SOURCE_DIR}/tests/cross/aarch64.sh" "${tenon_SOURCE_DIR}")
tenon_test_properties(cross-aarch64 300 cross)
set_tests_properties(cross-aarch64 PROPERTIES SKIP_RETURN_CODE 77)

# Not as shipped: what the optimizer makes of looking at untouched bytes of a
# stack is a report to valgrind.
if(NOT TENON_SANITIZE AND CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_test(NAME core-fibre-valgrind
    COMMAND sh "${tenon_SOURCE_DIR}/tests/core/valgrind.sh" ${fibres})
  tenon_test_properties(core-fibre-valgrind 240 core)
  set_tests_properties(core-fibre-valgrind PROPERTIES SKIP_RETURN_CODE 77)
endif()
