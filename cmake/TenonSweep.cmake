# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# The sweeps: the conformance suite once more, linked to a copy of the library
# in which each call that can fail goes by tests/sweep/calls.c. Nothing else in
# the program is changed. See docs/testing.md.

set(sweep "${tenon_SOURCE_DIR}/tests/sweep")
find_program(TENON_OBJDUMP objdump)
find_program(TENON_ADDR2LINE addr2line)
mark_as_advanced(TENON_OBJDUMP TENON_ADDR2LINE)

# A call site is known by where it returns to, so that no call may be a jump;
# and ThreadSanitizer cannot have its threads forked away so often.
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" OR TENON_SANITIZE MATCHES "thread"
    OR NOT TENON_OBJDUMP OR NOT TENON_ADDR2LINE OR NOT CMAKE_OBJCOPY
    OR NOT TARGET tenon-conformance-lib)
  return()
endif()

file(STRINGS "${sweep}/calls.txt" lines REGEX "^[^#]")
set(renames "")
foreach(line IN LISTS lines)
  if(line MATCHES "^([a-z_0-9]+) fails$")
    string(APPEND renames "${CMAKE_MATCH_1} sweep_${CMAKE_MATCH_1}\n")
  endif()
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${sweep}/calls.txt")
set(out "${tenon_BINARY_DIR}/sweep")
file(MAKE_DIRECTORY "${out}")
file(CONFIGURE OUTPUT "${out}/renames" CONTENT "${renames}" @ONLY)

add_custom_command(OUTPUT "${out}/libtenon-sweep.a"
  COMMAND ${CMAKE_OBJCOPY} --redefine-syms=${out}/renames
    $<TARGET_FILE:tenon_static> "${out}/libtenon-sweep.a"
  DEPENDS tenon_static "${out}/renames")

get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
get_property(fixtures GLOBAL PROPERTY TENON_FIXTURES)
set(objects "")
foreach(name IN LISTS fixtures)
  list(APPEND objects $<TARGET_OBJECTS:tenon_fixture_${name}>)
endforeach()
file(GLOB sources CONFIGURE_DEPENDS "${sweep}/*.c")
add_executable(tenon-sweep ${sources} "${out}/libtenon-sweep.a"
  "${tenon_BINARY_DIR}/conformance/fixtures.c" ${objects})
tenon_flags(tenon-sweep)
target_include_directories(tenon-sweep PRIVATE
  "${tenon_SOURCE_DIR}/tests/harness" "${tenon_SOURCE_DIR}/tests/conformance"
  "${tenon_SOURCE_DIR}/tests/conformance/include"
  "${tenon_SOURCE_DIR}/include")
# By file: their targets would bring the unchanged library.
target_link_libraries(tenon-sweep PRIVATE
  $<TARGET_FILE:tenon-conformance-lib>)
add_dependencies(tenon-sweep tenon-conformance-lib)
get_property(parts GLOBAL PROPERTY TENON_CONFORMANCE_PARTS)
foreach(name IN LISTS parts)
  target_link_libraries(tenon-sweep PRIVATE $<TARGET_FILE:tenon-${name}_static>)
  add_dependencies(tenon-sweep tenon-${name}_static)
endforeach()
foreach(name IN LISTS adapters)
  string(MAKE_C_IDENTIFIER "${name}" up)
  string(TOUPPER "${up}" up)
  target_link_libraries(tenon-sweep PRIVATE
    $<TARGET_FILE:tenon-${name}_static>
    $<TARGET_NAME_IF_EXISTS:PkgConfig::TENON_PC_${up}>)
  add_dependencies(tenon-sweep tenon-${name}_static)
endforeach()
target_link_libraries(tenon-sweep PRIVATE
  "${out}/libtenon-sweep.a")
add_custom_command(TARGET tenon-sweep POST_BUILD
  COMMAND sh "${sweep}/sites.sh" $<TARGET_FILE:tenon-sweep>
    "${tenon_SOURCE_DIR}" > "${out}/sites.txt"
  VERBATIM)

# --- the tests --------------------------------------------------------------
#
# An ordinary run takes a sample, about 300 allocations and 500 calls over all
# hosts; with TENON_EXHAUSTIVE in the environment the program takes all.

function(tenon_add_sweep name seconds)
  add_test(NAME sweep-${name}
    COMMAND tenon-sweep --sites "${out}/sites.txt" ${ARGN})
  tenon_test_properties(sweep-${name} ${seconds} sweep)
  # Blocks of the core are looked for by the sweep itself; what the cases made
  # for themselves is left behind when one ends early.
  set_property(TEST sweep-${name} APPEND PROPERTY
    ENVIRONMENT ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0)
endfunction()

add_test(NAME sweep-known
  COMMAND sh "${sweep}/known.sh" $<TARGET_FILE:tenon>)
tenon_test_properties(sweep-known 60 sweep)
tenon_add_sweep(sites 240
  --reach "${sweep}/exceptions.txt" --table "${out}/table.txt")
tenon_add_sweep(kept 240 --host native --kept "${sweep}/kept.txt")
tenon_add_sweep(branches 240 --host native --kept "${sweep}/branches.txt")
tenon_add_sweep(storm 240 --host native --only Y --storm 100 --sample 25)
if("glib" IN_LIST fixtures)
  # Nested loops, which native reactors have not. A watch that could not be
  # armed again after one was lost, and nobody was told.
  tenon_add_sweep(nested 120 --host glib --only H12b --calls)
endif()
foreach(name IN LISTS fixtures)
  set(calls 60)
  if(name STREQUAL "native")
    set(calls 200)
  endif()
  tenon_add_sweep(allocations-${name} 240
    --host ${name} --allocations --sample 50)
  tenon_add_sweep(calls-${name} 360 --host ${name} --calls --sample ${calls})
endforeach()
