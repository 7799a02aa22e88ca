# Package managers: which is here, how it is called, what it prints.
noinst_LIBRARIES += packages/libpackages.a
packages_libpackages_a_SOURCES = \
	packages/inventory.c packages/inventory.h \
	packages/manager.c packages/manager.h \
	packages/package.c packages/package.h \
	packages/parse.h \
	packages/parse_installed.c \
	packages/parse_search.c \
	packages/parse_updates.c \
	packages/reboot.c packages/reboot.h
