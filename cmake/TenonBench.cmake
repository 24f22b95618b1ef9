# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# bench/*.c is one program that holds Tenon and the hosts' native idioms side
# by side. A bench/CMakeLists.txt, if there is one, decides instead; it finds
# what to link in TENON_BENCH_LIBS.

get_property(TENON_BENCH_LIBS GLOBAL PROPERTY TENON_KIND_adapter)
list(TRANSFORM TENON_BENCH_LIBS PREPEND "tenon-")
list(APPEND TENON_BENCH_LIBS tenon)
set(TENON_BENCH_HAS "")
foreach(pkg IN ITEMS libuv libevent glib-2.0 gio-2.0)
  string(MAKE_C_IDENTIFIER "${pkg}" id)
  string(REGEX REPLACE "_2_0$" "" id "${id}")
  string(TOUPPER "${id}" id)
  pkg_check_modules(TENON_BENCH_${id} QUIET IMPORTED_TARGET GLOBAL ${pkg})
  if(TENON_BENCH_${id}_FOUND)
    list(APPEND TENON_BENCH_LIBS PkgConfig::TENON_BENCH_${id})
    list(APPEND TENON_BENCH_HAS TENON_HAVE_${id})
  endif()
endforeach()
get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
foreach(name IN LISTS adapters)
  string(MAKE_C_IDENTIFIER "${name}" id)
  string(TOUPPER "${id}" id)
  list(APPEND TENON_BENCH_HAS TENON_HAVE_TENON_${id})
endforeach()
if(TARGET tenon-hiredis)
  list(APPEND TENON_BENCH_LIBS tenon-hiredis)
  list(APPEND TENON_BENCH_HAS TENON_HAVE_TENON_HIREDIS)
endif()

if(TARGET tenon-curl)
  list(PREPEND TENON_BENCH_LIBS tenon-curl)
  list(APPEND TENON_BENCH_HAS TENON_HAVE_SHIM_CURL)
endif()

# Measured beside ours; no adapter is for it. (libev is loaded, not linked.)
find_library(TENON_BENCH_LIB_VERTO verto)
find_path(TENON_BENCH_INC_VERTO verto.h)
mark_as_advanced(TENON_BENCH_LIB_VERTO TENON_BENCH_INC_VERTO)
if(TENON_BENCH_LIB_VERTO AND TENON_BENCH_INC_VERTO)
  list(APPEND TENON_BENCH_LIBS ${TENON_BENCH_LIB_VERTO})
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_VERTO=1)
else()
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_VERTO=0)
endif()

find_library(TENON_BENCH_LIB_BOOST boost_context)
mark_as_advanced(TENON_BENCH_LIB_BOOST)
if(TENON_BENCH_LIB_BOOST)
  list(APPEND TENON_BENCH_LIBS ${TENON_BENCH_LIB_BOOST})
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_BOOST=1)
else()
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_BOOST=0)
endif()

find_library(TENON_BENCH_LIB_PTH pth)
mark_as_advanced(TENON_BENCH_LIB_PTH)
if(TENON_BENCH_LIB_PTH)
  list(APPEND TENON_BENCH_LIBS ${TENON_BENCH_LIB_PTH})
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_PTH=1)
else()
  list(APPEND TENON_BENCH_HAS BENCH_HAVE_PTH=0)
endif()

if(EXISTS "${tenon_SOURCE_DIR}/bench/CMakeLists.txt")
  add_subdirectory("${tenon_SOURCE_DIR}/bench" "${tenon_BINARY_DIR}/bench")
  return()
endif()

file(GLOB sources CONFIGURE_DEPENDS "${tenon_SOURCE_DIR}/bench/*.c")
if(sources)
  add_executable(tenon-bench ${sources})
  tenon_flags(tenon-bench)
  # Our switch is no function of the library's for others to call.
  file(GLOB contexts CONFIGURE_DEPENDS
    "${tenon_SOURCE_DIR}/core/async/context*.[cS]")
  target_sources(tenon-bench PRIVATE ${contexts})
  target_include_directories(tenon-bench PRIVATE "${tenon_SOURCE_DIR}/core")
  target_compile_definitions(tenon-bench PRIVATE ${TENON_BENCH_HAS}
    BENCH_DIR="${tenon_SOURCE_DIR}/bench")
  target_link_libraries(tenon-bench PRIVATE ${TENON_BENCH_LIBS})
  set_target_properties(tenon-bench PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${tenon_BINARY_DIR}/bench"
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  # Short forms, which fail only where no noise of the machine explains it.
  if(TENON_TESTS AND NOT TENON_SANITIZE)
    add_test(NAME bench-fair COMMAND
      tenon-bench fair --conns 2000 --seconds 3 --check)
    tenon_test_properties(bench-fair 120 bench fair)
    set_tests_properties(bench-fair PROPERTIES RUN_SERIAL ON)
    add_test(NAME bench-hold COMMAND tenon-bench hold --conns 3000)
    tenon_test_properties(bench-hold 120 bench hold)
    add_test(NAME bench-hold-19000 COMMAND tenon-bench hold)
    tenon_test_properties(bench-hold-19000 120 exhaustive bench hold)
    set_tests_properties(bench-fair bench-hold bench-hold-19000 PROPERTIES
      SKIP_RETURN_CODE 77)
  endif()
  if(TENON_INSTALL)
    install(TARGETS tenon-bench
      DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
  endif()
endif()
