# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# The conformance suite: a library that a stranger's adapter can link, and
# `tenon-conformance`, which runs it on each host we know. A host is a fixture:
# tests/conformance/fixture_NAME.c or a component's fixture.c. The cases of
# tests/conformance/with_NAME.c are in the suite when component NAME is built;
# a stranger gets that component with the suite.

set(suite "${tenon_SOURCE_DIR}/tests/conformance")
file(GLOB sources CONFIGURE_DEPENDS "${suite}/*.c")
file(GLOB builtin CONFIGURE_DEPENDS "${suite}/fixture_*.c")
file(GLOB about CONFIGURE_DEPENDS "${suite}/with_*.c")
list(REMOVE_ITEM sources "${suite}/main.c" ${builtin} ${about})

if(NOT sources)
  return()
endif()

# The harness is inside, so that a stranger needs this library alone.
file(GLOB harness CONFIGURE_DEPENDS "${tenon_SOURCE_DIR}/tests/harness/*.c")
add_library(tenon-conformance-lib STATIC ${sources} ${harness})
tenon_flags(tenon-conformance-lib)
target_include_directories(tenon-conformance-lib PRIVATE
  "${tenon_SOURCE_DIR}/tests/harness")
target_include_directories(tenon-conformance-lib PUBLIC
  "$<BUILD_INTERFACE:${suite}/include>"
  "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(tenon-conformance-lib PUBLIC tenon)
set(parts "")
set(consumer "")
set(requires tenon)
foreach(file IN LISTS about)
  string(REGEX REPLACE ".*/with_(.*)\\.c$" "\\1" name "${file}")
  string(TOUPPER "${name}" up)
  if(TARGET tenon-${name})
    list(APPEND parts ${name})
    target_sources(tenon-conformance-lib PRIVATE "${file}")
    target_compile_definitions(tenon-conformance-lib PRIVATE TENON_WITH_${up})
    target_link_libraries(tenon-conformance-lib PUBLIC tenon-${name})
    string(APPEND consumer "_tenon_need_component(conformance ${name})\n")
    list(APPEND requires tenon-${name})
  endif()
endforeach()
list(JOIN requires ", " requires)
set_property(GLOBAL PROPERTY TENON_CONFORMANCE_PARTS ${parts})
set_target_properties(tenon-conformance-lib PROPERTIES
  OUTPUT_NAME tenon-conformance EXPORT_NAME conformance)
add_library(tenon::conformance ALIAS tenon-conformance-lib)

foreach(file IN LISTS builtin)
  string(REGEX REPLACE ".*/fixture_(.*)\\.c$" "\\1" name "${file}")
  tenon_add_fixture(${name} "${file}")
endforeach()

get_property(fixtures GLOBAL PROPERTY TENON_FIXTURES)
list(SORT fixtures)
set(DECLARATIONS "")
set(ENTRIES "")
set(objects "")
foreach(name IN LISTS fixtures)
  string(APPEND DECLARATIONS
    "extern const tenon_fixture tenon_fixture_${name};\n")
  string(APPEND ENTRIES "    &tenon_fixture_${name},\n")
  list(APPEND objects $<TARGET_OBJECTS:tenon_fixture_${name}>)
endforeach()
set(table "${tenon_BINARY_DIR}/conformance/fixtures.c")
configure_file("${tenon_SOURCE_DIR}/cmake/fixtures.c.in" "${table}" @ONLY)

get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
list(TRANSFORM adapters PREPEND "tenon-")

# All fixtures and their table, for tests that compare the loops.
add_library(tenon_fixtures STATIC "${table}" ${objects})
tenon_flags(tenon_fixtures)
target_link_libraries(tenon_fixtures PUBLIC
  tenon-conformance-lib ${adapters} tenon)

if(EXISTS "${suite}/main.c")
  add_executable(tenon-conformance "${suite}/main.c" "${table}" ${objects})
  tenon_flags(tenon-conformance)
  target_include_directories(tenon-conformance PRIVATE "${suite}")
  target_link_libraries(tenon-conformance PRIVATE
    tenon-conformance-lib ${adapters} tenon)
  set_target_properties(tenon-conformance PROPERTIES
    INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  foreach(name IN LISTS fixtures)
    add_test(NAME conformance-${name} COMMAND tenon-conformance --host ${name})
    tenon_test_properties(conformance-${name} 300 conformance ${name})
  endforeach()
  if(TENON_INSTALL)
    install(TARGETS tenon-conformance
      DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
  endif()
endif()

if(TENON_INSTALL)
  tenon_install_component(conformance "${suite}/include" "${consumer}"
    tenon-conformance-lib)
  tenon_pkgconfig(tenon-conformance
    "Tenon's conformance suite" "${requires}" "-ltenon-conformance")
endif()
