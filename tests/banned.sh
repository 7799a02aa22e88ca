#!/bin/sh
# Calls that the house style bans in product code, each with what to use instead.
set -eu
cd "${top_srcdir:-.}"
status=0
ban() {
	instead=$1
	shift
	for call; do
		if grep -nE "(^|[^a-zA-Z0-9_>.])$call[[:space:]]*\(" base/*.c collectors/*.c proto/*.c \
			virtio/*.c watch/*.c reports/*.c commands/*.c agent/*.c config/*.c exec/*.c execd/*.c helper/*.c \
			host/*.c job/*.c packages/*.c; then
			echo "^ $call is banned: use $instead"
			status=1
		fi
	done
}
ban 'vmv_parse_... of base/num.h' atoi atol strtol strtoul strtoll strtoull sscanf strtod
ban 'snprintf, memcpy, stpcpy into measured room' strcpy strcat sprintf gets
ban 'strcspn and lengths' strtok
ban 'malloc, or an array with a bound' alloca
ban 'fork and exec with an argument list' system popen
ban 'a timer of the event loop' sleep usleep nanosleep
ban 'sigaction, evsignal_new' signal
ban 'fcntl F_DUPFD_CLOEXEC' dup dup2
ban 'vmv_read_at, vmv_read_table_at' fgets fread
ban 'secure_getenv in main and base/log.c' getenv
ban 'gmtime_r' localtime localtime_r
ban 'an error return' assert abort
if grep -nE '(^|[^a-zA-Z0-9_])exit[[:space:]]*\(' $(ls */*.c | grep -vE '^(tests|bench)/|main\.c$'); then
	echo '^ exit outside main: return an error'
	status=1
fi
exit $status
