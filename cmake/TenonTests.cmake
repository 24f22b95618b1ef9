# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# The tests of the core and of the hosts together. A component's own tests
# are added by tenon_component().

set(tests "${tenon_SOURCE_DIR}/tests")

# The harness names the core's functions but brings no library: the core's
# tests take the static one, all others the shared one.
file(GLOB sources CONFIGURE_DEPENDS "${tests}/harness/*.c")
if(sources)
  add_library(tenon_harness STATIC ${sources})
  tenon_flags(tenon_harness)
  target_include_directories(tenon_harness PUBLIC
    "${tests}/harness" "${tenon_SOURCE_DIR}/include")
  target_link_libraries(tenon_harness PUBLIC PkgConfig::TENON_CHECK)
endif()

file(GLOB files CONFIGURE_DEPENDS "${tests}/core/test_*.c")
foreach(file IN LISTS files)
  tenon_add_test(core "${file}" LABELS core LIBS tenon_static
    INCLUDES "${tenon_SOURCE_DIR}/core")
endforeach()

get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
get_property(protocols GLOBAL PROPERTY TENON_KIND_protocol)
set(libs ${adapters} ${protocols})
list(TRANSFORM libs PREPEND "tenon-")
file(GLOB files CONFIGURE_DEPENDS "${tests}/interop/test_*.c")
if(NOT TARGET tenon_fixtures)
  list(FILTER files EXCLUDE REGEX "/test_(trace|orders)\\.c$")
endif()
foreach(file IN LISTS files)
  tenon_add_test(interop "${file}" LABELS interop
    LIBS $<TARGET_NAME_IF_EXISTS:tenon_fixtures> ${libs} tenon)
endforeach()

# libev has symbols of libevent's names, so only this one test gets it.
find_library(TENON_LIBEV ev)
mark_as_advanced(TENON_LIBEV)
if(TENON_LIBEV AND TARGET test-interop-foreign)
  target_link_libraries(test-interop-foreign PRIVATE ${TENON_LIBEV})
  target_compile_definitions(test-interop-foreign PRIVATE TENON_HAVE_LIBEV=1)
endif()

# The re-entrancy matrix: all of it on the hosts that cost nothing, of the
# others a sample, and some pairs of calls. All of all with TENON_EXHAUSTIVE.
file(GLOB sources CONFIGURE_DEPENDS "${tests}/matrix/*.c")
if(sources AND TARGET tenon_fixtures AND TARGET tenon-line)
  add_executable(tenon-matrix ${sources})
  tenon_flags(tenon-matrix)
  target_link_libraries(tenon-matrix PRIVATE
    tenon_fixtures tenon_harness tenon-line ${libs} tenon)
  target_include_directories(tenon-matrix PRIVATE "${tests}/harness")
  function(tenon_add_matrix name)
    add_test(NAME matrix-${name} COMMAND tenon-matrix ${ARGN})
    tenon_test_properties(matrix-${name} 120 matrix)
  endfunction()
  get_property(fixtures GLOBAL PROPERTY TENON_FIXTURES)
  foreach(name IN LISTS fixtures)
    set(sample --sample 4000)
    if(name MATCHES "^(native|manual)$")
      set(sample "")
    endif()
    tenon_add_matrix(${name} --host ${name} ${sample})
  endforeach()
  tenon_add_matrix(pairs-foreign --host foreign --pairs 10000)
  tenon_add_matrix(pairs-manual --host manual --pairs 10000)
  add_test(NAME matrix-complete COMMAND sh "${tests}/matrix/complete.sh"
    "${tenon_BINARY_DIR}" "${tenon_SOURCE_DIR}")
  tenon_test_properties(matrix-complete 60 matrix)
  set_tests_properties(matrix-complete PROPERTIES SKIP_RETURN_CODE 77)
endif()

# The debugger's view of tasks; it reads the structs, so not in a release.
find_program(TENON_GDB gdb)
mark_as_advanced(TENON_GDB)
if(TENON_GDB AND CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT TENON_SANITIZE)
  add_executable(gdb-program "${tests}/gdb/program.c")
  tenon_flags(gdb-program)
  target_link_libraries(gdb-program PRIVATE tenon_static)
  add_test(NAME gdb-tasks COMMAND sh "${tests}/gdb/run.sh"
    $<TARGET_FILE:gdb-program> "${tenon_SOURCE_DIR}/tools/gdb/tenon.py")
  tenon_test_properties(gdb-tasks 60 gdb)
endif()

include(TenonFibre)
include(TenonSweep)
include(TenonFuzz)
include(TenonMuseum)
include(TenonPackageTests)
