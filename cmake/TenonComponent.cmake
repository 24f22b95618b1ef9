# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# A component is a folder in adapters/, protocols/ or shims/. Its
# CMakeLists.txt is one line:
#
#   tenon_component(NAME libuv KIND adapter PKG "libuv>=1.44")
#
#   NAME      libtenon-NAME.so, tenon::NAME, tenon-NAME.pc, TENON_WITH_NAME
#   KIND      adapter | protocol | shim
#   PKG       pkg-config modules it cannot do without
#   LIBRARY, HEADER   the same for a package that has no .pc file (libev)
#   DEPENDS   other components, by NAME
#   TEST_PKG  pkg-config modules for its tests alone
#
#   *.c               the library (fixture.c is not part of it)
#   include/tenon/    its public headers, installed as <tenon/x.h>
#   tests/test_*.c    one ctest each; a shim's with hosts.h of the harness
#   fixture.c         `const tenon_fixture tenon_fixture_NAME`: the conformance
#                     suite then runs on this host too

include_guard(GLOBAL)

# tenon_add_folders(KIND): each KIND/*/CMakeLists.txt, once, in order of name.
function(tenon_add_folders kind)
  file(GLOB lists CONFIGURE_DEPENDS
    "${tenon_SOURCE_DIR}/${kind}/*/CMakeLists.txt")
  foreach(list IN LISTS lists)
    cmake_path(GET list PARENT_PATH dir)
    tenon_add_folder("${dir}")
  endforeach()
endfunction()

function(tenon_add_folder dir)
  get_property(seen GLOBAL PROPERTY TENON_FOLDERS)
  if(NOT dir IN_LIST seen)
    set_property(GLOBAL APPEND PROPERTY TENON_FOLDERS "${dir}")
    file(RELATIVE_PATH path "${tenon_SOURCE_DIR}" "${dir}")
    add_subdirectory("${dir}" "${tenon_BINARY_DIR}/${path}")
  endif()
endfunction()

# A component that another one needs may come later in the alphabet.
function(tenon_need_component name)
  foreach(kind IN ITEMS adapters protocols shims)
    set(dir "${tenon_SOURCE_DIR}/${kind}/${name}")
    if(NOT TARGET tenon-${name} AND EXISTS "${dir}/CMakeLists.txt")
      tenon_add_folder("${dir}")
    endif()
  endforeach()
endfunction()

# Sets `why` (empty: all is there), `links` and `consumer` in the caller.
function(tenon_find_needs)
  set(why "")
  set(links "")
  set(consumer "")
  foreach(other IN LISTS C_DEPENDS)
    tenon_need_component(${other})
    if(NOT TARGET tenon-${other})
      list(APPEND why "${other} not built")
    endif()
    list(APPEND links tenon-${other})
    string(APPEND consumer "_tenon_need_component(${C_NAME} ${other})\n")
  endforeach()
  if(C_PKG)
    pkg_check_modules(TENON_PC_${up} QUIET IMPORTED_TARGET GLOBAL ${C_PKG})
    if(TENON_PC_${up}_FOUND)
      list(APPEND links PkgConfig::TENON_PC_${up})
      list(JOIN C_PKG "\" \"" quoted)
      string(APPEND consumer
        "_tenon_need_package(${C_NAME} TENON_PC_${up} \"${quoted}\")\n")
    else()
      list(JOIN C_PKG " " wanted)
      list(APPEND why "${wanted} not found")
    endif()
  endif()
  if(C_LIBRARY)
    find_library(TENON_LIB_${up} ${C_LIBRARY})
    find_path(TENON_INC_${up} ${C_HEADER})
    mark_as_advanced(TENON_LIB_${up} TENON_INC_${up})
    if(TENON_LIB_${up} AND TENON_INC_${up})
      list(APPEND links ${C_LIBRARY})
    else()
      list(APPEND why "${C_HEADER} or lib${C_LIBRARY} not found")
    endif()
  endif()
  list(JOIN why ", " why)
  return(PROPAGATE why links consumer)
endfunction()

