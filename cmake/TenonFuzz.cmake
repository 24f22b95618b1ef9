# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# Fuzz targets: tests/fuzz/fuzz_NAME.c, with inputs in corpus/NAME. Each one is
# an ordinary test (fuzz-NAME), which replays its corpus. With TENON_FUZZ it is
# linked with libFuzzer besides, as build/DIR/fuzz-NAME:
#
#   cmake --preset fuzz && cmake --build --preset fuzz
#   build/fuzz/fuzz-endpoint -max_total_time=300 tests/fuzz/corpus/endpoint

set(dir "${tenon_SOURCE_DIR}/tests/fuzz")
file(GLOB targets CONFIGURE_DEPENDS "${dir}/fuzz_*.c")
foreach(file IN LISTS targets)
  cmake_path(GET file STEM stem)
  string(REGEX REPLACE "^fuzz_" "" name "${stem}")
  set(libs "")
  if(TARGET tenon-${name}_static)
    set(libs tenon-${name}_static)
  endif()
  set(executables test-fuzz-${name})
  add_executable(test-fuzz-${name} "${file}" "${dir}/replay.c")
  if(TENON_FUZZ)
    add_executable(fuzz-${name} "${file}")
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    list(APPEND executables fuzz-${name})
  endif()
  foreach(target IN LISTS executables)
    tenon_flags(${target})
    target_link_libraries(${target} PRIVATE ${libs} tenon_static)
  endforeach()
  add_test(NAME fuzz-${name}
    COMMAND test-fuzz-${name} "${dir}/corpus/${name}")
  tenon_test_properties(fuzz-${name} 60 fuzz)
endforeach()
