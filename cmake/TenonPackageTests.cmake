# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# Tests of what a user gets: the installed tree, the Debian packages, the
# amalgamation, the ABI, and the code in the documentation. Each is a script
# that ends with 0, or 77 when a tool that it needs is missing.

# tenon_add_script(NAME SECONDS SCRIPT ARGUMENTS...)
function(tenon_add_script name seconds script)
  add_test(NAME ${name} COMMAND sh "${tenon_SOURCE_DIR}/${script}" ${ARGN})
  tenon_test_properties(${name} ${seconds} package)
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()

# The programs of docs/tutorial; those that need a host, when it is here.
foreach(step IN ITEMS 1 2 3 4 5)
  set(library tenon)
  if(step EQUAL 5)
    set(library tenon-libuv)
  endif()
  if(TARGET ${library})
    set(program tutorial-step${step})
    add_executable(${program} "${tenon_SOURCE_DIR}/docs/tutorial/step${step}.c")
    tenon_flags(${program})
    target_link_libraries(${program} PRIVATE ${library})
    tenon_add_script(${program} 60 docs/tutorial/test.sh
      ${step} $<TARGET_FILE:${program}>)
  endif()
endforeach()

tenon_add_script(package-called 60 tests/package/called.sh "${tenon_BINARY_DIR}")

# A user's program is not built with our sanitizers or counters.
if(TENON_SANITIZE OR CMAKE_C_FLAGS MATCHES "--coverage" OR NOT TENON_INSTALL)
  return()
endif()

# These compile, on two processors: beside them no test could measure time.
function(tenon_add_package_script name)
  tenon_add_script(${name} ${ARGN})
  set_tests_properties(${name} PROPERTIES PROCESSORS 2)
endfunction()

get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
list(JOIN adapters " " adapters)
tenon_add_package_script(package-install 120 tests/package/install.sh
  "${tenon_BINARY_DIR}" "${tenon_SOURCE_DIR}" "${CMAKE_INSTALL_LIBDIR}"
  "${adapters}")
tenon_add_package_script(package-deb 120 tests/package/deb.sh
  "${tenon_BINARY_DIR}" "${tenon_SOURCE_DIR}" "${CMAKE_INSTALL_LIBDIR}"
  "${adapters}")
tenon_add_package_script(package-amalgam 120 tests/package/amalgam.sh
  "${tenon_SOURCE_DIR}" "${adapters}")

# The pages of the source tree, with what this build made. It needs ss and
# setsid, which Debian has on every system.
tenon_add_package_script(docs-snippets 120 tools/snippets.sh "${tenon_BINARY_DIR}")
