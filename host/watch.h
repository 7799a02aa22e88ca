/* The verb 'watch': the page of 'show' again and again, with rates. */
#ifndef VMV_HOST_WATCH_H
#define VMV_HOST_WATCH_H

#include "host/exits.h"

struct vmv_cli;

/* Ends after --count frames or at SIGINT, SIGTERM, SIGHUP, all with VMV_EXIT_OK. */
enum vmv_exit vmv_watch(const struct vmv_cli *cli);

#endif
