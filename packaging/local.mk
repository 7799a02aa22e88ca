EXTRA_DIST += \
	packaging/60-vmvitals.rules \
	packaging/agent.conf \
	packaging/devel.sh \
	packaging/qemu-guest-agent.service.d-vmvitals.conf \
	packaging/vmvitals-execd.service.in \
	packaging/vmvitals.sysusers \
	packaging/vmvitals.tmpfiles \
	packaging/vmvitalsd.service.in

nodist_systemdsystemunit_DATA = packaging/vmvitalsd.service packaging/vmvitals-execd.service
dist_systemdsystemunit_DATA = packaging/vmvitals-execd.socket
dist_udevrules_DATA = packaging/60-vmvitals.rules
CLEANFILES += packaging/vmvitalsd.service packaging/vmvitals-execd.service

# Substituted by make, not by configure: only make knows the final paths.
unit_edit = -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@libexecdir[@]|$(pkglibexecdir)|g'

packaging/vmvitalsd.service: packaging/vmvitalsd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && \
	$(SED) $(unit_edit) '$(srcdir)/packaging/vmvitalsd.service.in' >$@.tmp && mv $@.tmp $@

packaging/vmvitals-execd.service: packaging/vmvitals-execd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && \
	$(SED) $(unit_edit) '$(srcdir)/packaging/vmvitals-execd.service.in' >$@.tmp && mv $@.tmp $@

# These are called vmvitals.conf where they go; an agent.conf that is there is its owner's.
confdir = $(sysconfdir)/vmvitals
qemugadir = $(systemdsystemunitdir)/qemu-guest-agent.service.d

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(sysusersdir)' '$(DESTDIR)$(tmpfilesdir)' '$(DESTDIR)$(confdir)/agent.conf.d'
	$(MKDIR_P) '$(DESTDIR)$(confdir)/trusted-keys.d' '$(DESTDIR)$(confdir)/fsfreeze.d'
	$(INSTALL_DATA) '$(srcdir)/packaging/vmvitals.sysusers' '$(DESTDIR)$(sysusersdir)/vmvitals.conf'
	$(INSTALL_DATA) '$(srcdir)/packaging/vmvitals.tmpfiles' '$(DESTDIR)$(tmpfilesdir)/vmvitals.conf'
	$(MKDIR_P) '$(DESTDIR)$(qemugadir)'
	$(INSTALL_DATA) '$(srcdir)/packaging/qemu-guest-agent.service.d-vmvitals.conf' \
	'$(DESTDIR)$(qemugadir)/vmvitals.conf'
	test -e '$(DESTDIR)$(confdir)/agent.conf' || \
	$(INSTALL_DATA) '$(srcdir)/packaging/agent.conf' '$(DESTDIR)$(confdir)/agent.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(sysusersdir)/vmvitals.conf' '$(DESTDIR)$(tmpfilesdir)/vmvitals.conf'
	rm -f '$(DESTDIR)$(qemugadir)/vmvitals.conf'
	rmdir '$(DESTDIR)$(qemugadir)' 2>/dev/null || :
	if cmp -s '$(srcdir)/packaging/agent.conf' '$(DESTDIR)$(confdir)/agent.conf'; then \
	rm -f '$(DESTDIR)$(confdir)/agent.conf'; fi
	rmdir '$(DESTDIR)$(confdir)/agent.conf.d' '$(DESTDIR)$(confdir)/trusted-keys.d' \
	'$(DESTDIR)$(confdir)/fsfreeze.d' '$(DESTDIR)$(confdir)' 2>/dev/null || :
