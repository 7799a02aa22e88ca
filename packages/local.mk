# Package managers: which is here, how it is called, what it prints.
noinst_LIBRARIES += packages/libpackages.a
packages_libpackages_a_SOURCES = packages/manager.c packages/manager.h