function(tenon_component)
  cmake_parse_arguments(PARSE_ARGV 0 C ""
    "NAME;KIND;LIBRARY;HEADER" "PKG;DEPENDS;TEST_PKG")
  if(C_UNPARSED_ARGUMENTS OR NOT C_NAME
      OR NOT C_KIND MATCHES "^(adapter|protocol|shim)$")
    message(FATAL_ERROR "tenon_component(NAME n KIND adapter|protocol|shim ...)"
      " in ${CMAKE_CURRENT_SOURCE_DIR}: bad ${C_UNPARSED_ARGUMENTS}")
  endif()
  string(MAKE_C_IDENTIFIER "${C_NAME}" id)
  string(TOUPPER "${id}" up)
  set(dir "${CMAKE_CURRENT_SOURCE_DIR}")
  file(RELATIVE_PATH place "${tenon_SOURCE_DIR}" "${dir}")

  set(TENON_WITH_${up} AUTO CACHE STRING "Build ${place}: AUTO, ON or OFF")
  set_property(CACHE TENON_WITH_${up} PROPERTY STRINGS AUTO ON OFF)
  if(NOT TENON_WITH_${up} STREQUAL "AUTO" AND NOT TENON_WITH_${up})
    message(STATUS "tenon: ${place} skipped (TENON_WITH_${up} is off)")
    return()
  endif()
  tenon_find_needs()
  if(why AND TENON_WITH_${up} STREQUAL "AUTO")
    message(STATUS "tenon: ${place} skipped (${why})")
    return()
  elseif(why)
    message(FATAL_ERROR "tenon: ${place} cannot be built: ${why}")
  endif()

  file(GLOB sources CONFIGURE_DEPENDS "${dir}/*.c" "${dir}/*.S")
  list(FILTER sources EXCLUDE REGEX "/fixture\\.c$")
  if(NOT sources)
    message(STATUS "tenon: ${place} skipped (it holds no sources)")
    return()
  endif()

  tenon_library(tenon-${C_NAME} "${dir}/include" ${sources})
  target_link_libraries(tenon-${C_NAME}_objects PRIVATE tenon ${links})
  target_link_libraries(tenon-${C_NAME} PUBLIC tenon ${links})
  list(TRANSFORM C_DEPENDS REPLACE "^(.+)$" "tenon-\\1_static"
    OUTPUT_VARIABLE static_links)
  list(FILTER links EXCLUDE REGEX "^tenon-")
  target_link_libraries(tenon-${C_NAME}_static
    PUBLIC ${static_links} tenon_static ${links})
  set_target_properties(tenon-${C_NAME} PROPERTIES EXPORT_NAME ${C_NAME})
  set_target_properties(tenon-${C_NAME}_static PROPERTIES
    EXPORT_NAME ${C_NAME}_static)
  add_library(tenon::${C_NAME} ALIAS tenon-${C_NAME})
  add_library(tenon::${C_NAME}_static ALIAS tenon-${C_NAME}_static)
  add_dependencies(tenon-libs tenon-${C_NAME} tenon-${C_NAME}_static)
  set_property(GLOBAL APPEND PROPERTY TENON_COMPONENTS ${C_NAME})
  set_property(GLOBAL APPEND PROPERTY TENON_KIND_${C_KIND} ${C_NAME})

  if(TENON_CONFORMANCE AND EXISTS "${dir}/fixture.c")
    tenon_add_fixture(${id} "${dir}/fixture.c" tenon-${C_NAME})
  endif()
  if(TENON_TESTS)
    file(GLOB tests CONFIGURE_DEPENDS "${dir}/tests/test_*.c")
    if(C_TEST_PKG AND tests)
      pkg_check_modules(TENON_TEST_${up} QUIET IMPORTED_TARGET ${C_TEST_PKG})
    endif()
    if(C_TEST_PKG AND tests AND NOT TENON_TEST_${up}_FOUND)
      list(JOIN C_TEST_PKG " " wanted)
      message(STATUS "tenon: ${place}/tests skipped (${wanted} not found)")
      set(tests "")
    elseif(C_TEST_PKG AND tests)
      set(test_pkg PkgConfig::TENON_TEST_${up})
    endif()
    # A shim's tests run on every host of this build.
    if(C_KIND STREQUAL "shim")
      if(NOT TENON_CONFORMANCE)
        set(tests "")
      endif()
      list(APPEND test_pkg tenon_fixtures)
    endif()
    foreach(test IN LISTS tests)
      tenon_add_test(${C_NAME} "${test}" LABELS ${C_KIND} ${C_NAME}
        LIBS tenon-${C_NAME} tenon ${test_pkg})
    endforeach()
  endif()

  if(TENON_INSTALL)
    set(requires tenon)
    foreach(other IN LISTS C_DEPENDS)
      list(APPEND requires tenon-${other})
    endforeach()
    foreach(pkg IN LISTS C_PKG)
      string(REGEX REPLACE "(>=|<=|=|>|<)" " \\1 " pkg "${pkg}")
      list(APPEND requires "${pkg}")
    endforeach()
    list(JOIN requires ", " requires)
    set(libs "-ltenon-${C_NAME}")
    if(C_LIBRARY)
      string(APPEND libs " -l${C_LIBRARY}")
    endif()
    tenon_install_component(${C_NAME} "${dir}/include" "${consumer}"
      tenon-${C_NAME} tenon-${C_NAME}_static)
    tenon_pkgconfig(tenon-${C_NAME}
      "Tenon ${C_KIND} ${C_NAME}" "${requires}" "${libs}")
  endif()
endfunction()

# tenon_example(NAME hello NEEDS libuv PKG gtk4): a program of the *.c in this
# folder, linked to tenon, the components it needs and the packages; skipped
# with one line when one of them is missing.
function(tenon_example)
  cmake_parse_arguments(PARSE_ARGV 0 C "" "NAME" "NEEDS;PKG")
  set(C_DEPENDS ${C_NEEDS})
  string(MAKE_C_IDENTIFIER "EXAMPLE_${C_NAME}" up)
  string(TOUPPER "${up}" up)
  file(RELATIVE_PATH place "${tenon_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  tenon_find_needs()
  if(why)
    message(STATUS "tenon: ${place} skipped (${why})")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.c")
  add_executable(${C_NAME} ${sources})
  target_link_libraries(${C_NAME} PRIVATE ${links} tenon)
endfunction()
