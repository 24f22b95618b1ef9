# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# How one test is added, wherever it lives.

include_guard(GLOBAL)

# Debian ships Check as a static library that wants libsubunit besides.
if(TENON_TESTS)
  pkg_check_modules(TENON_CHECK QUIET IMPORTED_TARGET GLOBAL "check>=0.15")
  if(TENON_CHECK_FOUND AND "subunit" IN_LIST TENON_CHECK_LIBRARIES)
    find_library(TENON_SUBUNIT subunit)
    mark_as_advanced(TENON_SUBUNIT)
  else()
    set(TENON_SUBUNIT "not wanted")
  endif()
  if(NOT TENON_CHECK_FOUND OR NOT TENON_SUBUNIT)
    message(WARNING "tenon: the tests are NOT built, Check is missing "
      "(Debian: check and libsubunit-dev; or -DTENON_TESTS=OFF)")
    set(TENON_TESTS OFF)
  endif()
endif()

# tenon_test_properties(TEST SECONDS LABELS...)
function(tenon_test_properties test seconds)
  if(TENON_SANITIZE)
    math(EXPR seconds "3 * ${seconds}")
  endif()
  if(TENON_EXHAUSTIVE)
    math(EXPR seconds "10 * ${seconds}")
    set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT TENON_EXHAUSTIVE=1)
  endif()
  set_tests_properties(${test} PROPERTIES TIMEOUT ${seconds} LABELS "${ARGN}")
endfunction()

# tenon_add_test(GROUP FILE LABELS ... LIBS ... [INCLUDES ...]): FILE is
# .../test_x.c; the ctest is GROUP-x. A line in its first 40
#
#   ctest: labels=threads,slow timeout=120
#
# adds labels (`threads`: worth running under TSan; `exhaustive`: left out
# unless asked for) and replaces the 60 seconds. The word `serial` keeps other
# tests from running beside it, for what measures time or CPU.
function(tenon_add_test group file)
  cmake_parse_arguments(PARSE_ARGV 2 T "" "" "LABELS;LIBS;INCLUDES")
  cmake_path(GET file STEM name)
  string(REGEX REPLACE "^test_" "" name "${name}")
  string(REPLACE "_" "-" name "${name}")
  set(target "test-${group}-${name}")

  set(seconds 60)
  set(serial OFF)
  file(STRINGS "${file}" lines LIMIT_COUNT 40)
  foreach(line IN LISTS lines)
    if(line MATCHES "ctest:.*labels=([a-z0-9,_-]+)")
      string(REPLACE "," ";" more "${CMAKE_MATCH_1}")
      list(APPEND T_LABELS ${more})
    endif()
    if(line MATCHES "ctest:.*timeout=([0-9]+)")
      set(seconds ${CMAKE_MATCH_1})
    endif()
    if(line MATCHES "ctest:.* serial( |$)")
      set(serial ON)
    endif()
  endforeach()
  set_property(DIRECTORY "${tenon_SOURCE_DIR}" APPEND PROPERTY
    CMAKE_CONFIGURE_DEPENDS "${file}")

  add_executable(${target} "${file}")
  tenon_flags(${target})
  target_include_directories(${target} PRIVATE ${T_INCLUDES})
  target_link_libraries(${target} PRIVATE
    $<TARGET_NAME_IF_EXISTS:tenon_harness> ${T_LIBS} PkgConfig::TENON_CHECK)
  add_test(NAME ${group}-${name} COMMAND ${target})
  tenon_test_properties(${group}-${name} ${seconds} ${T_LABELS})
  set_tests_properties(${group}-${name} PROPERTIES RUN_SERIAL ${serial})
endfunction()

# tenon_add_fixture(NAME FILE LIBS...): FILE defines tenon_fixture_NAME.
function(tenon_add_fixture name file)
  add_library(tenon_fixture_${name} OBJECT "${file}")
  tenon_flags(tenon_fixture_${name})
  target_include_directories(tenon_fixture_${name} PRIVATE
    "${tenon_SOURCE_DIR}/tests/conformance/include")
  target_link_libraries(tenon_fixture_${name} PRIVATE ${ARGN} tenon)
  set_property(GLOBAL APPEND PROPERTY TENON_FIXTURES ${name})
endfunction()
