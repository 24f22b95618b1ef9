# Copyright (c) The Tenon authors
# SPDX-License-Identifier: MIT

# `cpack -G DEB` in the build folder: libtenon0, one libtenon-NAME0 for each
# component, libtenon-dev and tenon-tools. What the libraries need is found by
# dpkg-shlibdeps. For Debian's own paths configure with
# -DCMAKE_INSTALL_LIBDIR=lib/$(gcc -print-multiarch).

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tenon)
set(CPACK_PACKAGE_VENDOR "The Tenon authors")
set(CPACK_PACKAGE_CONTACT "The Tenon authors <tenon@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${tenon_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# tenon_debian(COMPONENT PACKAGE DESCRIPTION DEPENDS...): components it needs.
macro(tenon_debian component package description)
  string(TOUPPER "${component}" _up)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${_up}_PACKAGE_NAME "${package}")
  set(CPACK_COMPONENT_${_up}_DESCRIPTION "${description}")
  set(CPACK_COMPONENT_${_up}_DEPENDS ${ARGN})
  install(FILES "${tenon_SOURCE_DIR}/LICENSES/MIT.txt" RENAME copyright
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${package}"
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

set(CPACK_COMPONENTS_ALL "")
get_property(components GLOBAL PROPERTY TENON_COMPONENTS)
set(dirs "${tenon_BINARY_DIR}")
tenon_debian(core libtenon${tenon_VERSION_MAJOR} "Tenon: the reactor")
foreach(name IN LISTS components)
  tenon_debian(${name} libtenon-${name}${tenon_VERSION_MAJOR}
    "Tenon: ${name}" core)
  get_target_property(dir tenon-${name} BINARY_DIR)
  list(APPEND dirs "${dir}")
endforeach()
tenon_debian(dev libtenon-dev "Tenon: headers and libraries to develop with"
  core ${components})
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "pkg-config")
if(TARGET tenon-conformance)
  get_property(adapters GLOBAL PROPERTY TENON_KIND_adapter)
  get_property(parts GLOBAL PROPERTY TENON_CONFORMANCE_PARTS)
  tenon_debian(tools tenon-tools "Tenon: the conformance suite and benchmarks"
    core ${adapters} ${parts})
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION devel)
endif()
# Our own libraries are in no installed package.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${dirs})
include(CPack)
